//! The rollout of a promotion or rollback: the next writes, and the health of what is written, until everything is rolled out.

use super::awaited::{waited, waits_for_a_person};
use super::batch::Batch;
use super::desired::is_written;
use super::ending::finish;
use super::health::{disrupted, health_of, mode, template_changes, unchanged, without_replicas, workloads};
use super::observing::{no_new_pods, nothing_ran, template_changed};
use super::outcome::{Outcome, Turn};
use super::retries::{Unwritten, failure_note, possible, progress};
use super::writes::{next_writes, stuck_pods};
use super::{Decision, Scene, checks, hooks, note, removals, steps, test_runs};
use crate::api::{Meta, PromotionPhase, Reason, Removal, TestOrigin};
use crate::content::ownership::fields::Changed;
use crate::content::{Desired, Hook, ObjectKey};
use crate::decide::decision::Action;
use crate::decide::health::{Health, Mode};
use crate::decide::moments::{earliest, later, span};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// The shortest observe window that is written to the status when it starts.
const WORTH_A_WRITE: SignedDuration = SignedDuration::from_secs(5);
/// The interval in which consent is checked again.
const CONSENT: SignedDuration = SignedDuration::from_secs(10);

/// Carries out the next writes, and checks what is written already.
pub(super) fn roll_out(scene: &Scene<'_>, wanted: &[Desired]) -> Turn {
    let mut decision = advance(scene, wanted)?;
    let mut generations = unchanged(scene, wanted);
    generations.retain(|key, _| scene.world.written.contains(key));
    template_changes(scene, wanted).for_each(|(key, _)| _ = generations.remove(&key));
    if !generations.is_empty() {
        decision.actions.push(Action::MarkUnchanged { generations });
    }
    Ok(decision)
}

fn advance(scene: &Scene<'_>, wanted: &[Desired]) -> Turn {
    let status = &scene.status;
    let since = hooks::rollout_since(scene, status);
    let since = waited(scene, status).map_or(since, |at| at.max(since).min(scene.now));
    // A rollback restores what it can, and retries the rest: nothing else would restore it. A refused deletion fails nothing.
    // The Job of a test that was refused decides as that test says.
    let is_written = |key: &ObjectKey| wanted.iter().any(|item| item.key == *key);
    let refused = scene.world.refused.iter().filter(|(key, _)| is_written(key));
    let mut refused = refused.filter(|(key, _)| !removals::is_removed(status, key));
    if let Some((key, message)) = refused.next().filter(|_| !scene.is_rollback()) {
        return Err(Outcome::Failed {
            reason: Reason::WriteRefused,
            message: format!("{key} was refused: {message}"),
        });
    }
    let next = next_writes(scene, status, wanted);
    let (next, unwritten) = possible(scene, status, next, write_deadline(scene, wanted, since));
    if unwritten.is_overdue(scene.now) {
        return Err(Outcome::Failed { reason: Reason::WriteDeadlineExceeded, message: unwritten.overdue() });
    }
    if let Some(outcome) = hooks::ended(scene, &next.hooks) {
        return Err(outcome);
    }
    let checked = checked_keys(scene, wanted, &next);
    let mode = mode(scene, since);
    match health_of(scene, &checked, mode) {
        Health::Failing { reason, message } => Err(match changed_by_others(scene, wanted, &checked, mode) {
            Some(outcome) => outcome,
            None => Outcome::Failed { reason, message },
        }),
        Health::Progressing { obstacle: Some(obstacle), message, recheck_at } => {
            Ok(proceed(scene, next, recheck_at, &unwritten, Some((obstacle, message))))
        }
        // The progress of a workload is in its own status. Repeating it here would cost a write per pod.
        Health::Progressing { obstacle: None, recheck_at, .. } => {
            Ok(proceed(scene, next, recheck_at, &unwritten, None))
        }
        Health::Healthy if next.complete => finish_rollout(scene, wanted, &unwritten),
        Health::Healthy => match after_a_disruption(scene, &next, &unwritten) {
            Some(outcome) => Err(outcome),
            None => Ok(proceed(scene, next, None, &unwritten, None)),
        },
    }
}

/// The end of a promotion of which only workloads fail whose template another manager changed since they were written: their pods say
/// nothing about the release.
fn changed_by_others(
    scene: &Scene<'_>,
    wanted: &[Desired],
    checked: &[ObjectKey],
    mode: Mode,
) -> Option<Outcome> {
    if scene.is_rollback() {
        return None;
    }
    let changes: BTreeMap<ObjectKey, Changed> =
        template_changes(scene, wanted).filter(|(key, _)| is_written(scene, key)).collect();
    let (key, changed) = changes.first_key_value()?;
    let others: Vec<ObjectKey> = checked.iter().filter(|key| !changes.contains_key(key)).cloned().collect();
    match health_of(scene, &others, mode) {
        Health::Failing { .. } => None,
        Health::Healthy | Health::Progressing { .. } => Some(template_changed(key, changed)),
    }
}

/// The end of a promotion whose next wave waits for a Job that was disrupted: what follows may rely on its work. The rest of its wave is
/// judged first, because a failure says more.
fn after_a_disruption(scene: &Scene<'_>, next: &Batch, unwritten: &Unwritten) -> Option<Outcome> {
    let (key, words) = disrupted(scene, next.gate.as_deref().filter(|_| !unwritten.is_pending)?)?;
    let message = format!(
        "{key} has no further retries, and its {words}; whether it did its work is not known, so the waves behind it are not written; \
         delete it and promote the release again to run it again, or roll back"
    );
    Some(Outcome::Inconclusive { reason: Reason::JobDisrupted, message })
}

/// The objects whose health counts now: written ones, and those that the next write waits for.
fn checked_keys(scene: &Scene<'_>, wanted: &[Desired], next: &Batch) -> Vec<ObjectKey> {
    let mut checked: Vec<ObjectKey> = match (&next.gate, next.complete) {
        (_, true) => workloads(wanted),
        (Some(keys), false) => keys.clone(),
        (None, false) => Vec::new(),
    };
    checked.extend(
        wanted
            .iter()
            .filter(|item| item.hook.is_none() && is_written(scene, &item.key))
            .map(|item| item.key.clone()),
    );
    checked.retain(|key| next.complete || is_written(scene, key) || scene.world.workloads.contains_key(key));
    checked.sort();
    checked.dedup();
    checked
}

/// The next step of the tests of the last verified revision; none when they have ended.
fn regression(scene: &Scene<'_>) -> Turn<Option<Decision>> {
    if let Some((reason, message)) = test_runs::failure(scene) {
        return Err(Outcome::Failed { reason, message });
    }
    Ok(test_runs::advance(scene, |origin| origin == TestOrigin::Regression))
}

/// Runs the hooks after the rollout and the tests of the last verified revision, deletes what a rollback can restore, and starts the
/// observe window.
fn finish_rollout(scene: &Scene<'_>, wanted: &[Desired], unwritten: &Unwritten) -> Turn {
    let status = &scene.status;
    let next = (!scene.is_rollback()).then(|| hooks::run(scene, status, wanted, Hook::PostPromote)).flatten();
    if let Some(next) = next {
        if let Some(outcome) = hooks::ended(scene, &next.hooks) {
            return Err(outcome);
        }
        let (next, unwritten) = possible(scene, status, next, unwritten.deadline);
        if unwritten.is_overdue(scene.now) {
            let message = unwritten.overdue();
            return Err(Outcome::Failed { reason: Reason::WriteDeadlineExceeded, message });
        }
        return Ok(proceed(scene, next, None, &unwritten, None));
    }
    if let Some(step) = regression(scene)?.or_else(|| removals::step(scene, Removal::AfterRollout)) {
        return Ok(step);
    }
    let decision = rolled_out(scene, wanted).unwrap_or_else(|outcome| finish(scene, outcome));
    let is_told = decision.memory.is_some();
    Ok(Decision { report: progress(scene, unwritten, None).filter(|_| !is_told), ..decision })
}

/// The time by which every object must be written: one progress deadline per wave and two more, and the deadlines of the hooks.
fn write_deadline(scene: &Scene<'_>, wanted: &[Desired], since: Timestamp) -> Timestamp {
    let waves: BTreeSet<i32> = wanted.iter().map(|item| item.wave).collect();
    let count = i64::try_from(waves.len()).unwrap_or(i64::MAX).saturating_add(2);
    let limit = i64::from(scene.policy.failing.progress_deadline_seconds).saturating_mul(count);
    let limit = limit.saturating_add(hooks::seconds(wanted, &scene.policy));
    later(since, SignedDuration::from_secs(limit))
}

/// Carries out the next writes. Requeues at the next deadline or retry, and to check consent.
fn proceed(
    scene: &Scene<'_>,
    next: Batch,
    recheck_at: Option<Timestamp>,
    unwritten: &Unwritten,
    obstacle: Option<(Reason, String)>,
) -> Decision {
    let mut actions = next.actions;
    let obstacle = obstacle.or(next.obstacle);
    let recheck_at = earliest(recheck_at, next.recheck_at);
    actions.extend(stuck_pods(scene));
    let waits = obstacle.as_ref().is_some_and(|(reason, _)| reason.waits_for_a_person());
    let soon = (!actions.is_empty()).then(|| later(scene.now, SignedDuration::from_secs(1)));
    let limit = SignedDuration::from_secs(i64::from(scene.policy.failing.progress_deadline_seconds));
    let wake_at = earliest(earliest(recheck_at, soon), Some(later(scene.now, limit.min(CONSENT))));
    let told = progress(scene, unwritten, obstacle);
    let notes = told.as_ref().and_then(|status| failure_note(scene, status)).into_iter().collect();
    // That it waits, and until when it did, drives the deadlines: it is memory, written with what is reported anyway.
    let (memory, report) = match waits == scene.status.waiting_since.is_some() {
        true => (None, told),
        false => {
            let status = told.unwrap_or_else(|| scene.same_phase(scene.status.clone()));
            (Some(waits_for_a_person(scene, status, waits)), None)
        }
    };
    Decision {
        memory,
        actions,
        report,
        notes,
        wake_at: earliest(wake_at, unwritten.wake_at().filter(|at| *at > scene.now)),
        ..Decision::default()
    }
}

/// Ends a rollback, whose content was verified before; starts the observe window of a promotion.
fn rolled_out(scene: &Scene<'_>, wanted: &[Desired]) -> Turn {
    if scene.is_rollback() {
        let what =
            scene.status.version.clone().unwrap_or_else(|| "what ran before Towpath first wrote".to_owned());
        let message = format!("restored {what}, and it is healthy");
        return Err(Outcome::Verified { reason: Reason::Restored, message });
    }
    let window = span(scene.policy.observe_window);
    let idle = without_replicas(scene, wanted);
    let are_tests_left = test_runs::are_left(scene);
    if window.is_zero() && !are_tests_left && !checks::are_left(scene) {
        if let Some((reason, message)) = test_runs::error(scene) {
            return Err(Outcome::Inconclusive { reason, message });
        }
        if let Some(outcome) = no_new_pods(scene) {
            return Err(outcome);
        }
        return Err(match idle.is_empty() {
            true => Outcome::Verified { reason: Reason::Verified, message: "rolled out and healthy".into() },
            false => nothing_ran(&idle),
        });
    }
    // A process that did not see the rollout takes the time from the pods.
    let is_seen = !scene.world.written.is_empty() || removals::removed_any(scene);
    let since = if is_seen { scene.time_after().0 } else { last_ready(scene, wanted) };
    let until = later(since, window);
    let tests = if are_tests_left { ", and until its tests have ended" } else { "" };
    let text = format!("rolled out; observed until {until}{tests}");
    let message = format!("{}: revision {} is {text}", scene.environment.name(), scene.revision());
    // A shorter window ends before a user can read it.
    let (with_remaining, remains) = removals::remaining(scene);
    let mut actions = vec![Action::MarkRolledOut { since }];
    let is_worth_a_write = window >= WORTH_A_WRITE || remains || !idle.is_empty() || are_tests_left;
    let memory = is_worth_a_write.then(|| {
        let mut status = waits_for_a_person(scene, with_remaining, false);
        steps::rolled_out(&mut status, since);
        status.without_replicas = idle;
        actions.extend(test_runs::start(scene, &mut status, |_| true));
        scene.write(status, PromotionPhase::Promoting, &Reason::Observing, &text)
    });
    Ok(Decision {
        memory,
        actions,
        wake_at: (until > scene.now).then_some(until),
        notes: vec![note(Reason::RolledOut, message)],
        ..Decision::default()
    })
}

/// The time when the last pod became ready: a function of the pods, so that every replica computes the same. Pods report whole
/// seconds, so the next second is used.
fn last_ready(scene: &Scene<'_>, wanted: &[Desired]) -> Timestamp {
    let started = scene.started();
    // Pods tell nothing about the end of a Job or the state of a custom object.
    let is_told_by_pods = |item: &Desired| item.hook.is_none() && item.key.kind() != "Job";
    if !scene.world.customs.is_empty() || !wanted.iter().all(is_told_by_pods) {
        return scene.time_after().0;
    }
    let ready = workloads(wanted)
        .iter()
        .filter_map(|key| scene.world.workloads.get(key))
        .flat_map(|workload| &workload.pods)
        .filter(|pod| pod.ready)
        .filter_map(|pod| pod.ready_since)
        .max();
    later(ready.map_or(started, |at| at.max(started)), SignedDuration::from_secs(1)).min(scene.time_after().0)
}
