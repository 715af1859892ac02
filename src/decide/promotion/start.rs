//! The facts that the intent of a promotion records: the objects that change.

use super::Scene;
use super::desired::{is_equal, is_replaced};
use super::dropped::{is_wanted, left_behind, removal};
use super::terminating::is_terminating;
use crate::api::{ChangeAction, Had, ObjectChange, ObjectRef, Removal, mark};
use crate::content::object::kinds::is_default;
use crate::content::object::metadata::annotation;
use crate::content::object::templates::pod_template;
use crate::content::ownership::fields::written_by;
use crate::content::ownership::removal::is_never_deleted;
use crate::content::ownership::restored::had;
use crate::content::{Desired, ObjectKey, ownership};
use crate::decide::health::{failed_before, is_workload};
use crate::decide::history::target::{restores_baseline, reverted, rollback_revision};
use crate::decide::world::Live;
use std::collections::{BTreeMap, BTreeSet};

/// Changes in one status; `status.changes` has the same limit.
const MAX_CHANGES: usize = 400;
/// The message on a ConfigMap that is replaced.
const REPLACED: &str =
    "its data is immutable, so it is deleted and created again; the pods that read it are rolled out";

/// The revisions that a rollback reverts.
struct LaterRevisions {
    /// The revision that the rollback restores; 0 for the baseline.
    target: i64,
    /// The last revision before them.
    last: i64,
    /// What the first of them did to each object.
    touched: BTreeMap<ObjectKey, ChangeAction>,
}

impl LaterRevisions {
    /// Whether one of them wrote the object last.
    fn wrote(&self, live: &serde_json::Value) -> bool {
        written_by(live).is_some_and(|revision| revision > self.last)
    }
}

/// At most as many changes as a status may hold. Kept objects are dropped first: nothing happens to them.
fn bounded(mut changes: Vec<ObjectChange>) -> Vec<ObjectChange> {
    changes.sort_by_key(|change| change.action == ChangeAction::Keep);
    changes.truncate(MAX_CHANGES);
    changes
}

impl Scene<'_> {
    /// What an object had when the content that this rollback restores ran, if a later revision deleted it.
    pub(super) fn had(&self, key: &ObjectKey) -> Option<&Had> {
        if !self.is_rollback() {
            return None;
        }
        let target = self.restored_revision().unwrap_or(0);
        let (_, reverted) = reverted(&self.lane, target);
        let own = self.world.promotion.revision();
        let earlier = reverted.filter(|promotion| own.is_none() || promotion.revision() < own);
        let changes =
            earlier.filter_map(|promotion| promotion.status.as_ref()).flat_map(|status| &status.changes);
        changes
            .filter(|change| ObjectKey::of_change(change).as_ref() == Some(key))
            .find_map(|change| change.had.as_deref())
    }

    /// The revision that this rollback restores.
    pub(super) fn restored_revision(&self) -> Option<i64> {
        rollback_revision(&self.lane, &self.world.promotion)
    }

    /// Whether this promotion restores the baseline.
    pub(super) fn restores_baseline(&self) -> bool {
        restores_baseline(&self.lane, &self.world.promotion)
    }

    /// Why objects may not be written: one has another owner or cannot be read, or an object in `spec.keeps` is missing. A rollback
    /// does not wait for an object that cannot be read: it restores the others.
    pub(super) fn refusals(&self, wanted: &[Desired]) -> Vec<String> {
        let mut refusals = Vec::new();
        for wanted in wanted {
            match self.world.live.get(&wanted.key) {
                Some(Live::Present(live)) => refusals.extend(self.foreign(&wanted.key, live)),
                Some(live) if !self.is_rollback() => {
                    let unread = live.unread();
                    refusals.extend(unread.map(|why| format!("{} cannot be read: {why}", wanted.key)));
                }
                Some(_) | None => {}
            }
        }
        for keep in &self.environment.spec.keeps {
            let missing = self
                .world
                .live
                .iter()
                .any(|(key, live)| key.is_named_by(keep) && matches!(live, Live::Absent));
            if missing {
                refusals.push(format!(
                    "spec.keeps names {} {}, which does not exist in {}; create it",
                    keep.kind, keep.name, self.environment.spec.namespace
                ));
            }
        }
        refusals
    }

    fn foreign(&self, key: &ObjectKey, live: &serde_json::Value) -> Option<String> {
        if let Some(owner) = annotation(live, mark::OWNER).filter(|owner| *owner != self.owner()) {
            return Some(format!(
                "{key} belongs to {owner}; Towpath does not change the objects of another owner"
            ));
        }
        ownership::other_controllers(live, &self.environment.spec.adopt_from).map(|manager| {
            format!("{key} is managed by {manager}, which would revert the change; remove it there, or set delivery: Observed")
        })
    }

    /// The changes of a promotion: objects that the dry-run would change, and objects that the content no longer contains.
    pub(super) fn changes(&self, wanted: &[Desired], replaced: &[Desired]) -> Vec<ObjectChange> {
        let mut changes = Vec::new();
        for wanted in wanted.iter().filter(|wanted| wanted.hook.is_none()) {
            let action = match self.world.live.get(&wanted.key) {
                Some(Live::Present(live)) if is_replaced(&wanted.object, live) => ChangeAction::Replace,
                Some(Live::Present(live)) => match self.tried(&wanted.key) {
                    Some(tried)
                        if is_equal(live, tried)
                            && !is_terminating(live)
                            && self.adoption(wanted, self.world.live.get(&wanted.key)).is_none() =>
                    {
                        continue;
                    }
                    Some(_) | None => ChangeAction::Update,
                },
                Some(Live::Absent | Live::Refused(_) | Live::Unserved(_) | Live::Unreadable(_)) | None => {
                    ChangeAction::Create
                }
            };
            changes.push(self.written_change(&wanted.key, action));
        }
        let keep: BTreeSet<&ObjectKey> = wanted.iter().map(|wanted| &wanted.key).collect();
        changes.extend(self.removals(replaced, &keep, &BTreeSet::new()));
        bounded(changes)
    }

    fn tried(&self, key: &ObjectKey) -> Option<&serde_json::Value> {
        self.world.tried.as_ref()?.results.get(key)?.as_ref().ok().map(AsRef::as_ref)
    }

    /// The changes of a rollback, which needs no dry-run: objects that later revisions than the target changed are restored, and
    /// objects that they created are removed.
    pub(super) fn reverts(&self, wanted: &[Desired], replaced: &[Desired]) -> Vec<ObjectChange> {
        let later = self.later_revisions();
        let objects = wanted.iter().filter(|wanted| wanted.hook.is_none());
        let mut changes: Vec<ObjectChange> =
            objects.filter_map(|wanted| self.restore(&later, wanted, replaced)).collect();
        let keep: BTreeSet<&ObjectKey> = wanted.iter().map(|wanted| &wanted.key).collect();
        let others = later.touched.iter().filter(|(key, _)| !is_wanted(key, &keep));
        changes.extend(others.filter_map(|(key, action)| self.remove_created(&later, key, *action)));
        changes.extend(self.remove_left(&later, &keep, replaced));
        bounded(changes)
    }

    fn later_revisions(&self) -> LaterRevisions {
        let target = self.restored_revision().unwrap_or(0);
        let (last, reverted) = reverted(&self.lane, target);
        let mut touched = BTreeMap::new();
        for change in
            reverted.filter_map(|promotion| promotion.status.as_ref()).flat_map(|status| &status.changes)
        {
            if let Some(key) = ObjectKey::of_change(change) {
                touched.entry(key).or_insert(change.action);
            }
        }
        LaterRevisions { target, last, touched }
    }

    /// The change that restores an object of the target; none if it is as the target left it.
    fn restore(
        &self,
        later: &LaterRevisions,
        wanted: &Desired,
        replaced: &[Desired],
    ) -> Option<ObjectChange> {
        let key = &wanted.key;
        let (is_job, is_touched) = (key.is("batch", "Job"), later.touched.contains_key(key));
        match self.world.live.get(key) {
            // A verified revision has run its Jobs. Without an object, nothing is to be restored of one, and creating it runs it again.
            Some(Live::Absent | Live::Refused(_) | Live::Unserved(_) | Live::Unreadable(_)) | None
                if is_job =>
            {
                None
            }
            Some(Live::Present(live)) if is_terminating(live) => {
                (!is_job).then(|| key.change(ChangeAction::Update))
            }
            Some(Live::Absent) => Some(key.change(ChangeAction::Create)),
            // This rollback wrote the object before a crash, and did not record it.
            Some(Live::Present(live)) if written_by(live) == Some(self.revision()) => {
                let was_there = replaced.iter().any(|old| old.key == *key);
                Some(key.change(if was_there { ChangeAction::Update } else { ChangeAction::Create }))
            }
            // The failed revision did not write this object, so it needs no restore.
            Some(Live::Present(live)) if written_by(live).is_some_and(|revision| revision <= later.last) => {
                None
            }
            // The history may no longer contain the revision that wrote it.
            Some(Live::Present(live)) if is_touched || later.wrote(live) => {
                Some(self.reverted_change(wanted, live))
            }
            Some(_) | None => is_touched.then(|| key.change(ChangeAction::Update)),
        }
    }

    /// The change that removes an object that a later revision created: it did not exist before, so nothing is lost with it.
    fn remove_created(
        &self,
        later: &LaterRevisions,
        key: &ObjectKey,
        action: ChangeAction,
    ) -> Option<ObjectChange> {
        let live = self.world.live.get(key)?;
        let is_baseline = later.target == 0;
        let is_copy = match live {
            Live::Present(live) => !is_baseline && annotation(live, mark::ORIGINAL_NAME).is_some(),
            // It may exist: the rollback is not complete before it is known to be gone.
            Live::Refused(_) | Live::Unreadable(_) => !is_baseline && key.is("", "ConfigMap"),
            Live::Absent | Live::Unserved(_) => return None,
        };
        // Pods of the failed revision may still read copies of ConfigMaps; they are removed with the history.
        if action != ChangeAction::Create || is_copy || self.listed(key).is_some() {
            return None;
        }
        Some(match live.present() {
            Some(live) => removal(key, live, Some(Removal::AfterRollout)),
            None if is_never_deleted(key) => key.change(ChangeAction::Keep),
            None => ObjectChange { removal: Some(Removal::AfterRollout), ..key.change(ChangeAction::Delete) },
        })
    }

    /// The changes that remove objects that a revision created that the history no longer contains, and those that the failed revision left.
    fn remove_left(
        &self,
        later: &LaterRevisions,
        keep: &BTreeSet<&ObjectKey>,
        replaced: &[Desired],
    ) -> Vec<ObjectChange> {
        let written = later.touched.iter().filter(|(key, action)| !keep.contains(key) && action.is_write());
        let known = written.map(|(key, _)| key.clone()).collect();
        let is_later = |key: &ObjectKey| match self.world.live.get(key) {
            Some(Live::Present(live)) => later.wrote(live),
            Some(_) | None => false,
        };
        let left = self.lane.current().map(left_behind).unwrap_or_default();
        let mut removals = self.removals(replaced, keep, &known);
        removals.retain(|change| {
            ObjectKey::of_change(change).is_some_and(|key| is_later(&key) || left.contains(&key))
        });
        removals
    }

    /// Workloads that already fail and whose template does not change: their failures are not caused by this release.
    pub(super) fn failing_before(&self, wanted: &[Desired], changes: &[ObjectChange]) -> Vec<ObjectRef> {
        let template = |object: &serde_json::Value| object.pointer("/spec/template").cloned();
        let is_changed =
            |key: &ObjectKey| changes.iter().any(|change| ObjectKey::of_change(change).as_ref() == Some(key));
        let is_failing = |key: &ObjectKey| {
            let workload = self.world.workloads.get(key);
            workload.is_some_and(|workload| {
                let is_available = workload.complete || workload.available >= workload.desired;
                // The replicas of what the promotion does not change are not waited for.
                failed_before(workload, &self.policy.failing, self.now)
                    || (is_changed(key) && (!is_available || workload.blocked.is_some()))
            })
        };
        wanted
            .iter()
            .filter(|wanted| is_workload(&wanted.key) && wanted.hook.is_none() && is_failing(&wanted.key))
            .filter(|wanted| match (self.world.live.get(&wanted.key), self.tried(&wanted.key)) {
                (Some(Live::Present(live)), Some(tried)) => template(live) == template(tried),
                (Some(_) | None, _) => false,
            })
            .map(|wanted| wanted.key.reference())
            .collect()
    }

    /// A change of a promotion, with what the object loses by it.
    fn written_change(&self, key: &ObjectKey, action: ChangeAction) -> ObjectChange {
        let mut change = key.change(action);
        match (action, self.world.live.get(key), self.tried(key)) {
            (ChangeAction::Replace, _, _) => change.message = Some(REPLACED.to_owned()),
            // A Service that changes its type loses its node ports or its addresses.
            (ChangeAction::Update, Some(Live::Present(live)), Some(tried)) if key.is("", "Service") => {
                let (before, after) = (had(live), had(tried));
                change.had = before.filter(|before| after.as_ref() != Some(before)).map(Box::new);
            }
            (ChangeAction::Update, Some(Live::Present(live)), Some(tried))
                if !is_default(key.api_version(), key.kind()) =>
            {
                change.new_template = pod_template(live) != pod_template(tried);
            }
            // A DaemonSet has no replicas in its spec.
            (ChangeAction::Update, Some(Live::Present(_)), _) if key.is("apps", "DaemonSet") => {
                let nodes = self.world.workloads.get(key).map(|workload| workload.desired);
                let had = |nodes| Box::new(Had { replicas: Some(nodes), ..Had::default() });
                change.had = nodes.filter(|nodes| *nodes > 0).map(had);
            }
            (
                ChangeAction::Create | ChangeAction::Update | ChangeAction::Delete | ChangeAction::Keep,
                _,
                _,
            ) => {}
        }
        change
    }

    fn reverted_change(&self, wanted: &Desired, live: &serde_json::Value) -> ObjectChange {
        let is_replaced = is_replaced(&wanted.object, live);
        let action = if is_replaced { ChangeAction::Replace } else { ChangeAction::Update };
        let mut change = wanted.key.change(action);
        change.message = is_replaced.then(|| REPLACED.to_owned());
        change
    }

    /// Whether the baseline may be restored: every workload that existed before the first write was available.
    pub(super) fn baseline_is_healthy(&self, wanted: &[Desired]) -> bool {
        wanted.iter().filter(|wanted| is_workload(&wanted.key)).all(|wanted| {
            match self.world.live.get(&wanted.key) {
                Some(Live::Present(_)) => self.world.workloads.get(&wanted.key).is_some_and(|workload| {
                    workload.available >= workload.desired && workload.blocked.is_none()
                }),
                Some(Live::Absent | Live::Refused(_) | Live::Unserved(_) | Live::Unreadable(_)) | None => {
                    true
                }
            }
        })
    }
}
