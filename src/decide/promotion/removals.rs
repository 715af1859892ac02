//! Deletes what the content no longer contains, in two steps.
//!
//! ```text
//!   rollout complete --> delete what a rollback can restore as it was --> observe window --> delete the rest --> Verified
//! ```
//!
//! Invariants: a promotion becomes `Verified` only after the second step. What an object had is in the status before the object is
//! deleted. A deletion that the API server refuses fails nothing: the status says what remains and why, and the next promotion of the
//! lane deletes it.

use super::delay::retry_at;
use super::dropped::removal;
use super::terminating::{AGAIN, is_terminating, waits_for};
use super::{Decision, Scene, hooks};
use crate::api::{ChangeAction, ObjectChange, PromotionPhase, PromotionStatus, Reason, Removal, mark};
use crate::content::ObjectKey;
use crate::content::object::metadata::annotation;
use crate::content::ownership::removal::kept;
use crate::decide::conditions::cut;
use crate::decide::decision::Action;
use crate::decide::moments::{earliest, later, span};
use crate::decide::world::{Live, PromotionWorld};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// The delay before the result of a deletion is read.
const SOON: SignedDuration = SignedDuration::from_secs(1);
/// Failures in a row after which a deletion is left to the next promotion: about half a minute with the delays between them.
const ATTEMPTS: u32 = 6;

/// Where the deletion of one object stands.
enum Progress {
    /// The object is gone or, unless a rollback removes it, is being deleted.
    Done,
    /// The object is being deleted. Holds what it waits for.
    Leaving(String),
    /// The object has to be deleted now.
    Due { uid: String },
    /// The deletion is tried again at this time.
    Waits(Timestamp),
    /// The object stays, for this reason.
    Remains(String),
    /// The object was not read.
    Unread,
}

/// The next deletions of a step; none when nothing is left to delete in it.
pub(super) fn step(scene: &Scene<'_>, at: Removal) -> Option<Decision> {
    let mut status = scene.status.clone();
    let mut actions = Vec::new();
    let mut wake_at = None;
    for change in status.changes.iter_mut().filter(|change| is_removal(change, at)) {
        let Some(key) = ObjectKey::of_change(change) else { continue };
        match progress(scene, &key, scene.is_rollback() && at == Removal::AfterRollout) {
            Progress::Done | Progress::Remains(_) => {}
            Progress::Leaving(_) => {
                let again = later(scene.now, AGAIN).min(patience(scene));
                wake_at = earliest(wake_at, Some(again).filter(|at| *at > scene.now));
            }
            Progress::Due { uid } => {
                if let Some(Live::Present(live)) = scene.world.live.get(&key) {
                    change.had = removal(&key, live, None).had;
                }
                actions.push(Action::Delete { target: scene.target(), key, uid });
            }
            Progress::Waits(until) => wake_at = earliest(wake_at, Some(until)),
            Progress::Unread => wake_at = earliest(wake_at, Some(scene.shortly())),
        }
    }
    if actions.is_empty() && wake_at.is_none() {
        return None;
    }
    let wake_at = wake_at.or_else(|| Some(later(scene.now, SOON)));
    // What the objects had may have changed since the promotion started.
    let memory =
        (!actions.is_empty() && status.changes != scene.status.changes).then(|| scene.same_phase(status));
    Some(Decision { memory, actions, wake_at, ..Decision::default() })
}

fn is_removal(change: &ObjectChange, at: Removal) -> bool {
    change.action == ChangeAction::Delete && change.removal.unwrap_or(Removal::AfterRollout) == at
}

/// Where a deletion stands. One that `insists` is tried until the deadline, as a rollback does.
fn progress(scene: &Scene<'_>, key: &ObjectKey, insists: bool) -> Progress {
    if scene.world.written.contains(key) {
        return Progress::Done;
    }
    let failed = scene.world.failed.get(key).filter(|_| !insists);
    if let Some(message) = scene.world.refused.get(key).filter(|_| !insists) {
        return Progress::Remains(message.clone());
    }
    if let Some(failed) = failed.filter(|failed| failed.count >= ATTEMPTS) {
        return Progress::Remains(failed.message.clone());
    }
    let live = match scene.world.live.get(key) {
        None => return Progress::Unread,
        Some(Live::Absent | Live::Unserved(_)) => return Progress::Done,
        Some(Live::Refused(message) | Live::Unreadable(message)) => {
            return Progress::Remains(format!("it cannot be read: {message}"));
        }
        Some(Live::Present(live)) => live,
    };
    // Another tool took it over since the promotion started.
    if annotation(live, mark::OWNER) != Some(scene.owner().as_str()) {
        return Progress::Done;
    }
    if is_terminating(live) {
        return if scene.is_rollback() { Progress::Leaving(waits_for(live)) } else { Progress::Done };
    }
    // It may have been annotated since the promotion started.
    if let Some(reason) = kept(live) {
        return Progress::Remains(reason.to_owned());
    }
    if let Some(at) = failed.map(retry_at).filter(|at| *at > scene.now) {
        return Progress::Waits(at);
    }
    match live.pointer("/metadata/uid").and_then(serde_json::Value::as_str) {
        Some(uid) => Progress::Due { uid: uid.to_owned() },
        None => Progress::Remains("it has no UID".to_owned()),
    }
}

/// Until when a rollback waits for the objects that it removes to be gone. Everything is restored then: it ends, and says what remains.
fn patience(scene: &Scene<'_>) -> Timestamp {
    let limit = SignedDuration::from_secs(i64::from(scene.policy.failing.progress_deadline_seconds));
    later(hooks::rollout_since(scene, &scene.status), limit)
}

/// The objects that a rollback removes and that are being deleted, as sentences.
pub(super) fn leaving(scene: &Scene<'_>) -> Vec<String> {
    let deletes = scene.status.changes.iter().filter(|change| change.action == ChangeAction::Delete);
    let keys = deletes.filter_map(ObjectKey::of_change);
    keys.filter_map(|key| match progress(scene, &key, true) {
        Progress::Leaving(why) => Some(format!("{key} {why}")),
        Progress::Due { .. }
        | Progress::Waits(_)
        | Progress::Unread
        | Progress::Done
        | Progress::Remains(_) => None,
    })
    .collect()
}

/// Whether an object is one that a promotion deletes.
pub(super) fn is_removed(status: &PromotionStatus, key: &ObjectKey) -> bool {
    let mut deletes = status.changes.iter().filter(|change| change.action == ChangeAction::Delete);
    deletes.any(|change| ObjectKey::of_change(change).as_ref() == Some(key))
}

/// The second step, before a promotion becomes verified; none when nothing is left to delete in it.
pub(super) fn before_verified(scene: &Scene<'_>) -> Option<Decision> {
    step(scene, Removal::AfterVerification)
}

/// Records what remains when a promotion ends.
pub(super) fn record(scene: &Scene<'_>, status: &mut PromotionStatus, phase: PromotionPhase) {
    for change in status.changes.iter_mut().filter(|change| change.action == ChangeAction::Delete) {
        let Some(key) = ObjectKey::of_change(change) else { continue };
        let is_late = is_removal(change, Removal::AfterVerification);
        let remains = match progress(scene, &key, false) {
            Progress::Remains(reason) => Some(reason),
            Progress::Leaving(why) => Some(format!("it {why}")),
            // A promotion that is not verified never reaches its second step.
            Progress::Due { .. } | Progress::Unread if is_late && phase != PromotionPhase::Verified => {
                Some("the promotion was not verified".to_owned())
            }
            Progress::Due { .. } | Progress::Waits(_) | Progress::Unread | Progress::Done => None,
        };
        if let Some(reason) = remains {
            change.remaining = true;
            change.message = Some(cut(&reason, 512));
        }
    }
}

/// The status with the deletions of the first step that were refused, and whether there are any: they are not observed again.
pub(super) fn remaining(scene: &Scene<'_>) -> (PromotionStatus, bool) {
    let (mut status, mut remains) = (scene.status.clone(), false);
    for change in status.changes.iter_mut().filter(|change| is_removal(change, Removal::AfterRollout)) {
        let Some(key) = ObjectKey::of_change(change) else { continue };
        if let Progress::Remains(reason) = progress(scene, &key, false) {
            change.remaining = true;
            change.message = Some(cut(&reason, 512));
            remains = true;
        }
    }
    (status, remains)
}

/// The message of a verified promotion, with what remains to be deleted.
pub(super) fn with_remaining(scene: &Scene<'_>, message: &str) -> String {
    let leaving = leaving(scene);
    if !leaving.is_empty() {
        return format!("{message}; what it removes is not gone yet: {}", leaving.join(", "));
    }
    let mut status = scene.status.clone();
    record(scene, &mut status, PromotionPhase::Verified);
    let remaining: Vec<String> = status
        .changes
        .iter()
        .filter(|change| change.remaining)
        .map(|change| {
            let reason = change.message.as_deref().unwrap_or_default();
            format!("{} {} ({reason})", change.kind, change.name)
        })
        .collect();
    match remaining.is_empty() {
        true => message.to_owned(),
        false => format!("{message}; still to be deleted, by the next promotion: {}", remaining.join(", ")),
    }
}

/// Whether objects were deleted at the end of the rollout: the observe window starts after that.
pub(super) fn removed_any(scene: &Scene<'_>) -> bool {
    scene.status.changes.iter().any(|change| is_removal(change, Removal::AfterRollout))
}

/// When everything was observed for as long as the policy says; none if it is not rolled out.
pub(super) fn window_ends(world: &PromotionWorld) -> Option<Timestamp> {
    let environment = world.project.environments.get(&world.promotion.spec.environment)?;
    let rolled_out = world.promotion.status.as_ref()?.rolled_out_at.as_ref().map(|time| time.0);
    let window =
        span(crate::decide::environment::validate::policy(&world.project, environment).observe_window);
    rolled_out.or(world.rolled_out).map(|since| later(since, window))
}

/// The objects that the second step deletes, once the observe window has ended.
pub(super) fn due_after_window(world: &PromotionWorld, now: Timestamp) -> BTreeSet<ObjectKey> {
    let has_ended = window_ends(world).is_some_and(|at| at <= now);
    let Some(status) = world.promotion.status.as_ref().filter(|_| has_ended) else { return BTreeSet::new() };
    let late = status.changes.iter().filter(|change| is_removal(change, Removal::AfterVerification));
    late.filter_map(ObjectKey::of_change).filter(|key| !world.written.contains(key)).collect()
}

impl Scene<'_> {
    /// The status with the same phase, reason and message.
    pub(super) fn same_phase(&self, status: PromotionStatus) -> PromotionStatus {
        let (phase, reason, message) = (status.phase, status.reason.clone(), status.message.clone());
        let reason = Reason::from(reason.as_deref().unwrap_or_default());
        self.write(status, phase, &reason, message.as_deref().unwrap_or_default())
    }
}
