//! Hooks: Jobs that run before or after a rollout or a rollback.
//!
//! ```text
//!   announced --> created, recorded as started --> complete, recorded as passed
//!                      |
//!                      +------> failed: the promotion fails
//!                      |
//!                      +------> deleted by another user: the promotion fails, because its result is unknown
//!                      |
//!                      +------> failed, because its pod was disrupted: the promotion is inconclusive
//!                      |
//!                      +------> suspended: waited for until it is resumed
//!                      |
//!                      +------> stopped, because the promotion ended: deleted with its pods by what follows
//! ```
//!
//! Invariants: a hook runs at most once per promotion. That its Job was created is written to the status (`startedAt` of its step) before
//! anything else follows, and its absence after that is a failure. It is not written before the creation: after a crash between the two,
//! a Job that was never created could not be distinguished from one that was deleted, and a healthy release would fail. The completion is
//! written to the status before anything follows from it, and the Job exists for an hour after it has finished, even if its content
//! says otherwise, so that a controller that was down finds it. No two promotions of a lane run hooks at the same time: unfinished
//! hooks of the revision before are stopped first, and a rollback does not end before they are.

use super::batch::Batch;
use super::desired::is_written;
use super::health::hook_health;
use super::outcome::Outcome;
use super::{Decision, Scene};
use crate::api::{PromotionStatus, Reason, RollbackPolicySpec, Step, StepResult};
use crate::content::{Desired, Hook, ObjectKey};
use crate::decide::conditions::{cut, seconds as seconds_of};
use crate::decide::decision::Action;
use crate::decide::health::{Health, has_ended_its_own};
use crate::decide::moments::later;
use crate::decide::world::{Live, Passed, PromotionWorld, Workload};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;
use std::collections::BTreeMap;

/// The seconds that all hooks of a plan may run.
pub(super) fn seconds(wanted: &[Desired], policy: &RollbackPolicySpec) -> i64 {
    let default = i64::from(policy.failing.progress_deadline_seconds);
    let own = |item: &Desired| item.object.pointer("/spec/activeDeadlineSeconds").and_then(Value::as_i64);
    let hooks = wanted.iter().filter(|item| item.hook.is_some());
    hooks.fold(0, |sum, item| sum.saturating_add(own(item).unwrap_or(default).max(0)))
}

/// The steps of the hooks that run first. They start when their Jobs are created.
pub(super) fn announced(scene: &Scene<'_>, wanted: &[Desired]) -> Vec<Step> {
    let first = if scene.is_rollback() { Hook::PreRollback } else { Hook::PrePromote };
    let hooks = wanted.iter().filter(|item| item.hook == Some(first));
    hooks.map(|item| step(item, first)).collect()
}

fn step(item: &Desired, hook: Hook) -> Step {
    Step {
        name: item.key.name().to_owned(),
        started_at: None,
        finished_at: None,
        result: StepResult::Running,
        message: Some(format!("hook {}", hook.as_str())),
    }
}

fn hooks<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = &'a Desired> {
    hooks_in(scene.world)
}

fn hooks_in(world: &PromotionWorld) -> impl Iterator<Item = &Desired> {
    let plan = world.plans.content.as_ref().and_then(|plan| plan.as_ref().ok());
    plan.into_iter().flat_map(|plan| &plan.objects).filter(|item| item.hook.is_some())
}

/// The hooks that were started, have no result, and are not seen: whether their Jobs exist must be read.
pub(super) fn unseen(world: &PromotionWorld) -> impl Iterator<Item = &ObjectKey> {
    let status = world.promotion.status.as_ref();
    let keys = hooks_in(world).map(|item| &item.key).filter(|key| !world.workloads.contains_key(*key));
    keys.filter(move |key| status.is_some_and(|status| is_started(status, key)))
}

/// Whether the Job of a hook was created, and its result is not recorded.
fn is_started(status: &PromotionStatus, key: &ObjectKey) -> bool {
    let is_running = |step: &Step| step.started_at.is_some() && step.result == StepResult::Running;
    status.steps.iter().any(|step| step.name == key.name() && is_running(step))
}

/// Whether a user deleted the Job of a hook before its result was recorded.
fn is_deleted(scene: &Scene<'_>, key: &ObjectKey) -> bool {
    let status = scene.world.promotion.status.as_ref();
    status.is_some_and(|status| is_started(status, key))
        && job(scene, key).is_none()
        && matches!(scene.world.live.get(key), Some(Live::Absent))
}

fn is_recorded(status: &PromotionStatus, key: &ObjectKey) -> bool {
    status.steps.iter().any(|step| step.name == key.name() && step.result == StepResult::Passed)
}

/// Whether a hook did its work: its Job is complete, or would be without what an injector added to its pod.
fn is_done(scene: &Scene<'_>, item: &Desired) -> bool {
    job(scene, &item.key).is_some_and(|job| job.complete || has_ended_its_own(&item.object, job))
}

fn job<'a>(scene: &'a Scene<'_>, key: &ObjectKey) -> Option<&'a Workload> {
    scene.world.workloads.get(key)
}

/// The stored status with the hooks that were created or have ended since it was written.
pub(super) fn observed(scene: &Scene<'_>) -> PromotionStatus {
    let mut status = scene.status.clone();
    if !status.phase.is_running() {
        return status;
    }
    let unrecorded = hooks(scene).filter(|item| !is_recorded(&scene.status, &item.key));
    for item in unrecorded {
        if let Some(at) = passed_at(scene, item) {
            end(scene, &mut status, &item.key, StepResult::Passed, None);
            let mut steps = status.steps.iter_mut();
            let step = steps.find(|step| step.name == item.key.name());
            step.into_iter().for_each(|step| step.finished_at = Some(Time(seconds_of(at))));
        } else if job(scene, &item.key).is_some() || scene.world.written.contains(&item.key) {
            start(scene, &mut status, item);
        }
    }
    status
}

/// Records that the Job of a hook was created.
fn start(scene: &Scene<'_>, status: &mut PromotionStatus, item: &Desired) {
    let Some(hook) = item.hook else { return };
    if !status.steps.iter().any(|step| step.name == item.key.name()) {
        status.steps.push(step(item, hook));
    }
    let mut steps = status.steps.iter_mut();
    if let Some(step) = steps.find(|step| step.name == item.key.name() && step.started_at.is_none()) {
        step.started_at = Some(scene.time());
    }
}

/// Ends the steps of hooks when their promotion ends.
pub(super) fn close(scene: &Scene<'_>, status: &mut PromotionStatus, reason: &Reason) {
    let recorded = status.clone();
    for item in hooks(scene).filter(|item| !is_recorded(&recorded, &item.key)) {
        let is_running = |step: &Step| step.name == item.key.name() && step.result == StepResult::Running;
        let ended = job(scene, &item.key).and_then(|job| match &job.disrupted {
            Some(message) => Some((StepResult::Errored, message)),
            None => Some((StepResult::Failed, job.failed.as_ref()?)),
        });
        match ended {
            Some((result, message)) => end(scene, status, &item.key, result, Some(message)),
            None if status.steps.iter().any(is_running) => {
                let message = match *reason == Reason::HookDeleted && is_deleted(scene, &item.key) {
                    true => "its Job was deleted before its result was recorded",
                    false => "stopped, because the promotion ended",
                };
                end(scene, status, &item.key, StepResult::Errored, Some(message));
            }
            None => {}
        }
    }
}

fn end(
    scene: &Scene<'_>,
    status: &mut PromotionStatus,
    key: &ObjectKey,
    result: StepResult,
    message: Option<&str>,
) {
    let message = message.map(|message| cut(message, 1024));
    match status.steps.iter_mut().find(|step| step.name == key.name()) {
        Some(step) => {
            (step.result, step.finished_at) = (result, Some(scene.time()));
            step.message = message.or(step.message.take());
        }
        None => status.steps.push(Step {
            name: key.name().to_owned(),
            started_at: None,
            finished_at: Some(scene.time()),
            result,
            message,
        }),
    }
}

/// When a hook passed, as far as this process knows: as it has seen, as its Job shows, or as what was written after it shows.
fn passed_at(scene: &Scene<'_>, item: &Desired) -> Option<Timestamp> {
    let seen = scene.world.passed.get(&item.key).map(|passed| passed.at);
    seen.or_else(|| (is_done(scene, item) || was_followed(scene, item)).then_some(scene.now))
}

/// Whether a hook runs before the first write of a promotion, and that write was made: nothing is written before it has passed.
fn was_followed(scene: &Scene<'_>, item: &Desired) -> bool {
    let plan = scene.plan();
    let follows = |other: &&Desired| other.hook.is_none() && !other.config;
    let is_changed = |key: &ObjectKey| {
        let mut changes = scene.status.changes.iter().filter(|change| change.action.is_write());
        changes.any(|change| ObjectKey::of_change(change).as_ref() == Some(key))
    };
    let mut later = plan.into_iter().flat_map(|plan| &plan.objects).filter(follows);
    item.hook == Some(Hook::PrePromote)
        && !scene.is_rollback()
        && later.any(|other| is_changed(&other.key) && is_written(scene, &other.key))
}

/// Writes the creation of hooks, the completion of those after the rollout, and disruptions before anything that follows from them. What
/// follows from a hook in front of a rollout shows that it is complete: that is recorded with the next write.
pub(super) fn remember(scene: &Scene<'_>, mut decision: Decision) -> Decision {
    let stored = scene.world.promotion.status.as_ref();
    let are_recorded = stored.is_none_or(|stored| stored.disruptions == scene.status.disruptions);
    let is_news = |stored: &&PromotionStatus| !are_recorded || stored.steps != scene.status.steps;
    let Some(stored) = stored.filter(is_news) else { return decision };
    if decision.memory.is_some() {
        return decision;
    }
    let mut known = scene.status.steps.clone();
    let mut jobs = BTreeMap::new();
    let is_seen = |key: &ObjectKey| scene.world.passed.contains_key(key);
    let first = hooks(scene).filter(|item| item.hook == Some(Hook::PrePromote) && !scene.is_rollback());
    for item in first.filter(|item| is_seen(&item.key) || is_done(scene, item)) {
        let is_it = |step: &&Step| step.name == item.key.name() && step.started_at.is_some();
        if let Some(old) = stored.steps.iter().find(is_it) {
            known.iter_mut().filter(|step| step.name == old.name).for_each(|step| *step = old.clone());
            let passed = Passed { at: scene.now, message: String::new() };
            jobs.extend((!is_seen(&item.key)).then(|| (item.key.clone(), passed)));
        }
    }
    match are_recorded && known == stored.steps {
        true if jobs.is_empty() => {}
        true => decision.actions.push(Action::MarkPassed { jobs }),
        false => {
            let told = decision.report.take();
            decision.memory = Some(told.unwrap_or_else(|| scene.same_phase(scene.status.clone())));
        }
    }
    decision
}

/// When the rollout began: not before the hooks in front of it had ended.
pub(super) fn rollout_since(scene: &Scene<'_>, status: &PromotionStatus) -> Timestamp {
    let started = status.started_at.as_ref().map_or(scene.now, |time| time.0);
    let is_first = |hook| matches!(hook, Some(Hook::PrePromote | Hook::PreRollback));
    let first = hooks(scene).filter(|item| is_first(item.hook));
    let ended = first.filter_map(|item| {
        let step = status.steps.iter().find(|step| step.name == item.key.name())?;
        step.finished_at.as_ref().map(|time| time.0)
    });
    ended.fold(started, Timestamp::max)
}

/// The hooks of one kind that are not complete: those that were never created are, and the others are waited for.
pub(super) fn run(
    scene: &Scene<'_>,
    status: &PromotionStatus,
    wanted: &[Desired],
    hook: Hook,
) -> Option<Batch> {
    let incomplete: Vec<&Desired> = wanted
        .iter()
        .filter(|item| item.hook == Some(hook) && !is_recorded(status, &item.key))
        .filter(|item| !is_done(scene, item))
        .collect();
    let first = incomplete.first()?;
    let missing = incomplete.iter().filter(|item| {
        let is_created = scene.world.written.contains(&item.key) || is_started(status, &item.key);
        job(scene, &item.key).is_none() && !is_created
    });
    let actions = missing
        .map(|item| Action::Apply {
            target: scene.target(),
            key: item.key.clone(),
            object: scene.body(item, None),
            otherwise: None,
        })
        .collect();
    Some(Batch {
        hooks: incomplete.iter().map(|item| item.key.clone()).collect(),
        waits: Some(format!("hook {} has not finished", first.key)),
        obstacle: incomplete.iter().find_map(|item| suspended(scene, &item.key)),
        ..Batch::of(actions)
    })
}

/// What continues a suspended hook: a person, or the queue that suspended it.
fn suspended(scene: &Scene<'_>, key: &ObjectKey) -> Option<(Reason, String)> {
    let is_suspended = job(scene, key).is_some_and(|job| job.suspended);
    let message = format!(
        "{key} is a hook and is suspended; resume it with kubectl patch job/{} -n {} --patch '{{\"spec\":{{\"suspend\":false}}}}'",
        key.name(),
        scene.environment.spec.namespace
    );
    is_suspended.then_some((Reason::Suspended, message))
}

/// The end of a promotion that follows from these hooks; none while they can pass.
pub(super) fn ended(scene: &Scene<'_>, keys: &[ObjectKey]) -> Option<Outcome> {
    let failed = |(reason, message): (Reason, String)| Outcome::Failed { reason, message };
    if let Some(failure) = failure(scene, keys) {
        return Some(failed(failure));
    }
    // What failed or was disrupted is the cause, even if another hook was stopped because of it.
    let Some((key, words)) = keys.iter().find_map(|key| Some((key, disruption(scene, key)?))) else {
        return deletion(scene, keys).map(failed);
    };
    let message = format!(
        "{key} is a hook without further retries, and its {words}; whether it did its work is not known, so it is not run again; promote \
         the release again to run it again, or roll back"
    );
    Some(Outcome::Inconclusive { reason: Reason::HookDisrupted, message })
}

/// The disruption that ended a hook. A rollback has no outcome but restored or failed.
fn disruption<'a>(scene: &'a Scene<'_>, key: &ObjectKey) -> Option<&'a String> {
    job(scene, key)?.disrupted.as_ref().filter(|_| !scene.is_rollback())
}

/// Why one of these hooks failed; none while none has.
fn failure(scene: &Scene<'_>, keys: &[ObjectKey]) -> Option<(Reason, String)> {
    let mut judged = keys.iter().filter(|key| disruption(scene, key).is_none());
    judged.find_map(|key| match hook_health(scene, key, job(scene, key)?) {
        Health::Failing { reason, message } => Some((reason, message)),
        Health::Healthy | Health::Progressing { .. } => None,
    })
}

/// Why one of these hooks has no result, if its Job was deleted.
fn deletion(scene: &Scene<'_>, keys: &[ObjectKey]) -> Option<(Reason, String)> {
    let key = keys.iter().find(|key| is_deleted(scene, key))?;
    let message = format!(
        "{key} is a hook, and was deleted before its result was recorded; whether it did its work is not known, so it is not run \
         again; promote the release again to run it again"
    );
    Some((Reason::HookDeleted, message))
}

/// The deletions of unfinished hooks of the revision before this one, and what is waited for; none when all are gone.
pub(super) fn stop_earlier(scene: &Scene<'_>) -> Option<Batch> {
    let unfinished: Vec<(&ObjectKey, &Workload)> = scene
        .world
        .plans
        .earlier_hooks
        .iter()
        .filter_map(|key| Some((key, job(scene, key)?)))
        .filter(|(_, job)| !job.complete && job.failed.is_none())
        .collect();
    let (first, _) = unfinished.first()?;
    let waits = Some(format!("hook {first} of the revision before this one has not stopped"));
    let running = unfinished.iter().filter(|(key, _)| !scene.world.written.contains(*key));
    Some(Batch { waits, ..Batch::of(running.map(|(key, job)| stop(scene, key, job)).collect()) })
}

fn stop(scene: &Scene<'_>, key: &ObjectKey, job: &Workload) -> Action {
    Action::StopJob { target: scene.target(), key: key.clone(), uid: job.uid.clone() }
}

/// Stops the unfinished hooks of a promotion that fails and is not rolled back; none when all are gone or cannot be stopped in time.
pub(super) fn stop_own(scene: &Scene<'_>, until: Timestamp) -> Option<Decision> {
    let unfinished: Vec<Action> = hooks(scene)
        .filter_map(|item| Some((&item.key, job(scene, &item.key)?)))
        .filter(|(_, job)| !job.complete && job.failed.is_none())
        .map(|(key, job)| stop(scene, key, job))
        .collect();
    if unfinished.is_empty() || scene.now >= until {
        return None;
    }
    let wake_at = later(scene.now, SignedDuration::from_secs(2)).min(until);
    Some(Decision { actions: unfinished, wake_at: Some(wake_at), ..Decision::default() })
}

/// Until when a failed promotion waits for its unfinished hooks to stop.
pub(super) fn patience(scene: &Scene<'_>) -> Timestamp {
    let plan = scene.plan();
    let own = plan.map_or(0, |plan| seconds(&plan.objects, &scene.policy));
    let limit =
        i64::from(scene.policy.failing.progress_deadline_seconds).saturating_mul(4).saturating_add(own);
    later(rollout_since(scene, &scene.status), SignedDuration::from_secs(limit))
}
