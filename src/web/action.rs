//! The actions of the page: what a visitor chose and filled in, as the intent that is written.
//!
//! The intents are those of the terminal, so both need the same rights and write the same manifests.

use crate::api::{
    ApprovalDecision, ChangeFreezeSpec, ChangeType, EnvironmentName, GateName, Meta, Promotion, ReleaseName,
    ReviewOutcome,
};
use crate::user::followed::Snapshot;
use crate::view::choice::{awaiting_approval, end, lane, retried, reviewed, rolled_back};
use crate::view::intent::{self, Intent, Request};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// What a visitor can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Promote a release to an environment.
    Promote,
    /// Approve what a promotion would write.
    Approve,
    /// Reject it.
    Reject,
    /// Hold a release.
    Hold,
    /// End a hold.
    Resume,
    /// End what is in progress.
    Abort,
    /// Promote again what failed.
    Retry,
    /// Restore a revision.
    Rollback,
    /// Promote past closed gates.
    Override,
    /// Declare the content of a release bad.
    Recall,
    /// End a recall.
    Lift,
    /// Start no promotion for a time.
    Freeze,
    /// End a freeze.
    Unfreeze,
    /// Close the review of a release.
    Review,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 14] = [
        Self::Promote,
        Self::Approve,
        Self::Reject,
        Self::Hold,
        Self::Resume,
        Self::Abort,
        Self::Retry,
        Self::Rollback,
        Self::Override,
        Self::Recall,
        Self::Lift,
        Self::Freeze,
        Self::Unfreeze,
        Self::Review,
    ];

    /// The action of this word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }

    /// The word in addresses: that of the verb of the plugin.
    pub fn word(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Hold => "hold",
            Self::Resume => "resume",
            Self::Abort => "abort",
            Self::Retry => "retry",
            Self::Rollback => "rollback",
            Self::Override => "override",
            Self::Recall => "recall",
            Self::Lift => "lift",
            Self::Freeze => "freeze",
            Self::Unfreeze => "unfreeze",
            Self::Review => "review",
        }
    }

    /// The word on buttons.
    pub fn label(self) -> &'static str {
        match self {
            Self::Promote => "Promote",
            Self::Approve => "Approve",
            Self::Reject => "Reject",
            Self::Hold => "Hold",
            Self::Resume => "Resume",
            Self::Abort => "Abort",
            Self::Retry => "Retry",
            Self::Rollback => "Roll back",
            Self::Override => "Override",
            Self::Recall => "Recall",
            Self::Lift => "Lift recall",
            Self::Freeze => "Freeze",
            Self::Unfreeze => "Lift freeze",
            Self::Review => "Review",
        }
    }

    /// Whether the visitor has to say why. For a review, why is its notes.
    pub fn reason(self) -> Reason {
        match self {
            Self::Override | Self::Recall | Self::Freeze => Reason::Required,
            Self::Promote
            | Self::Approve
            | Self::Reject
            | Self::Hold
            | Self::Abort
            | Self::Retry
            | Self::Rollback
            | Self::Review => Reason::Optional,
            Self::Resume | Self::Lift | Self::Unfreeze => Reason::None,
        }
    }
}

/// Whether an action has a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The object has no field for it.
    None,
    /// It may have one.
    Optional,
    /// It is refused without one.
    Required,
}

/// What a visitor chose and filled in. A name can have several values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The first value of a name. None if there is none, or it is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .filter(|(own, _)| own == name)
            .map(|(_, value)| value.trim())
            .find(|value| !value.is_empty())
    }

    /// The values of a name that are not empty.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let values = self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.trim());
        values.filter(|value| !value.is_empty())
    }

    fn required(&self, name: &str) -> Result<&str, String> {
        self.get(name).ok_or_else(|| format!("the field {name} is empty"))
    }
}

/// Fields as a query.
pub fn encoded(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

/// What is written for an action. An error says what is wrong with the fields, or why there is nothing to do.
pub fn intent(
    action: Action,
    fields: &Fields,
    snapshot: &Snapshot,
    request: Request<'_>,
    now: Timestamp,
) -> Result<Intent, String> {
    let request = Request { reason: fields.get("reason"), ..request };
    if action.reason() == Reason::Required && request.reason.is_none() {
        return Err("a reason is required".to_owned());
    }
    let project = &snapshot.everything.project;
    let release = || {
        let name = fields.required("release")?;
        let found = snapshot.lists.release(name);
        found.ok_or_else(|| format!("namespace {} has no release {name}", project.name))
    };
    let environment = || {
        let name = fields.required("environment")?;
        let found = project.environments.get(name);
        found.ok_or_else(|| format!("namespace {} has no environment {name}", project.name))
    };
    let promoted = || -> Result<(ReleaseName, EnvironmentName), String> {
        Ok((release()?.name().into(), environment()?.environment_name()))
    };
    match action {
        Action::Promote => {
            let (release, environment) = promoted()?;
            Ok(intent::promote(request, &release, &environment))
        }
        Action::Retry => {
            let (release, environment) = promoted()?;
            let failed = retried(&here(snapshot, &release, &environment), &release, &environment)?;
            let reason = format!("retry of {}", failed.name());
            let request = Request { reason: Some(request.reason.unwrap_or(&reason)), ..request };
            Ok(intent::promote(request, &release, &environment))
        }
        Action::Override => {
            let (release, environment) = promoted()?;
            let named = |gate: &GateName| fields.all("gate").any(|name| gate.reason().to_string() == name);
            let gates: Vec<GateName> = GateName::ALL.into_iter().filter(named).collect();
            if gates.is_empty() {
                return Err("no gate is chosen".to_owned());
            }
            Ok(intent::override_gates(request, &release, &environment, &gates))
        }
        Action::Approve | Action::Reject => {
            let (release, environment) = (release()?, environment()?);
            let name = ReleaseName::from(release.name());
            let here = here(snapshot, &name, &environment.environment_name());
            let (promotion, _) = awaiting_approval(&here, release, environment)?;
            let report = promotion.status.as_ref().and_then(|status| status.approvals.as_ref());
            let report = report.ok_or_else(|| format!("{} needs no approval", promotion.name()))?;
            // What is approved is what was shown.
            if fields.get("digest").is_some_and(|shown| shown != report.of.digest) {
                return Err("what would be written has changed: read it again".to_owned());
            }
            let decision =
                if action == Action::Approve { ApprovalDecision::Approve } else { ApprovalDecision::Reject };
            Ok(intent::decide(request, &report.of, decision))
        }
        Action::Hold => Ok(intent::hold(request, release()?)),
        Action::Resume => Ok(intent::resume(request, release()?)),
        Action::Abort => {
            let name = fields.required("promotion")?;
            let promotion = project.promotion(name);
            let promotion =
                promotion.ok_or_else(|| format!("namespace {} has no promotion {name}", project.name))?;
            end(request, promotion, &project.application_of(promotion).unwrap_or_default())
        }
        Action::Rollback => roll_back(fields, snapshot, request),
        Action::Recall => {
            let release = release()?;
            let digest = release.status.as_ref().and_then(|status| status.digest.clone());
            let digest = digest.ok_or_else(|| {
                format!("the content of {} is not captured yet: hold it instead", release.name())
            })?;
            Ok(intent::recall(request, None, &release.spec.application, &[digest]))
        }
        Action::Lift => Ok(intent::lift_recall(fields.required("name")?)),
        Action::Freeze => freeze(fields, snapshot, request, now),
        Action::Unfreeze => Ok(intent::unfreeze(fields.required("name")?)),
        Action::Review => {
            let outcomes =
                [ReviewOutcome::Successful, ReviewOutcome::SuccessfulWithIssues, ReviewOutcome::Failed];
            let chosen = fields.required("outcome")?;
            let outcome = outcomes.into_iter().find(|outcome| outcome.as_str() == chosen);
            let outcome = outcome.ok_or_else(|| format!("{chosen:?} is not an outcome"))?;
            let lines = fields.get("actions").unwrap_or_default().lines().map(str::trim);
            let actions: Vec<String> = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
            let release = release()?;
            reviewed(release)?;
            Ok(intent::review(request, &release.name().into(), outcome, &actions))
        }
    }
}

/// The promotions of a release to an environment.
pub fn here<'a>(snapshot: &'a Snapshot, release: &str, environment: &str) -> Vec<&'a Promotion> {
    let all = snapshot.everything.project.promotions.values().map(AsRef::as_ref);
    all.filter(|it: &&Promotion| *it.spec.release == *release && *it.spec.environment == *environment)
        .collect()
}

fn roll_back(fields: &Fields, snapshot: &Snapshot, request: Request<'_>) -> Result<Intent, String> {
    let project = &snapshot.everything.project;
    let name = fields.required("environment")?;
    let environment = project.environments.get(name);
    let environment =
        environment.ok_or_else(|| format!("namespace {} has no environment {name}", project.name))?;
    // What waits for a person names its release, and not its application.
    let named = fields.get("release").and_then(|name| snapshot.lists.release(name));
    let application = fields.get("application").map(Into::into);
    let application = application.or_else(|| named.map(|release| release.spec.application.clone()));
    let lane = lane(environment, application.as_ref())?;
    let to = match fields.get("to") {
        Some(number) => Some(number.parse().map_err(|_| format!("{number:?} is not a revision"))?),
        None => None,
    };
    let active = lane.active.as_ref().and_then(|name| project.promotion(name)).map(AsRef::as_ref);
    let release = rolled_back(environment, lane, to, active)?;
    Ok(intent::roll_back(request, &release, &environment.environment_name(), &lane.name, to))
}

fn freeze(
    fields: &Fields,
    snapshot: &Snapshot,
    request: Request<'_>,
    now: Timestamp,
) -> Result<Intent, String> {
    let zone = fields.get("zone").unwrap_or("UTC");
    let zone =
        TimeZone::get(zone).map_err(|_| format!("{zone:?} is not a time zone such as Europe/Berlin"))?;
    let time = |name: &str| -> Result<Option<Timestamp>, String> {
        let Some(text) = fields.get(name) else { return Ok(None) };
        let local = text
            .parse::<DateTime>()
            .map_err(|_| format!("{text:?} is not a time such as 2026-12-20T18:00"))?;
        let zoned = local.to_zoned(zone.clone());
        zoned
            .map(|zoned| Some(zoned.timestamp()))
            .map_err(|_| format!("{text:?} is not a time of the calendar"))
    };
    let second = |at: Timestamp| Timestamp::from_second(at.as_second()).unwrap_or(at);
    let from = time("from")?.unwrap_or_else(|| second(now));
    let to = time("to")?.ok_or_else(|| "the freeze needs an end".to_owned())?;
    if to <= from {
        return Err(format!("the freeze ends at {to}, which is not after its start at {from}"));
    }
    let known = &snapshot.everything.project.environments;
    let environments: Vec<EnvironmentName> = fields.all("environment").map(Into::into).collect();
    if let Some(unknown) = environments.iter().find(|name| !known.contains_key(*name)) {
        return Err(format!("namespace {} has no environment {unknown}", snapshot.everything.project.name));
    }
    let types = [ChangeType::Standard, ChangeType::Normal, ChangeType::Emergency];
    let passes =
        types.into_iter().filter(|it| fields.all("passes").any(|name| name == it.as_str())).collect();
    let reason = request.reason.unwrap_or_default().to_owned();
    let spec = ChangeFreezeSpec { from: Time(from), to: Time(to), reason, environments, passes };
    Ok(intent::freeze(Request { by: None, ..request }, None, spec))
}
