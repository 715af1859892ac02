//! The facts that the intent of a promotion records: the objects that change.

use super::Scene;
use super::desired::{is_equal, is_replaced};
use super::dropped::{left_behind, removal};
use super::terminating::is_terminating;
use crate::api::{Change, ChangeAction, Had, ObjectRef, Removal, mark};
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

/// At most as many changes as a status may hold. Kept objects are dropped first: nothing happens to them.
fn bounded(mut changes: Vec<Change>) -> Vec<Change> {
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
    pub(super) fn changes(&self, wanted: &[Desired], replaced: &[Desired]) -> Vec<Change> {
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
    pub(super) fn reverts(&self, wanted: &[Desired], replaced: &[Desired]) -> Vec<Change> {
        let target = self.restored_revision().unwrap_or(0);
        let mut touched: BTreeMap<ObjectKey, ChangeAction> = BTreeMap::new();
        let (last, reverted) = reverted(&self.lane, target);
        for change in
            reverted.filter_map(|promotion| promotion.status.as_ref()).flat_map(|status| &status.changes)
        {
            if let Some(key) = ObjectKey::of_change(change) {
                touched.entry(key).or_insert(change.action);
            }
        }
        let mut changes = Vec::new();
        let keep: BTreeSet<&ObjectKey> = wanted.iter().map(|wanted| &wanted.key).collect();
        for wanted in wanted.iter().filter(|wanted| wanted.hook.is_none()) {
            match self.world.live.get(&wanted.key) {
                // A verified revision has run its Jobs. Without an object, nothing is to be restored of one, and creating it runs it again.
                Some(Live::Absent | Live::Refused(_) | Live::Unserved(_) | Live::Unreadable(_)) | None
                    if wanted.key.is("batch", "Job") => {}
                Some(Live::Present(live)) if is_terminating(live) => {
                    let is_job = wanted.key.is("batch", "Job");
                    changes.extend((!is_job).then(|| wanted.key.change(ChangeAction::Update)));
                }
                Some(Live::Absent) => changes.push(wanted.key.change(ChangeAction::Create)),
                // This rollback wrote the object before a crash, and did not record it.
                Some(Live::Present(live)) if written_by(live) == Some(self.revision()) => {
                    let was_there = replaced.iter().any(|old| old.key == wanted.key);
                    let action = if was_there { ChangeAction::Update } else { ChangeAction::Create };
                    changes.push(wanted.key.change(action));
                }
                // The failed revision did not write this object, so it needs no restore.
                Some(Live::Present(live)) if written_by(live).is_some_and(|revision| revision <= last) => {}
                // The history may no longer contain the revision that wrote it.
                Some(Live::Present(live)) if written_by(live).is_some_and(|revision| revision > last) => {
                    changes.push(self.reverted_change(wanted, live));
                }
                Some(Live::Present(live)) if touched.contains_key(&wanted.key) => {
                    changes.push(self.reverted_change(wanted, live));
                }
                Some(_) | None if touched.contains_key(&wanted.key) => {
                    changes.push(wanted.key.change(ChangeAction::Update));
                }
                Some(_) | None => {}
            }
        }
        let mut known = BTreeSet::new();
        for (key, action) in touched.iter().filter(|(key, _)| !keep.contains(key)) {
            // Pods of the failed revision may still read copies of ConfigMaps; they are removed with the history.
            if action.is_write() {
                known.insert(key.clone());
            }
            let Some(live) = self.world.live.get(key) else { continue };
            let is_copy = match live {
                Live::Present(live) => target != 0 && annotation(live, mark::ORIGINAL_NAME).is_some(),
                // It may exist: the rollback is not complete before it is known to be gone.
                Live::Refused(_) | Live::Unreadable(_) => target != 0 && key.is("", "ConfigMap"),
                Live::Absent | Live::Unserved(_) => continue,
            };
            if *action == ChangeAction::Create && !is_copy {
                // It did not exist before the failed revision, so nothing is lost with it.
                changes.push(match live.present() {
                    _ if self.listed(key).is_some() => continue,
                    Some(live) => removal(key, live, Some(Removal::AfterRollout)),
                    None if is_never_deleted(key) => key.change(ChangeAction::Keep),
                    None => {
                        Change { removal: Some(Removal::AfterRollout), ..key.change(ChangeAction::Delete) }
                    }
                });
            }
        }
        // Objects that a revision created that the history no longer contains, and those that the failed revision left.
        let is_later = |key: &ObjectKey| match self.world.live.get(key) {
            Some(Live::Present(live)) => written_by(live).is_some_and(|revision| revision > last),
            Some(_) | None => false,
        };
        let left = self.lane.current().map(left_behind).unwrap_or_default();
        changes.extend(self.removals(replaced, &keep, &known).into_iter().filter(|change| {
            ObjectKey::of_change(change).is_some_and(|key| is_later(&key) || left.contains(&key))
        }));
        bounded(changes)
    }

    /// Workloads that already fail and whose template does not change: their failures are not caused by this release.
    pub(super) fn failing_before(&self, wanted: &[Desired], changes: &[Change]) -> Vec<ObjectRef> {
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
    fn written_change(&self, key: &ObjectKey, action: ChangeAction) -> Change {
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

    fn reverted_change(&self, wanted: &Desired, live: &serde_json::Value) -> Change {
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
