//! The next writes of a plan, in order.
//!
//! Invariant: completed writes are found in the live objects, so a new process continues where the previous one stopped.

use super::desired::{is_replaced, written_by};
use super::health::is_healthy;
use super::terminating::{AGAIN, is_terminating, sentence, waits_for};
use super::{Scene, hooks, removals};
use crate::api::{Change, PromotionStatus, Reason, Removal};
use crate::content::{Desired, Hook, ObjectKey};
use crate::decide::decision::Action;
use crate::decide::moments::{earliest, later};
use crate::decide::world::Live;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeSet;

/// The next writes, and whether they are the last.
#[derive(Default)]
pub(super) struct Next {
    /// The writes; empty while waiting.
    pub actions: Vec<Action>,
    /// Objects that must be healthy before the next write.
    pub gate: Option<Vec<ObjectKey>>,
    /// Hooks that must be complete before the next write.
    pub hooks: Vec<ObjectKey>,
    /// What is waited for beside that, as a sentence.
    pub waits: Option<String>,
    /// What people have to know about it.
    pub obstacle: Option<(Reason, String)>,
    /// When to check again although nothing changed.
    pub recheck_at: Option<Timestamp>,
    /// Everything is written.
    pub complete: bool,
}

impl Next {
    /// Writes after which others follow.
    pub(super) fn of(actions: Vec<Action>) -> Self {
        Self { actions, ..Self::default() }
    }

    fn complete() -> Self {
        Self { complete: true, ..Self::default() }
    }
}

/// The next writes of a plan, in order: config, hooks before the rollout, wave by wave. Removals and hooks after the rollout follow when
/// everything is healthy.
pub(super) fn next_writes(scene: &Scene<'_>, status: &PromotionStatus, wanted: &[Desired]) -> Next {
    let changed: BTreeSet<ObjectKey> =
        status.changes.iter().filter(|change| change.action.is_write()).filter_map(key_of).collect();
    let mut writes: Vec<&Desired> =
        wanted.iter().filter(|item| item.hook.is_none() && changed.contains(&item.key)).collect();
    writes.sort_by(|a, b| (!a.config, a.wave, a.rank, &a.key).cmp(&(!b.config, b.wave, b.rank, &b.key)));
    match scene.is_rollback() {
        true => next_rollback_writes(scene, status, wanted, writes),
        false => next_rollout_writes(scene, status, wanted, &writes),
    }
}

/// All objects at once, the last wave first, so that the failed revision is replaced as soon as possible. The hooks of the failed
/// revision are stopped at the same time, and the rollback does not end before they are gone.
fn next_rollback_writes(
    scene: &Scene<'_>,
    status: &PromotionStatus,
    wanted: &[Desired],
    writes: Vec<&Desired>,
) -> Next {
    let stops = hooks::stop_earlier(scene);
    let next = next_reverts(scene, status, wanted, writes);
    let Some(stops) = stops else { return next };
    match next.complete {
        true => stops,
        false => {
            let actions = stops.actions.into_iter().chain(next.actions).collect();
            Next { actions, waits: next.waits.or(stops.waits), ..next }
        }
    }
}

fn next_reverts(
    scene: &Scene<'_>,
    status: &PromotionStatus,
    wanted: &[Desired],
    mut writes: Vec<&Desired>,
) -> Next {
    writes.sort_by(|a, b| {
        (!a.config, -i64::from(a.wave), a.rank).cmp(&(!b.config, -i64::from(b.wave), b.rank))
    });
    if let Some(next) = hooks::run(scene, status, wanted, Hook::PreRollback) {
        return next;
    }
    let next = write_all(scene, writes.into_iter().filter(|item| !is_written(scene, &item.key)));
    if !next.actions.is_empty() || next.waits.is_some() {
        return next;
    }
    removed(scene)
        .or_else(|| hooks::run(scene, status, wanted, Hook::PostRollback))
        .unwrap_or_else(Next::complete)
}

/// The next deletions of a rollback, which removes what the failed revision added as soon as everything is written.
fn removed(scene: &Scene<'_>) -> Option<Next> {
    let step = removals::step(scene, Removal::AfterRollout)?;
    Some(Next {
        waits: Some("not all objects are deleted".to_owned()),
        obstacle: removals::leaving(scene).into_iter().next().map(|text| (Reason::Terminating, text)),
        recheck_at: step.wake_at,
        ..Next::of(step.actions)
    })
}

/// Config, hooks, then wave by wave: a wave is written when the previous one is healthy.
fn next_rollout_writes(
    scene: &Scene<'_>,
    status: &PromotionStatus,
    wanted: &[Desired],
    writes: &[&Desired],
) -> Next {
    if let Some(stops) = hooks::stop_earlier(scene) {
        return stops;
    }
    let is_unwritten = |item: &&Desired| !is_written(scene, &item.key);
    let config = || writes.iter().copied().filter(|item| item.config).filter(is_unwritten);
    if config().next().is_some() && wanted.iter().any(|item| item.hook == Some(Hook::PrePromote)) {
        return write_all(scene, config());
    }
    if let Some(next) = hooks::run(scene, status, wanted, Hook::PrePromote) {
        return next;
    }
    let mut next = write_all(scene, config());
    let mut waves: Vec<i32> = writes.iter().filter(|item| !item.config).map(|item| item.wave).collect();
    waves.dedup();
    for (index, wave) in waves.iter().enumerate() {
        let in_wave = || writes.iter().copied().filter(|item| !item.config && item.wave == *wave);
        let of_wave = write_all(scene, in_wave().filter(is_unwritten));
        next.actions.extend(of_wave.actions);
        next.waits = next.waits.or(of_wave.waits);
        next.obstacle = next.obstacle.or(of_wave.obstacle);
        next.recheck_at = earliest(next.recheck_at, of_wave.recheck_at);
        if index + 1 < waves.len() {
            let keys: Vec<ObjectKey> = in_wave().map(|item| item.key.clone()).collect();
            if !next.actions.is_empty() || next.waits.is_some() || !is_healthy(scene, &keys) {
                return Next { gate: Some(keys), ..next };
            }
        }
    }
    match next.actions.is_empty() && next.waits.is_none() {
        true => Next::complete(),
        false => next,
    }
}

/// Writes these objects. One that is still being deleted is written when it is gone: a write to it would be lost with it.
fn write_all<'a>(scene: &Scene<'_>, items: impl Iterator<Item = &'a Desired>) -> Next {
    let mut next = Next::default();
    for item in items {
        match scene.world.live.get(&item.key) {
            Some(Live::Present(live)) if is_terminating(live) => {
                next.waits = Some(format!("{} {}, and was not gone", item.key, waits_for(live)));
                next.obstacle = Some((Reason::Terminating, sentence(&item.key, live)));
                next.recheck_at = Some(later(scene.now, AGAIN));
            }
            Some(_) | None => {
                next.actions.extend(write(scene, item));
            }
        }
    }
    next
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
    if let Some(Live::Present(live)) = live
        && is_replaced(&item.object, live)
        && let Some(uid) = live.pointer("/metadata/uid").and_then(Value::as_str)
    {
        let object = scene.body(item, None);
        return vec![Action::Replace {
            target: scene.target(),
            key: item.key.clone(),
            uid: uid.into(),
            object,
        }];
    }
    let mut body = scene.body(item, live);
    let mut restored = scene.body_with_history(item, live);
    let mut actions = Vec::new();
    if let Some(patch) = scene.adoption(live) {
        for body in [Some(&mut body), restored.as_mut()].into_iter().flatten() {
            if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
                // The patch changes the resourceVersion, and tests the one that was read itself.
                metadata.remove("resourceVersion");
            }
        }
        actions.push(Action::Adopt { target: scene.target(), key: item.key.clone(), patch });
    }
    // What the object had may be taken by now, such as the address of a Service.
    let (object, otherwise) = match restored {
        Some(restored) => (restored, Some(body)),
        None => (body, None),
    };
    actions.push(Action::Apply { target: scene.target(), key: item.key.clone(), object, otherwise });
    actions
}
