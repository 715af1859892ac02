//! The next writes of a plan, in order.
//!
//! Invariant: completed writes are found in the live objects, so a new process continues where the previous one stopped.

use super::batch::Batch;
use super::desired::{is_replaced, is_written};
use super::health::is_healthy;
use super::terminating::{AGAIN, is_terminating, sentence, waits_for};
use super::{Scene, hooks, removals};
use crate::api::{PromotionStatus, Reason, Removal};
use crate::content::{Desired, Hook, ObjectKey};
use crate::decide::decision::Action;
use crate::decide::health::stuck_pod;
use crate::decide::moments::{earliest, later};
use crate::decide::world::{Live, Workload};
use serde_json::Value;
use std::collections::BTreeSet;

/// The next writes of a plan, in order: config, hooks before the rollout, wave by wave. Removals and hooks after the rollout follow when
/// everything is healthy.
pub(super) fn next_writes(scene: &Scene<'_>, status: &PromotionStatus, wanted: &[Desired]) -> Batch {
    let changed: BTreeSet<ObjectKey> = status
        .changes
        .iter()
        .filter(|change| change.action.is_write())
        .filter_map(ObjectKey::of_change)
        .collect();
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
) -> Batch {
    let stops = hooks::stop_earlier(scene);
    let next = next_reverts(scene, status, wanted, writes);
    let Some(stops) = stops else { return next };
    match next.complete {
        true => stops,
        false => {
            let actions = stops.actions.into_iter().chain(next.actions).collect();
            Batch { actions, waits: next.waits.or(stops.waits), ..next }
        }
    }
}

fn next_reverts(
    scene: &Scene<'_>,
    status: &PromotionStatus,
    wanted: &[Desired],
    mut writes: Vec<&Desired>,
) -> Batch {
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
        .unwrap_or_else(Batch::complete)
}

/// The next deletions of a rollback, which removes what the failed revision added as soon as everything is written.
fn removed(scene: &Scene<'_>) -> Option<Batch> {
    let step = removals::step(scene, Removal::AfterRollout)?;
    Some(Batch {
        waits: Some("not all objects are deleted".to_owned()),
        obstacle: removals::leaving(scene).into_iter().next().map(|text| (Reason::Terminating, text)),
        recheck_at: step.wake_at,
        ..Batch::of(step.actions)
    })
}

/// Config, hooks, then wave by wave: a wave is written when the previous one is healthy.
fn next_rollout_writes(
    scene: &Scene<'_>,
    status: &PromotionStatus,
    wanted: &[Desired],
    writes: &[&Desired],
) -> Batch {
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
                return Batch { gate: Some(keys), ..next };
            }
        }
    }
    match next.actions.is_empty() && next.waits.is_none() {
        true => Batch::complete(),
        false => next,
    }
}

/// Writes these objects. One that is still being deleted is written when it is gone: a write to it would be lost with it.
fn write_all<'a>(scene: &Scene<'_>, items: impl Iterator<Item = &'a Desired>) -> Batch {
    let mut next = Batch::default();
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
    if let Some(patch) = scene.adoption(item, live) {
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

/// Deletes the pods of the replaced revision that are not ready: with `OrderedReady` the StatefulSet controller never replaces
/// them, and with `OnDelete` no controller does. What replaces a failed release does so at once, and also with `OnDelete`.
pub(super) fn stuck_pods(scene: &Scene<'_>) -> Vec<Action> {
    let replaces = scene.status.replaces.and_then(|number| scene.lane.revision(number));
    let replaces_a_failure = replaces.is_some_and(|promotion| promotion.phase().has_failed());
    let replaces_at_once = scene.is_rollback() || replaces_a_failure;
    let broken = |key: &ObjectKey, workload: &Workload| match replaces_at_once {
        true if key.kind() == "StatefulSet" || workload.on_delete => {
            workload.outdated.iter().filter(|pod| !pod.ready).cloned().collect()
        }
        true => Vec::new(),
        false => stuck_pod(workload, scene.now).into_iter().cloned().collect(),
    };
    scene
        .world
        .workloads
        .iter()
        .filter(|(key, workload)| workload.observed && is_written(scene, key))
        .flat_map(|(key, workload)| broken(key, workload))
        .map(|pod| Action::DeletePod { target: scene.target(), name: pod.name.clone(), uid: pod.uid.clone() })
        .collect()
}
