//! Why a release is not in an environment: every gate, open or closed, and what the controller does now.
//!
//! Invariant: the gates are those that the controller evaluates, and the state is the one that it reports.

use super::approvals::{ApprovalState, approval_state};
use super::outlook::needs_a_person;
use super::screen::{Branch, Cell, Table};
use super::times::until;
use super::tone::{Tone, of_state};
use crate::api::{
    CachedRelease, DriftMode, Environment, EnvironmentName, Meta, Promotion, PromotionPhase, Reason,
    ReleaseName,
};
use crate::decide::environment::validate;
use crate::decide::gates::gate::Gate;
use crate::decide::gates::{Listed, list};
use crate::decide::history::lane::Lane;
use crate::decide::release::stage::{At, Stage};
use crate::decide::release::stages::stage;
use crate::decide::world::Project;
use jiff::Timestamp;
use serde::Serialize;

/// A release in an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Name of the release.
    pub release: ReleaseName,
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// The state of the release there, as in its status.
    pub state: String,
    /// Why it is in this state.
    pub message: String,
    /// When it proceeds without an action. Absent if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Name of the Promotion, if one exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promotion: Option<String>,
    /// What happens next, and who or what has to act.
    pub next: String,
    /// The gates in the order in which they are evaluated. Empty once the promotion has started.
    pub gates: Vec<Row>,
}

/// One gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its name.
    pub gate: String,
    /// Whether it is open.
    pub state: RowState,
    /// What holds, or why it is closed and what opens it.
    pub message: String,
    /// When it opens without a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The state of a gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RowState {
    /// It is open.
    Open,
    /// It is closed.
    Closed,
    /// It is closed, and the promotion overrides it.
    Overridden,
    /// It is evaluated later, once the gates before it are open.
    Later,
}

/// The explanation of a release in an environment. None if the environment does not exist. `is_whole`: everything could be read; else the
/// controller may know a freeze or a fault of a policy that the reader may not see, and its report of them stands.
pub fn explain(
    project: &Project,
    release: &CachedRelease,
    environment: &EnvironmentName,
    is_whole: bool,
    now: Timestamp,
) -> Option<Explanation> {
    let environment = project.environments.get(environment)?;
    let application = release.application_name();
    let of_application = project.part(&application);
    let status = release.status().unwrap_or_default();
    let stage = stage(&of_application, environment, release, &status, now);
    let lane = Lane::of(&of_application, environment, &application);
    let promotion = lane.latest(release);
    let is_pending = promotion.is_none_or(|promotion| promotion.phase() == PromotionPhase::Pending);
    let gates = match is_pending && has_not_started(&stage.at) {
        true => gates(&of_application, environment, release, promotion, now),
        false => Vec::new(),
    };
    let explanation = Explanation {
        release: release.release_name(),
        environment: environment.environment_name(),
        state: stage.state().to_string(),
        message: message(&stage, promotion),
        until: stage.until,
        promotion: promotion.map(|promotion| promotion.name().to_owned()),
        next: [next(&stage, environment, promotion, now)]
            .into_iter()
            .chain(other_actions(&stage, &gates))
            .collect::<Vec<_>>()
            .join("; "),
        gates,
    };
    Some(if is_whole { explanation } else { explanation.or_reported(release, &stage, now) })
}

/// Whether the release is still in front of its gates.
fn has_not_started(at: &At) -> bool {
    match at {
        At::Skipped(_)
        | At::Gate(_)
        | At::Blocked(_)
        | At::InProgress
        | At::Promotion(PromotionPhase::Pending) => true,
        At::Promotion(_)
        | At::RollingBack
        | At::RolledBack
        | At::Recalled
        | At::RollbackFailed
        | At::Superseded(_) => false,
    }
}

/// A promotion in progress says more than the stage.
fn message(stage: &Stage, promotion: Option<&Promotion>) -> String {
    let own = promotion.and_then(|promotion| promotion.status.as_ref()?.message.clone());
    let own = own.filter(|_| stage.at == At::InProgress);
    own.unwrap_or_else(|| stage.message.clone())
}

fn next(stage: &Stage, environment: &Environment, promotion: Option<&Promotion>, now: Timestamp) -> String {
    match &stage.at {
        At::Skipped(_) => "none: the release is never promoted to this environment".to_owned(),
        At::InProgress if promotion.is_none() => "the controller creates its Promotion now".to_owned(),
        At::InProgress => "no action is needed: the promotion proceeds by itself".to_owned(),
        At::Gate(gate) if needs_a_person(gate) => format!("an action is needed: {}", who(gate, environment)),
        At::Gate(gate) => match stage.until {
            Some(at) => format!("the gate {gate} opens by itself {}", until(at, now)),
            None => format!("it waits until the gate {gate} opens; no time is known"),
        },
        At::Blocked(_) => "it proceeds once this is fixed; the controller tries again by itself".to_owned(),
        At::RollingBack => "no action is needed: the rollback proceeds by itself".to_owned(),
        At::Promotion(PromotionPhase::Pending | PromotionPhase::Promoting | PromotionPhase::Observing) => {
            "no action is needed: the promotion proceeds by itself".to_owned()
        }
        At::Promotion(PromotionPhase::Verified) => "none: it is verified here".to_owned(),
        At::Promotion(PromotionPhase::Compared) => "none: a dry run has ended".to_owned(),
        At::Promotion(PromotionPhase::Inconclusive) => {
            "a release manager decides: promote it again, or roll it back".to_owned()
        }
        At::Recalled => "on-call acts: it was recalled and still runs here".to_owned(),
        At::Superseded(_) | At::Promotion(PromotionPhase::Superseded) => {
            "none: a newer release has replaced it here".to_owned()
        }
        At::Promotion(PromotionPhase::Failed | PromotionPhase::Cancelled) | At::RolledBack => {
            "none by itself: create a Promotion to promote it again, or create a release with other content"
                .to_owned()
        }
        At::RollbackFailed => "on-call acts: its rollback failed as well".to_owned(),
    }
}

/// The actions that are needed beside the gate that the release waits at.
fn other_actions(stage: &Stage, gates: &[Row]) -> Option<String> {
    let At::Gate(own) = &stage.at else { return None };
    let needs = |row: &&Row| {
        let gate = Reason::from(row.gate.as_str());
        row.state == RowState::Closed && gate != *own && needs_a_person(&gate)
    };
    let needed: Vec<String> =
        gates.iter().filter(needs).map(|row| format!("{}: {}", row.gate, row.message)).collect();
    (!needed.is_empty()).then(|| format!("actions are also needed: {}", needed.join("; ")))
}

/// Who opens a gate, and how.
fn who(gate: &Reason, environment: &Environment) -> String {
    let holder = |verb: &str| format!("a user with the verb {verb} on environments/{}", environment.name());
    if *gate == Reason::Approval {
        return format!("{} approves it", holder("approve"));
    }
    if *gate == Reason::Hold {
        return "the user who holds it resumes it, or a user with the verb override on all environments"
            .to_owned();
    }
    if *gate == Reason::Review {
        return "a user with the verb review on releases reviews the release that failed".to_owned();
    }
    if *gate == Reason::Recall {
        return format!("on-call deletes the Recall, or {} overrides the gate", holder("override"));
    }
    if matches!(gate, Reason::Manual | Reason::FailureHold | Reason::EvidenceHold | Reason::Requester) {
        return format!("{} creates a Promotion", holder("promote"));
    }
    format!("the gate {gate} needs an action")
}

fn gates(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    promotion: Option<&Promotion>,
    now: Timestamp,
) -> Vec<Row> {
    let listed = list(project, environment, release, promotion, now);
    let mut rows: Vec<Row> = Vec::new();
    for next in listed.into_iter().map(row) {
        let is_open = |row: &Row| row.state == RowState::Open && row.gate == next.gate;
        match rows.iter_mut().find(|row| is_open(row)).filter(|_| next.state == RowState::Open) {
            // Several conditions have one name.
            Some(same) => same.message = format!("{}; {}", same.message, next.message),
            None => rows.push(next),
        }
    }
    let own = promotion.and_then(|promotion| promotion.status.as_ref());
    let reason = own.and_then(|status| status.reason.as_deref()).map(Reason::from);
    // What is evaluated once a promotion exists is known from its status alone.
    let reported = |gates: &[Reason], holds: &str| {
        let message = own.and_then(|status| status.message.clone()).unwrap_or_default();
        match &reason {
            Some(reason) if gates.contains(reason) => closed(reason, message),
            Some(_) | None => Row {
                gate: gates.first().map(ToString::to_string).unwrap_or_default(),
                state: RowState::Later,
                message: holds.to_owned(),
                until: None,
            },
        }
    };
    let is_refused = matches!(&reason, Some(Reason::Requester | Reason::Override));
    if let (true, Some(reason), Some(own)) = (is_refused, &reason, own) {
        rows.retain(|row| row.gate != Reason::Requester.as_str());
        rows.push(closed(reason, own.message.clone().unwrap_or_default()));
    } else {
        later_if_unknown(&mut rows);
    }
    rows.push(target(project, environment));
    rows.push(reported(&[Reason::Lane], "one promotion of an application runs at a time"));
    rows.push(reported(&[Reason::Preflight, Reason::Refused], "a dry-run of every object is accepted"));
    if environment.spec.drift == DriftMode::Block {
        rows.push(reported(&[Reason::Drift], "no object has drifted"));
    }
    rows.push(approval(approval_state(project, environment, release, promotion)));
    rows.push(reported(&[Reason::Evidence], "checks and tests that run before the first write pass"));
    rows
}

/// The right of the requester is checked when the gates before it are open.
fn later_if_unknown(rows: &mut [Row]) {
    let mut is_before = false;
    for row in rows {
        if row.gate == Reason::Requester.as_str() && is_before && row.state == RowState::Open {
            row.state = RowState::Later;
            row.message = "the requester may promote here".to_owned();
        }
        is_before |= row.state == RowState::Closed;
    }
}

fn row(listed: Listed) -> Row {
    let Listed { gate, holds, state, overridden } = listed;
    match state {
        Gate::Open => {
            Row { gate: gate.to_string(), state: RowState::Open, message: holds.to_owned(), until: None }
        }
        Gate::Never { message, .. } => closed(&gate, message),
        Gate::Closed { message, until, .. } => {
            let state = if overridden { RowState::Overridden } else { RowState::Closed };
            Row { gate: gate.to_string(), state, message, until }
        }
    }
}

fn closed(gate: &Reason, message: String) -> Row {
    Row { gate: gate.to_string(), state: RowState::Closed, message, until: None }
}

/// The namespace exists, and its owner has consented.
fn target(project: &Project, environment: &Environment) -> Row {
    match validate::target(project, environment) {
        Some(fault) => closed(&fault.reason, fault.message),
        None => Row {
            gate: "Consent".to_owned(),
            state: RowState::Open,
            message: "the target namespace exists, and its owner has consented".to_owned(),
            until: None,
        },
    }
}

fn approval(approvals: ApprovalState) -> Row {
    let (state, message) = match approvals {
        ApprovalState::NotRequired => (RowState::Open, "no approvals are required".to_owned()),
        ApprovalState::Overridden => (RowState::Overridden, "approvals are required".to_owned()),
        ApprovalState::Given => (RowState::Open, "it has all approvals".to_owned()),
        ApprovalState::Missing(needed) => (RowState::Closed, needed),
        ApprovalState::MayFollow => {
            (RowState::Open, "an Emergency change may start before it is approved".to_owned())
        }
        ApprovalState::Required(rules) => (RowState::Later, rules),
    };
    Row { gate: Reason::Approval.to_string(), state, message, until: None }
}

impl Explanation {
    /// The gate that the controller reports as closed because of what the reader may not see.
    fn or_reported(mut self, release: &CachedRelease, stage: &Stage, now: Timestamp) -> Self {
        let status = release.status().unwrap_or_default();
        let Some(line) = status.environments.into_iter().find(|line| line.name == self.environment) else {
            return self;
        };
        let gate = Reason::from(line.state.as_str());
        let opens = line.until.as_ref().map(|time| time.0);
        let is_frozen = gate == Reason::Freeze && opens.is_some_and(|at| at > now);
        let is_hidden = is_frozen || gate == Reason::Environment;
        let is_passed = matches!(stage.at, At::Gate(Reason::Order | Reason::Soak)) || self.gates.is_empty();
        let is_known = line.state == self.state && opens == self.until;
        if !is_hidden || is_passed || is_known {
            return self;
        }
        let message = line.message.unwrap_or_default();
        for row in self.gates.iter_mut().filter(|row| row.gate == line.state) {
            *row = Row { until: opens, ..closed(&gate, message.clone()) };
        }
        self.next = match opens {
            Some(at) => format!("the gate {gate} opens by itself {}", until(at, now)),
            None => "it proceeds once this is fixed; the controller tries again by itself".to_owned(),
        };
        Self { state: line.state, message, until: opens, ..self }
    }

    /// The state of the release, and what happens next.
    pub fn head(&self) -> Branch {
        let head = vec![
            Cell::plain("Release"),
            Cell::plain(self.release.as_str()),
            Cell::plain(format!("in {}", self.environment)),
            Cell::toned(&self.state, of_state(&self.state)),
        ];
        let promotion = self
            .promotion
            .iter()
            .map(|name| Branch::new(vec![Cell::plain("Promotion"), Cell::plain(name)], ""));
        let next = Branch::new(vec![Cell::plain("Next")], &self.next);
        Branch::new(head, &self.message).with(promotion.chain([next]))
    }

    /// The gates as a table.
    pub fn table(&self, now: Timestamp) -> Table {
        let mut table = Table::new(&["GATE", "STATE"], "WHY");
        for row in &self.gates {
            let (word, tone) = row.state.word();
            let why = match row.until {
                Some(at) => format!("opens {}: {}", until(at, now), row.message),
                None => row.message.clone(),
            };
            table.row(vec![Cell::plain(&row.gate), Cell::toned(word, tone)], why);
        }
        table
    }
}

impl RowState {
    fn word(self) -> (&'static str, Tone) {
        match self {
            Self::Open => ("open", Tone::Good),
            Self::Closed => ("closed", Tone::Waits),
            Self::Overridden => ("overridden", Tone::Bad),
            Self::Later => ("later", Tone::Plain),
        }
    }
}
