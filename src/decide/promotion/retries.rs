//! Writes that failed: what is written in spite of them, what is reported, and when they are tried again.
//!
//! Invariant: one object that cannot be read or written never stops the others. The message is the same for every retry, so that a
//! failure that lasts costs one write of the status.

use super::batch::Batch;
use super::delay::{LONGEST, retry_at};
use super::removals::is_removed;
use super::rolling::{rolling_message, rolling_reason};
use super::writes::stuck_pods;
use super::{Decision, Scene, warning};
use crate::api::{ChangeAction, Meta, ObjectChange, PromotionStatus, Reason, Removal};
use crate::content::ObjectKey;
use crate::content::object::references::refers_to;
use crate::decide::conditions::{cut, seconds};
use crate::decide::decision::{Action, Note};
use crate::decide::moments::earliest;
use crate::decide::world::{FailedWrite, Live};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Conflicts in a row that are not reported: other controllers write, too.
const USUAL: u32 = 3;
/// Maximum length of the answer about one object in a message.
const WORDS: usize = 400;

/// What is not written yet, apart from the writes of this pass.
pub(super) struct Unwritten {
    /// Objects that cannot be read or written now, and why.
    remainder: BTreeMap<ObjectKey, String>,
    /// When a write that failed is tried again.
    retry_at: Option<Timestamp>,
    /// What is waited for beside them, as a sentence.
    waits: Option<String>,
    /// Writes are left.
    pub is_pending: bool,
    /// When they are given up.
    pub deadline: Timestamp,
}

impl Unwritten {
    /// Whether writes are left after the deadline. Writes that a slow wave made possible only now are tried first.
    pub(super) fn is_overdue(&self, now: Timestamp) -> bool {
        let was_tried = !self.remainder.is_empty() || self.waits.is_some();
        self.is_pending && was_tried && now >= self.deadline
    }

    /// What was not written in time, as a sentence.
    pub(super) fn overdue(&self) -> String {
        match (self.remainder.is_empty(), &self.waits) {
            (true, Some(waits)) => format!("{waits} before the deadline"),
            (true, None) => "not all objects were written before the progress deadline".to_owned(),
            (false, _) => format!("not written before the progress deadline: {}", self.sentences()),
        }
    }

    /// When a write is tried again or given up.
    pub(super) fn wake_at(&self) -> Option<Timestamp> {
        earliest(self.retry_at, self.is_pending.then_some(self.deadline))
    }

    fn sentences(&self) -> String {
        let each = self.remainder.iter().map(|(key, why)| format!("{key}: {}", cut(why, WORDS)));
        each.collect::<Vec<_>>().join("; ")
    }
}

/// Leaves out the writes that failed shortly before, and those that would do harm without them.
pub(super) fn possible(
    scene: &Scene<'_>,
    status: &PromotionStatus,
    mut next: Batch,
    deadline: Timestamp,
) -> (Batch, Unwritten) {
    let mut remainder = unremoved(scene, status);
    let mut retry: Option<Timestamp> = None;
    let is_pending = !next.actions.is_empty() || !remainder.is_empty() || next.waits.is_some();
    next.complete &= remainder.is_empty();
    let failed = &scene.world.failed;
    // What failed once and is no longer wanted, such as the deletion of a pod that is gone, is no news. A promotion reports a deletion
    // that failed when it ends.
    let left: BTreeSet<ObjectKey> =
        next.actions.iter().chain(&stuck_pods(scene)).filter_map(Action::object).collect();
    let is_told = |key: &ObjectKey| left.contains(key) && (scene.is_rollback() || !is_removed(status, key));
    for (key, failure) in failed.iter().filter(|(key, failure)| is_reported(failure) && is_told(key)) {
        remainder.insert(key.clone(), failure.message.clone());
    }
    next.actions.retain(|action| {
        let Some(key) = action.object() else { return true };
        let live = scene.world.live.get(&key);
        // Without its live replicas, a write would reset them.
        if let (Some(why), "Deployment" | "StatefulSet") = (live.and_then(Live::unknown), key.kind()) {
            remainder.insert(key, format!("it cannot be read: {why}"));
            return false;
        }
        let again = failed.get(&key).map(retry_at).filter(|at| *at > scene.now);
        retry = earliest(retry, again);
        again.is_none() && !needs_failed(scene, action)
    });
    let waits = next.waits.clone();
    (next, Unwritten { remainder, retry_at: retry, waits, is_pending, deadline })
}

/// Leaves out every write of a decision that failed shortly before: without a delay, a pass would follow each failure at once. A promotion
/// that ends has no later pass.
pub(super) fn hold_back(scene: &Scene<'_>, mut decision: Decision) -> Decision {
    let ends = decision.memory.as_ref().is_some_and(|status| status.phase.is_final());
    if scene.world.failed.is_empty() || ends {
        return decision;
    }
    let mut retry: Option<Timestamp> = None;
    decision.actions.retain(|action| {
        let failed = action.object().and_then(|key| scene.world.failed.get(&key));
        let again = failed.map(retry_at).filter(|at| *at > scene.now);
        retry = earliest(retry, again);
        again.is_none()
    });
    decision.wake_at = earliest(decision.wake_at, retry);
    decision
}

/// Objects that a rollback removes of which it is not known whether they are gone. A promotion leaves them to the next one.
fn unremoved(scene: &Scene<'_>, status: &PromotionStatus) -> BTreeMap<ObjectKey, String> {
    let is_at_once = |change: &&ObjectChange| change.removal != Some(Removal::AfterVerification);
    let deletes = status.changes.iter().filter(|change| change.action == ChangeAction::Delete);
    let deletes = deletes.filter(|_| scene.is_rollback()).filter(is_at_once);
    deletes
        .filter_map(ObjectKey::of_change)
        .filter(|key| !scene.world.written.contains(key))
        .filter_map(|key| {
            let why = scene.world.live.get(&key)?.unknown()?;
            let message = format!("it is to be removed, and cannot be read: {why}");
            Some((key, message))
        })
        .collect()
}

/// Whether the pods of a workload need an object that could not be written: they would start with the config of the failed revision, or
/// not at all. A rollback does not wait while an older edition of that object exists.
fn needs_failed(scene: &Scene<'_>, action: &Action) -> bool {
    let Action::Apply { object, .. } = action else { return false };
    let is_missing = |key: &ObjectKey| {
        !scene.is_rollback() || !matches!(scene.world.live.get(key), Some(Live::Present(_)))
    };
    scene.world.failed.keys().any(|key| refers_to(object, key) && is_missing(key))
}

fn is_reported(failed: &FailedWrite) -> bool {
    !failed.conflict || failed.count > USUAL
}

/// The status while objects are written: what remains, else what keeps a workload from making progress, else what is done. None if the
/// stored one says the same.
pub(super) fn progress(
    scene: &Scene<'_>,
    unwritten: &Unwritten,
    obstacle: Option<(Reason, String)>,
) -> Option<PromotionStatus> {
    let stored = &scene.status;
    let says = |reason: &Reason| stored.reason.as_deref() == Some(reason.as_str());
    let (reason, message) = match (unwritten.remainder.len(), obstacle) {
        (0, None) if says(&rolling_reason(scene)) => return None,
        (0, None) => (rolling_reason(scene), rolling_message(scene, stored)),
        (0, Some(obstacle)) => obstacle,
        (count, _) => {
            let message = format!(
                "{count} object{} not written yet, retried at least every {} s until {}: {}",
                if count == 1 { " is" } else { "s are" },
                LONGEST.as_secs(),
                seconds(unwritten.deadline),
                unwritten.sentences()
            );
            (Reason::Refused, message)
        }
    };
    let message = cut(&message, 1024);
    if says(&reason) && stored.message.as_ref() == Some(&message) {
        return None;
    }
    let phase = stored.phase;
    Some(scene.write(stored.clone(), phase, &reason, &message))
}

/// The event when writes start to fail.
pub(super) fn failure_note(scene: &Scene<'_>, status: &PromotionStatus) -> Option<Note> {
    let is_told = |status: &PromotionStatus| status.reason.as_deref() == Some(Reason::Refused.as_str());
    let message = status.message.as_deref().filter(|_| is_told(status) && !is_told(&scene.status))?;
    Some(warning(Reason::Refused, format!("{}: {message}", scene.environment.name())))
}
