//! The next writes of a plan, in order. Whatever is written already is seen in the world, so that any pass may be the first.

use super::Scene;
use super::desired::written_by;
use super::health::is_healthy;
use crate::api::{Change, ChangeAction, PromotionStatus};
use crate::content::{Desired, Hook, ObjectKey};
use crate::decide::decision::Action;

use crate::decide::world::Live;
use std::collections::BTreeSet;

/// What is written next, and whether that was the last of it.
pub(super) struct Next {
    /// The writes.
    pub actions: Vec<Action>,
    /// Waits for objects of an earlier wave: their keys.
    pub gate: Option<Vec<ObjectKey>>,
    /// Everything is written.
    pub complete: bool,
}

/// The next writes of a plan, in order: config, hooks before, wave by wave, removals, hooks behind.
pub(super) fn next_writes(scene: &Scene<'_>, status: &PromotionStatus, wanted: &[Desired]) -> Next {
    let changed: BTreeSet<ObjectKey> = status
        .changes
        .iter()
        .filter(|change| change.action != ChangeAction::Delete)
        .filter_map(key_of)
        .collect();
    let is_open = |item: &&Desired| !is_written(scene, &item.key);
    let mut writes: Vec<&Desired> =
        wanted.iter().filter(|item| item.hook.is_none() && changed.contains(&item.key)).collect();
    writes.sort_by(|a, b| (!a.config, a.wave, a.rank, &a.key).cmp(&(!b.config, b.wave, b.rank, &b.key)));
    if scene.is_rollback() {
        // Everything at once, the last wave first: what is bad must not run a moment longer than it has to.
        writes.sort_by(|a, b| {
            (!a.config, -i64::from(a.wave), a.rank).cmp(&(!b.config, -i64::from(b.wave), b.rank))
        });
        let hook = run_hooks(scene, wanted, Hook::PreRollback);
        if let Some(next) = hook {
            return next;
        }
        let open: Vec<&Desired> = writes.iter().copied().filter(is_open).collect();
        if !open.is_empty() {
            return Next {
                actions: open.iter().flat_map(|item| write(scene, item)).collect(),
                gate: None,
                complete: false,
            };
        }
        return removals(scene, status)
            .or_else(|| run_hooks(scene, wanted, Hook::PostRollback))
            .unwrap_or(Next { actions: Vec::new(), gate: None, complete: true });
    }
    let config: Vec<Action> = writes
        .iter()
        .copied()
        .filter(|item| item.config)
        .filter(is_open)
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
        actions.extend(in_wave().filter(is_open).flat_map(|item| write(scene, item)));
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
    // Before its number is in the record another may have written with the same one.
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
            // The patch makes a new version of the object; its own test guards against others.
            metadata.remove("resourceVersion");
        }
        actions.push(Action::Adopt { target: scene.target(), key: item.key.clone(), patch });
    }
    actions.push(Action::Apply { target: scene.target(), key: item.key.clone(), object: body });
    actions
}

/// Objects that the content lacks.
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
            Some(Live::Absent | Live::Refused(_)) | None => None,
        })
        .collect();
    (!actions.is_empty()).then_some(Next { actions, gate: None, complete: false })
}

/// Hooks of one moment that are not complete: written if missing, waited for otherwise.
pub(super) fn run_hooks(scene: &Scene<'_>, wanted: &[Desired], moment: Hook) -> Option<Next> {
    let hooks: Vec<&Desired> = wanted.iter().filter(|item| item.hook == Some(moment)).collect();
    let open: Vec<&Desired> = hooks
        .iter()
        .copied()
        .filter(|item| !scene.world.workloads.get(&item.key).is_some_and(|job| job.complete))
        .collect();
    if open.is_empty() {
        return None;
    }
    let missing = open.iter().filter(|item| {
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
        gate: Some(open.iter().map(|item| item.key.clone()).collect()),
        complete: false,
    })
}
