//! The next writes of a plan, in order.
//!
//! Invariant: completed writes are found in the live objects, so a new process continues where the previous one stopped.

use super::Scene;
use super::desired::written_by;
use super::health::is_healthy;
use crate::api::{Change, ChangeAction, PromotionStatus};
use crate::content::{Desired, Hook, ObjectKey};
use crate::decide::decision::Action;

use crate::decide::world::Live;
use std::collections::BTreeSet;

/// The next writes, and whether they are the last.
pub(super) struct Next {
    /// The writes; empty while waiting.
    pub actions: Vec<Action>,
    /// Objects that must be healthy before the next write.
    pub gate: Option<Vec<ObjectKey>>,
    /// Everything is written.
    pub complete: bool,
}

/// The next writes of a plan, in order: config, hooks before the rollout, wave by wave, removals, hooks after it.
pub(super) fn next_writes(scene: &Scene<'_>, status: &PromotionStatus, wanted: &[Desired]) -> Next {
    let changed: BTreeSet<ObjectKey> = status
        .changes
        .iter()
        .filter(|change| change.action != ChangeAction::Delete)
        .filter_map(key_of)
        .collect();
    let mut writes: Vec<&Desired> =
        wanted.iter().filter(|item| item.hook.is_none() && changed.contains(&item.key)).collect();
    writes.sort_by(|a, b| (!a.config, a.wave, a.rank, &a.key).cmp(&(!b.config, b.wave, b.rank, &b.key)));
    match scene.is_rollback() {
        true => next_rollback_writes(scene, status, wanted, writes),
        false => next_rollout_writes(scene, status, wanted, &writes),
    }
}

/// All objects at once, the last wave first, so that the failed revision is replaced as soon as possible.
fn next_rollback_writes(
    scene: &Scene<'_>,
    status: &PromotionStatus,
    wanted: &[Desired],
    mut writes: Vec<&Desired>,
) -> Next {
    writes.sort_by(|a, b| {
        (!a.config, -i64::from(a.wave), a.rank).cmp(&(!b.config, -i64::from(b.wave), b.rank))
    });
    if let Some(next) = run_hooks(scene, wanted, Hook::PreRollback) {
        return next;
    }
    let unwritten = writes.into_iter().filter(|item| !is_written(scene, &item.key));
    let actions: Vec<Action> = unwritten.flat_map(|item| write(scene, item)).collect();
    if !actions.is_empty() {
        return Next { actions, gate: None, complete: false };
    }
    removals(scene, status).or_else(|| run_hooks(scene, wanted, Hook::PostRollback)).unwrap_or(Next {
        actions: Vec::new(),
        gate: None,
        complete: true,
    })
}

/// Config, hooks, then wave by wave: a wave is written when the previous one is healthy.
fn next_rollout_writes(
    scene: &Scene<'_>,
    status: &PromotionStatus,
    wanted: &[Desired],
    writes: &[&Desired],
) -> Next {
    let is_unwritten = |item: &&Desired| !is_written(scene, &item.key);
    let config: Vec<Action> = writes
        .iter()
        .copied()
        .filter(|item| item.config)
        .filter(is_unwritten)
        .flat_map(|item| write(scene, item))
        .collect();
    if !config.is_empty() && wanted.iter().any(|item| item.hook == Some(Hook::PrePromote)) {
        return Next { actions: config, gate: None, complete: false };
    }
    if let Some(next) = run_hooks(scene, wanted, Hook::PrePromote) {
        return next;
    }
    let mut actions = config;
    let mut waves: Vec<i32> = writes.iter().filter(|item| !item.config).map(|item| item.wave).collect();
    waves.dedup();
    for (index, wave) in waves.iter().enumerate() {
        let in_wave = || writes.iter().copied().filter(|item| !item.config && item.wave == *wave);
        actions.extend(in_wave().filter(is_unwritten).flat_map(|item| write(scene, item)));
        if index + 1 < waves.len() {
            let keys: Vec<ObjectKey> = in_wave().map(|item| item.key.clone()).collect();
            if !actions.is_empty() || !is_healthy(scene, &keys) {
                return Next { actions, gate: Some(keys), complete: false };
            }
        }
    }
    if !actions.is_empty() {
        return Next { actions, gate: None, complete: false };
    }
    removals(scene, status).unwrap_or(Next { actions: Vec::new(), gate: None, complete: true })
}

pub(super) fn key_of(change: &Change) -> Option<ObjectKey> {
    ObjectKey::new(&change.api_version, &change.kind, &change.name).ok()
}

pub(super) fn is_written(scene: &Scene<'_>, key: &ObjectKey) -> bool {
    if scene.world.written.contains(key) {
        return true;
    }
    // Until its revision is recorded, another promotion may have written with the same number.
    let revision = scene.world.promotion.revision();
    if revision.is_none() || scene.restores_baseline() {
        return false;
    }
    scene.world.workloads.get(key).is_some_and(|workload| workload.revision == revision)
        || matches!(scene.world.live.get(key), Some(Live::Present(live)) if written_by(live) == revision)
}

fn write(scene: &Scene<'_>, item: &Desired) -> Vec<Action> {
    let live = scene.world.live.get(&item.key);
    let mut body = scene.body(item, live);
    let mut actions = Vec::new();
    if let Some(patch) = scene.adoption(live) {
        if let Some(metadata) = body.get_mut("metadata").and_then(serde_json::Value::as_object_mut) {
            // The patch changes the resourceVersion, and tests the one that was read itself.
            metadata.remove("resourceVersion");
        }
        actions.push(Action::Adopt { target: scene.target(), key: item.key.clone(), patch });
    }
    actions.push(Action::Apply { target: scene.target(), key: item.key.clone(), object: body });
    actions
}

/// Deletes the objects that the content no longer contains.
fn removals(scene: &Scene<'_>, status: &PromotionStatus) -> Option<Next> {
    let actions: Vec<Action> = status
        .changes
        .iter()
        .filter(|change| change.action == ChangeAction::Delete)
        .filter_map(key_of)
        .filter(|key| !scene.world.written.contains(key))
        .filter_map(|key| match scene.world.live.get(&key) {
            Some(Live::Present(live)) => {
                let uid = live.pointer("/metadata/uid")?.as_str()?.to_owned();
                Some(Action::Delete { target: scene.target(), key, uid })
            }
            // One that cannot be read is waited for: see `retries`.
            Some(Live::Absent | Live::Refused(_) | Live::Unserved(_) | Live::Unreadable(_)) | None => None,
        })
        .collect();
    (!actions.is_empty()).then_some(Next { actions, gate: None, complete: false })
}

/// The hooks of one kind that are not complete: missing ones are created, and the others are waited for.
pub(super) fn run_hooks(scene: &Scene<'_>, wanted: &[Desired], hook: Hook) -> Option<Next> {
    let hooks: Vec<&Desired> = wanted.iter().filter(|item| item.hook == Some(hook)).collect();
    let incomplete: Vec<&Desired> = hooks
        .iter()
        .copied()
        .filter(|item| !scene.world.workloads.get(&item.key).is_some_and(|job| job.complete))
        .collect();
    if incomplete.is_empty() {
        return None;
    }
    let missing = incomplete.iter().filter(|item| {
        !scene.world.workloads.contains_key(&item.key) && !scene.world.written.contains(&item.key)
    });
    Some(Next {
        actions: missing
            .map(|item| Action::Apply {
                target: scene.target(),
                key: item.key.clone(),
                object: scene.body(item, None),
            })
            .collect(),
        gate: Some(incomplete.iter().map(|item| item.key.clone()).collect()),
        complete: false,
    })
}
