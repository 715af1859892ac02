//! The tests that run before the first write: a part of the gate `Evidence`.
//!
//! ```text
//!   every other gate is open --> run --+--> all passed: the promotion starts
//!          ^                           |
//!          |                           +--> one failed: the promotion ends, and has written nothing of the release
//!          |                           |
//!          +--- again -----------------+--> one has no result: it is run again, until the progress deadline ends the promotion
//!          |                           |
//!          +--- another gate closed ---+
//! ```
//!
//! What such a test shows is about the cluster of this hour: its result counts for ten minutes. A gate that closes while tests run stops
//! none of them, and none starts before it is open again.
//!
//! Invariants: nothing of the release is written before every required test has passed against exactly what will be written. The tests of
//! a promotion that ends are stopped.

use super::outcome::{failure, named, repeated};
use super::steps::{attempt, next_attempt, suspension, write_of};
use super::{deadline, key_of, log, recorded, run_of, unseen_until, was_created};
use crate::api::{
    ApprovalsReport, PromotionPhase, PromotionStatus, Reason, TestResult, TestStatus, TestTime,
};
use crate::content::{Plan, TestJob};
use crate::decide::decision::Action;
use crate::decide::moments::{earliest, later};
use crate::decide::promotion::outcome::{Outcome, Turn};
use crate::decide::promotion::refusal::refuse_at;
use crate::decide::promotion::{Decision, Scene, changed, retries};
use crate::decide::test_runs::{Standing, standing};
use crate::decide::world::PromotionWorld;
use jiff::{SignedDuration, Timestamp};

/// How long the results count, from the end of the last one.
const FRESH: SignedDuration = SignedDuration::from_secs(600);
/// The delay after which a test without a result is run again.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);
/// The interval in which Events are read while a Job has no pod.
const POLL: SignedDuration = SignedDuration::from_secs(2);
/// What a person can do about tests that have not passed.
const PASS: &str = "users granted override can pass the gate Evidence";

/// Whether a test runs. Until it has ended, nothing else is observed of the promotion than its gates.
pub(in crate::decide::promotion) fn are_running(world: &PromotionWorld) -> bool {
    let status = world.promotion.status.as_ref().filter(|status| status.phase == PromotionPhase::Pending);
    let mut running = status.into_iter().flat_map(tests).filter(|test| test.result == TestResult::Running);
    running.any(|test| {
        let run = key_of(test).and_then(|key| world.tests.runs.get(&key));
        run.is_none_or(|run| standing(run) == Standing::Runs)
    })
}

/// Waits for tests that run; none when all have ended, and the objects of the promotion are observed again.
pub(in crate::decide::promotion) fn running(scene: &Scene<'_>, plan: &Plan) -> Turn<Option<Decision>> {
    if !are_running(scene.world) {
        return Ok(None);
    }
    if is_of(&scene.status, plan) {
        return match failed(scene) {
            Some(outcome) => Err(outcome),
            None => Ok(Some(run(scene, scene.status.clone()))),
        };
    }
    // They run against other content than that which would be written now.
    Ok(Some(super::stop(scene).unwrap_or_else(|| {
        let mut status = scene.status.clone();
        super::close(scene, &mut status);
        Decision {
            memory: Some(scene.same_phase(status)),
            wake_at: Some(scene.shortly()),
            ..Decision::default()
        }
    })))
}

/// Runs the tests and waits for them; none when nothing keeps the promotion from its start.
pub(in crate::decide::promotion) fn before_start(
    scene: &Scene<'_>,
    plan: &Plan,
    approvals: Option<&ApprovalsReport>,
) -> Turn<Option<Decision>> {
    if before(plan).next().is_none() || scene.is_accepted() {
        return Ok(None);
    }
    let mut status = PromotionStatus { approvals: approvals.cloned(), ..scene.status.clone() };
    let are_over = tests(&status).all(|test| test.result.is_final());
    let ended = tests(&status).filter_map(|test| Some(test.finished_at.as_ref()?.0)).max();
    let is_stale = ended.is_none_or(|at| later(at, FRESH) <= scene.now);
    if !is_of(&status, plan) || (are_over && is_stale) {
        // Those that ran against other content are over first.
        return Ok(Some(super::stop(scene).unwrap_or_else(|| {
            begin(&mut status, plan);
            run(scene, status)
        })));
    }
    if let Some(outcome) = failed(scene) {
        return Err(outcome);
    }
    if are_over {
        let ends = without_result(&status).filter_map(|test| Some(test.finished_at.as_ref()?.0));
        let Some(last) = ends.max() else { return Ok(None) };
        let again = later(last, AGAIN);
        if again > scene.now {
            return no_result(scene, &status, again).map(Some);
        }
        repeat(scene, &mut status);
    }
    Ok(Some(run(scene, status)))
}

/// Ends the promotion if a test failed: nothing was written, so nothing is rolled back.
fn failed(scene: &Scene<'_>) -> Option<Outcome> {
    let (reason, words) = failure(scene)?;
    let message = format!("{words}; promote the release again to run it again; {PASS}");
    Some(Outcome::Refused { reason, message })
}

/// Starts what can start, in a status that is written before.
fn run(scene: &Scene<'_>, mut status: PromotionStatus) -> Decision {
    let (mut actions, mut wake_at) = (Vec::new(), None);
    for test in status.tests.iter_mut().filter(|test| test.when == TestTime::Before) {
        let (action, at) = match test.result {
            TestResult::Pending => next_attempt(scene, test),
            TestResult::Running => (created_again(scene, test), None),
            TestResult::Passed | TestResult::Failed | TestResult::Errored | TestResult::Skipped => {
                (None, None)
            }
        };
        actions.extend(action);
        wake_at = earliest(wake_at, at);
    }
    let left: Vec<&str> =
        tests(&status).filter(|test| !test.result.is_final()).map(|test| test.name.as_str()).collect();
    let message = format!("test {} runs before the first write; {PASS}", left.join(", test "));
    // What was said about a test without a result stays true until it has one.
    let is_told = left.is_empty() || status.refused_since.is_some();
    let status = match is_told {
        true => scene.same_phase(status),
        false => scene.write(status, PromotionPhase::Pending, &Reason::Evidence, &message),
    };
    let memory = changed(scene.world, status);
    let soon = (!actions.is_empty()).then(|| scene.shortly());
    Decision { memory, actions, wake_at: earliest(wake_at, soon), ..Decision::default() }
}

/// The Job of a running test whose creation a crash prevented.
fn created_again(scene: &Scene<'_>, test: &TestStatus) -> Option<Action> {
    let is_created = key_of(test).is_some_and(|key| was_created(scene, &key));
    let is_missing = run_of(scene, test).is_none() && !is_created;
    attempt(scene, test).filter(|_| is_missing).map(|job| write_of(scene, job))
}

/// Waits until tests without a result are run again, or ends the promotion at the progress deadline.
fn no_result(scene: &Scene<'_>, status: &PromotionStatus, again: Timestamp) -> Turn {
    let words = without_result(status).map(|test| {
        let reason = test.reason.as_deref().unwrap_or_default();
        let words = test.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        format!("{} has no result{}: {reason}{words}", named(test), repeated(test))
    });
    let words = words.collect::<Vec<_>>().join("; ");
    let message =
        format!("{words}; it says nothing about the release, and is run again every minute; {PASS}");
    refuse_at(scene, (Reason::Evidence, Reason::TestErrored), &message, again)
}

/// Attends to the tests of a promotion that has not started, whatever gate is closed: their results are recorded, their logs are read, and
/// those that are too late are suspended.
pub(in crate::decide::promotion) fn attend(scene: &Scene<'_>, mut decision: Decision) -> Decision {
    let stored = scene.world.promotion.status.as_ref();
    let is_pending = decision.memory.as_ref().is_none_or(|memory| memory.phase == PromotionPhase::Pending);
    if !is_pending || scene.status.tests.is_empty() {
        return decision;
    }
    for test in tests(&scene.status) {
        match test.result {
            TestResult::Running => {
                decision.actions.extend(log::due(scene, test));
                let at = next_look(scene, test).filter(|at| *at > scene.now);
                decision.wake_at = earliest(decision.wake_at, at);
            }
            TestResult::Pending | TestResult::Errored => {
                let is_new =
                    |action: &Action| !decision.actions.iter().any(|other| other.object() == action.object());
                let suspend = suspension(scene, test).filter(is_new);
                if suspend.is_some() {
                    decision.wake_at = earliest(decision.wake_at, Some(scene.shortly()));
                }
                decision.actions.extend(suspend);
            }
            TestResult::Passed | TestResult::Failed | TestResult::Skipped => {}
        }
    }
    // From a dry-run or a measurement follows nothing yet: a result is written with what follows.
    let asks = |action: &Action| {
        matches!(action, Action::Preflight { .. } | Action::Measure { .. } | Action::MarkMeasured { .. })
    };
    let is_asking = decision.report.is_none() && decision.actions.first().is_some_and(asks);
    let is_new = stored.is_some_and(|stored| stored.tests != scene.status.tests);
    if decision.memory.is_none() && is_new && !is_asking {
        let told = decision.report.take();
        decision.memory = Some(told.unwrap_or_else(|| scene.same_phase(scene.status.clone())));
    }
    retries::hold_back(scene, decision)
}

/// When a running test is observed again although nothing changed.
fn next_look(scene: &Scene<'_>, test: &TestStatus) -> Option<Timestamp> {
    let until = deadline(scene, test);
    let sooner = match run_of(scene, test) {
        Some(run) if run.pods.is_empty() => Some(later(scene.now, POLL)),
        Some(_) => None,
        None => Some(unseen_until(scene, test)).filter(|at| *at > scene.now),
    };
    earliest(Some(until), sooner)
}

/// The tests before the first write, for the record of a promotion that starts.
pub(super) fn passed(scene: &Scene<'_>, plan: &Plan) -> Vec<TestStatus> {
    let done = tests(&scene.status).filter(|test| test.digest.as_deref() == Some(plan.digest()));
    let done: Vec<TestStatus> = done.cloned().collect();
    let is_done = |job: &&TestJob| done.iter().any(|test| test.name == job.name && test.result.is_final());
    let skipped = before(plan).filter(|job| !is_done(job)).map(|job| TestStatus {
        result: TestResult::Skipped,
        message: Some("the promotion overrides the gate Evidence".to_owned()),
        ..recorded(job, job.origin)
    });
    let skipped: Vec<TestStatus> = skipped.collect();
    done.into_iter().filter(|test| test.result.is_final()).chain(skipped).collect()
}

fn before(plan: &Plan) -> impl Iterator<Item = &TestJob> {
    plan.tests.iter().filter(|job| job.settings.when == TestTime::Before)
}

fn tests(status: &PromotionStatus) -> impl Iterator<Item = &TestStatus> {
    status.tests.iter().filter(|test| test.when == TestTime::Before)
}

fn without_result(status: &PromotionStatus) -> impl Iterator<Item = &TestStatus> {
    tests(status).filter(|test| test.required && test.result == TestResult::Errored)
}

/// Whether the recorded tests are those of this plan.
fn is_of(status: &PromotionStatus, plan: &Plan) -> bool {
    let is_same = |test: &TestStatus| test.digest.as_deref() == Some(plan.digest());
    tests(status).all(is_same) && before(plan).all(|job| tests(status).any(|test| test.name == job.name))
}

/// Every test waits for its first attempt. Attempts are numbered on, because every one has a Job of its own.
fn begin(status: &mut PromotionStatus, plan: &Plan) {
    let attempts = |test: &TestStatus| test.earlier_attempts.saturating_add(test.attempts);
    let earlier = tests(status).map(attempts).max().unwrap_or(0);
    let fresh = |job: &TestJob| TestStatus {
        digest: Some(plan.digest().to_owned()),
        earlier_attempts: earlier,
        ..recorded(job, job.origin)
    };
    // What was refused before is not refused now.
    status.refused_since = None;
    status.tests.retain(|test| test.when != TestTime::Before);
    status.tests.extend(before(plan).map(fresh));
}

/// The required tests without a result wait for another attempt, and so do those whose result is too old by now.
fn repeat(scene: &Scene<'_>, status: &mut PromotionStatus) {
    let is_old =
        |test: &TestStatus| test.finished_at.as_ref().is_some_and(|at| later(at.0, FRESH) <= scene.now);
    let has_none = |test: &TestStatus| test.required && test.result == TestResult::Errored;
    for test in status.tests.iter_mut().filter(|test| test.when == TestTime::Before) {
        if has_none(test) || is_old(test) {
            test.earlier_attempts = test.earlier_attempts.saturating_add(test.attempts);
            (test.attempts, test.result) = (0, TestResult::Pending);
        }
    }
}
