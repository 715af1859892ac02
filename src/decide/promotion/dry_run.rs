//! A dry run: what a promotion would change, tried by the API server with the identity of the environment, and recorded.
//!
//! ```text
//!   Pending --+--> Compared    every object was tried: the status holds what would change, and what would be refused
//!             |
//!             +--> Cancelled   the release was deleted
//!             |
//!             +--> Failed      nothing can be compared: consent is missing, the content cannot be rendered, or the time is over
//! ```
//!
//! It waits at no gate, and for no other promotion: it asks what would be, not whether it may be. Consent and the right of its requester
//! are needed, because it reads and tries in the target namespace.
//!
//! Invariants: its only action is the preflight, whose requests are dry runs. It never has a revision. The record holds no value of an
//! object. Nothing else is decided by it: a [`Project`](crate::decide::world::Project) keeps dry runs apart from promotions.

use super::desired::is_replaced;
use super::gates::{missing_consent, missing_right};
use super::outcome::{Outcome, Turn};
use super::{Decision, Scene, note};
use crate::api::{ChangeAction, Delivery, Meta, ObjectChange, PromotionPhase, PromotionStatus, Reason};
use crate::content::object::comparison::differences;
use crate::content::plan::ingress::unchanged_hosts;
use crate::content::plan::overrides::unmatched;
use crate::content::{Desired, Digested, ObjectKey, Plan};
use crate::decide::conditions::cut;
use crate::decide::environment::{overrides, validate};
use crate::decide::moments::{earliest, later};
use crate::decide::world::{Live, Loaded, Trial, Verb};
use jiff::{SignedDuration, Timestamp};

/// How long a dry run may take, from its creation.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);
/// Fields of one object in the record. `ObjectChange::fields` has the same limit.
const MOST_FIELDS: usize = 100;
/// Fields of all objects in the record, which has to fit into one object.
const MOST_FIELDS_OF_ALL: usize = 1_000;
/// Refusals in the record.
const MOST_REFUSALS: usize = 50;
/// Warnings in the record.
const MOST_WARNINGS: usize = 20;

/// What a dry run lacks: the reason, the message, and when to try again.
type Lack = (Reason, String, Option<Timestamp>);

/// Decides about a dry run that has not ended.
pub(super) fn decide(scene: &Scene<'_>) -> Turn {
    let release = scene.release.filter(|release| !release.deleting());
    if release.is_none() || scene.is_of_another_release() {
        let message = "the release was deleted before its objects were compared".into();
        return Err(Outcome::Cancelled { reason: Reason::ReleaseDeleted, message });
    }
    if let Some(outcome) = impossible(scene) {
        return Err(outcome);
    }
    if let Some((reason, message, again)) = lacking(scene) {
        return wait(scene, reason, &message, again);
    }
    let (Loaded::Here(content), Some(Ok(plan))) = (&scene.world.content, &scene.world.plans.content) else {
        return unloaded(scene);
    };
    match scene.world.tried.as_ref().filter(|trial| trial.digest == plan.digest()) {
        Some(trial) => Ok(compared(scene, content, plan, trial)),
        None if scene.now >= deadline(scene) => {
            let message = "the API server did not answer in time";
            wait(scene, Reason::Preflight, message, None)
        }
        None => Ok(scene.preflight(plan)),
    }
}

/// What no time changes.
fn impossible(scene: &Scene<'_>) -> Option<Outcome> {
    let refused = |reason, message: &str| Outcome::Refused { reason, message: message.to_owned() };
    let spec = &scene.world.promotion.spec;
    if scene.is_rollback() {
        return Some(refused(Reason::Refused, "spec.dryRun is only allowed with kind: Promote"));
    }
    if scene.environment.spec.delivery == Delivery::Observed {
        let message =
            "the environment has delivery: Observed: another tool writes there, and Towpath compares nothing";
        return Some(refused(Reason::Observed, message));
    }
    let why = missing_right(scene)?;
    let answer = spec
        .requested_by
        .as_ref()
        .map(|user| scene.world.project.may(Verb::Promote, scene.environment, user));
    // None inside: the API server is being asked.
    (answer != Some(None)).then(|| refused(Reason::Requester, &why))
}

/// What may be there later.
fn lacking(scene: &Scene<'_>) -> Option<Lack> {
    let again = later(scene.now, SignedDuration::from_secs(1));
    let right = || missing_right(scene).map(|why| (Reason::Requester, why, Some(again)));
    right().or_else(|| missing_consent(scene))
}

/// Waits until the deadline, and ends then with what is lacking as the reason.
fn wait(scene: &Scene<'_>, reason: Reason, message: &str, again: Option<Timestamp>) -> Turn {
    let deadline = deadline(scene);
    if scene.now >= deadline {
        let message = format!("{message} (given up after {} s)", PATIENCE.as_secs());
        return Err(Outcome::Refused { reason, message });
    }
    Ok(scene.wait(&reason, message, earliest(again, Some(deadline))))
}

fn deadline(scene: &Scene<'_>) -> Timestamp {
    later(scene.world.promotion.created(), PATIENCE)
}

/// There is no content, or it cannot be rendered.
fn unloaded(scene: &Scene<'_>) -> Turn {
    let refused = |reason, message: &str| Err(Outcome::Refused { reason, message: message.to_owned() });
    match (&scene.world.content, &scene.world.plans.content) {
        (Loaded::Missing(name), _) => {
            refused(Reason::ContentMissing, &format!("the Content {name} was deleted"))
        }
        (Loaded::Broken(message), _) => refused(Reason::ContentBroken, message),
        (Loaded::Here(_), Some(Err(error))) => refused(Reason::InvalidContent, &error.to_string()),
        (Loaded::NotAsked | Loaded::Here(_), _) => {
            wait(scene, Reason::Content, "the content of the release has not been captured yet", None)
        }
    }
}

/// Records what would change, and ends the dry run.
fn compared(scene: &Scene<'_>, content: &Digested, plan: &Plan, trial: &Trial) -> Decision {
    let wanted = plan.objects.as_slice();
    let (replaced, unknown) = match &scene.world.plans.replaced {
        Some(Ok(replaced)) => (replaced.objects.as_slice(), None),
        Some(Err(error)) => (&[] as &[Desired], Some(error.to_string())),
        None => (&[] as &[Desired], None),
    };
    let mut status = PromotionStatus {
        finished_at: Some(scene.time()),
        version: scene.release.map(|release| release.version().to_owned()),
        digest: Some(plan.digest().to_owned()),
        replaces: scene.lane.current().and_then(|current| current.revision()),
        change: scene.release.and_then(|release| release.change_record()),
        overrides_digest: Some(overrides::digest(scene.environment.spec.overrides.as_ref())),
        namespace_uid: scene.world.project.namespace(scene.environment).map(|facts| facts.uid.clone()),
        refusals: refusals(scene, content, plan, trial, unknown),
        changes: with_fields(scene, wanted, scene.changes(wanted, replaced)),
        ..scene.status.clone()
    };
    let (_, remarks) = scene.crowded(wanted, trial);
    let unmatched = unmatched(content.objects(), &scene.environment.spec);
    let of_plan = plan.warnings();
    let warnings = trial.warnings.iter().chain(&remarks).chain(&unmatched).chain(&of_plan);
    status.warnings = warnings.map(|text| cut(text, 512)).take(MOST_WARNINGS).collect();
    let message = sentence(&status);
    let text = format!("{}: {}: {message}", scene.environment.name(), scene.world.promotion.spec.release);
    let memory = scene.write(status, PromotionPhase::Compared, &Reason::Compared, &message);
    Decision { memory: Some(memory), ..Decision::default() }.with(note(Reason::Compared, text))
}

/// What would keep the promotion from starting once every gate is open.
fn refusals(
    scene: &Scene<'_>,
    content: &Digested,
    plan: &Plan,
    trial: &Trial,
    unknown: Option<String>,
) -> Vec<String> {
    let wanted = plan.objects.as_slice();
    let now = scene.now;
    let fault = validate::environment(&scene.world.project, scene.environment, now);
    let fault = fault.map(|fault| format!("the environment {}: {}", scene.environment.name(), fault.message));
    let captured_elsewhere = scene.release.is_some_and(|release| release.captured_from().is_some());
    let hosts = captured_elsewhere.then(|| unchanged_hosts(content.objects(), plan.content.objects()));
    let hosts = hosts.into_iter().flatten().map(|(ingress, host)| {
        format!("Ingress {ingress} would serve {host}, the host of the environment where it was captured")
    });
    let refused = trial
        .results
        .iter()
        .filter_map(|(key, result)| result.as_ref().err().map(|message| format!("{key}: {message}")));
    let (crowded, _) = scene.crowded(wanted, trial);
    let found = fault
        .into_iter()
        .chain(unknown)
        .chain(hosts)
        .chain(scene.refusals(wanted))
        .chain(refused)
        .chain(trial.refusals.iter().cloned())
        .chain(crowded)
        .chain(scene.missing(trial))
        .chain(scene.paused(wanted, trial));
    found.map(|text| cut(&text, 1024)).take(MOST_REFUSALS).collect()
}

/// The changes with the fields that differ, and without what objects had.
fn with_fields(scene: &Scene<'_>, wanted: &[Desired], changes: Vec<ObjectChange>) -> Vec<ObjectChange> {
    let mut left = MOST_FIELDS_OF_ALL;
    let salt = scene.environment.uid();
    let fields = |change: &ObjectChange| {
        let key = ObjectKey::of_change(change)?;
        let item = wanted.iter().find(|item| item.key == key).filter(|_| change.action.is_write())?;
        let live = scene.world.live.get(&key).and_then(Live::present);
        let tried = scene.world.tried.as_ref().and_then(|trial| trial.results.get(&key));
        let tried = tried.and_then(|result| result.as_ref().ok());
        let is_whole = |live: &serde_json::Value| is_replaced(&item.object, live);
        Some(match (live, tried) {
            (Some(live), Some(tried)) => differences(Some(live), tried, salt),
            (Some(live), None) if is_whole(live) => differences(Some(live), &item.object, salt),
            // It was refused: what the release says is known, and not what the API server would make of it.
            (Some(live), None) => {
                let found = differences(Some(live), &item.object, salt);
                found.into_iter().filter(|field| field.after.is_some()).collect()
            }
            (None, _) => differences(None, &item.object, salt),
        })
    };
    let mut record = |mut change: ObjectChange| {
        let mut found = fields(&change).unwrap_or_default();
        let most = MOST_FIELDS.min(left);
        let more = found.len().saturating_sub(most);
        found.truncate(most);
        left -= found.len();
        change.fields = found;
        change.more_fields = i32::try_from(more).ok().filter(|more| *more > 0);
        ObjectChange { had: None, ..change }
    };
    changes.into_iter().map(&mut record).collect()
}

/// How many objects would change, in a sentence.
fn sentence(status: &PromotionStatus) -> String {
    let count = |is_it: &dyn Fn(ChangeAction) -> bool| {
        status.changes.iter().filter(|change| is_it(change.action)).count()
    };
    let created = count(&|action| action == ChangeAction::Create);
    let changed = count(&|action| matches!(action, ChangeAction::Update | ChangeAction::Replace));
    let deleted = count(&|action| action == ChangeAction::Delete);
    let refused = match status.refusals.first() {
        None => String::new(),
        Some(first) => format!("; it would not start: {first}"),
    };
    format!("nothing was written: {created} to create, {changed} to change, {deleted} to remove{refused}")
}
