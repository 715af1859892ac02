//! The tests of a promotion: Jobs that run against the release when its rollout is complete, or before it is written ([`before`]).
//!
//! ```text
//!   Pending --> Running --+--> Passed
//!      ^                  |
//!      |                  +--> Failed     the release failed
//!      |   attempts       |
//!      +---- left --------+--> Errored    nothing is known: the promotion becomes Inconclusive when everything else has ended
//! ```
//!
//! Invariants: an attempt is in the status before its Job is created, and the name of the Job follows from the attempt, so an attempt
//! runs once. A Job that another process was to create and that does not exist is created, unless an Event says that it had a pod: then a
//! user deleted it. Its result is in the status before anything follows from it. A Job whose result is `Errored` is suspended, and nothing of
//! it runs when the next attempt starts, or when the promotion ends.

mod before;
mod log;
mod outcome;
mod regression;
mod steps;

pub(super) use before::{are_running, attend, before_start, running};
pub(super) use outcome::{error, failure};
pub(super) use regression::{of_regression, regression_source};
pub(super) use steps::{advance, close, start, stop};

use super::{Decision, Scene};
use crate::api::{Delivery, PromotionPhase, PromotionStatus, TestOrigin, TestResult, TestStatus, TestTime};
use crate::content::{ObjectKey, Plan, TestJob};
use crate::decide::conditions::seconds;
use crate::decide::decision::Action;
use crate::decide::moments::{earliest, later, span};
use crate::decide::test_runs::{NO_POD, Standing, obstacle, printable, standing};
use crate::decide::world::{Grant, Passed, TestRun};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;
use std::collections::BTreeMap;

/// How long the watch may take to show a Job that was created. One that is missing after that was deleted.
const UNSEEN: SignedDuration = SignedDuration::from_secs(10);

/// The tests that a promotion runs, for its record.
pub(super) fn planned(scene: &Scene<'_>, plan: &Plan) -> Vec<TestStatus> {
    if scene.is_rollback() || scene.environment.spec.delivery == Delivery::Observed {
        return Vec::new();
    }
    if scene.is_accepted() {
        return before::passed(scene, plan);
    }
    let after = plan.tests.iter().filter(|job| job.settings.when == TestTime::After);
    let own = after.map(|job| recorded(job, job.origin));
    before::passed(scene, plan).into_iter().chain(own).chain(regression::planned(scene, plan)).collect()
}

/// The Jobs that preflight tries for the tests, each with the key by which people know the test.
pub(super) fn trials(scene: &Scene<'_>, plan: &Plan) -> Vec<(ObjectKey, (ObjectKey, Value))> {
    let trial = |job: &TestJob| {
        let tried = job.of_run("preflight", &steps::variables(scene)).ok()?;
        Some((ObjectKey::new("batch/v1", "Job", &job.name).ok()?, tried))
    };
    plan.tests.iter().filter_map(trial).collect()
}

fn recorded(job: &TestJob, origin: TestOrigin) -> TestStatus {
    TestStatus {
        name: job.name.clone(),
        origin,
        when: job.settings.when,
        digest: None,
        version: None,
        revision: None,
        result: TestResult::Pending,
        required: job.settings.required,
        job: None,
        attempts: 0,
        earlier_attempts: 0,
        started_at: None,
        finished_at: None,
        exit_code: None,
        reason: None,
        message: None,
        log: None,
    }
}

/// The definition of a test: in the content of the promotion, or in that of the last verified revision.
fn definition<'a>(scene: &'a Scene<'_>, test: &TestStatus) -> Option<&'a TestJob> {
    let plans = &scene.world.plans;
    let jobs = match test.origin {
        TestOrigin::Environment | TestOrigin::Content => &plans.content.as_ref()?.as_ref().ok()?.tests,
        TestOrigin::Regression => plans.regression.as_ref()?.as_ref().ok()?,
    };
    let is_it = |job: &&TestJob| match test.origin {
        TestOrigin::Environment | TestOrigin::Content => job.origin == test.origin,
        TestOrigin::Regression => true,
    };
    jobs.iter().filter(is_it).find(|job| job.name == test.name)
}

fn key_of(test: &TestStatus) -> Option<ObjectKey> {
    ObjectKey::new("batch/v1", "Job", test.job.as_deref()?).ok()
}

fn run_of<'a>(scene: &'a Scene<'_>, test: &TestStatus) -> Option<&'a TestRun> {
    scene.world.tests.runs.get(&key_of(test)?)
}

/// When the current attempt of a running test has to have ended.
fn deadline(scene: &Scene<'_>, test: &TestStatus) -> Timestamp {
    let timeout = definition(scene, test).map(|job| job.settings.timeout).unwrap_or_default();
    let timeout = SignedDuration::try_from(timeout).unwrap_or(SignedDuration::MAX);
    later(started(scene, test), timeout)
}

fn started(scene: &Scene<'_>, test: &TestStatus) -> Timestamp {
    test.started_at.as_ref().map_or(scene.now, |time| time.0)
}

/// Adds to the status the attempts that have ended since it was written.
pub(super) fn observe(scene: &Scene<'_>, status: &mut PromotionStatus) {
    // Without consent no Job was read.
    let is_read = *scene.world.project.grant(scene.environment) == Grant::Granted;
    let is_open = matches!(status.phase, PromotionPhase::Pending | PromotionPhase::Promoting);
    if !is_open || !is_read {
        return;
    }
    for test in status.tests.iter_mut().filter(|test| test.result == TestResult::Running) {
        if let Some(ended) = ended(scene, test) {
            record(scene, test, ended);
        }
        let seen = key_of(test).and_then(|key| scene.world.passed.get(&key));
        if let Some(passed) = seen.filter(|_| test.result == TestResult::Passed) {
            test.finished_at = Some(Time(seconds(passed.at)));
        }
    }
}

/// How the current attempt of a running test ended; none while it runs, or while its log has to be read.
fn ended(scene: &Scene<'_>, test: &TestStatus) -> Option<Standing> {
    shown(scene, test).filter(|_| log::due(scene, test).is_none())
}

/// How the current attempt of a running test ended; none while it runs.
fn shown(scene: &Scene<'_>, test: &TestStatus) -> Option<Standing> {
    if let Some(passed) = key_of(test).and_then(|key| scene.world.passed.get(&key)) {
        return Some(Standing::Passed { message: passed.message.clone() });
    }
    if let Some(message) = key_of(test).and_then(|key| scene.world.refused.get(&key)) {
        // A Job of this name that is there is that of another user, who knows its name: its result is none.
        return Some(Standing::Errored { reason: "Refused".to_owned(), message: message.clone() });
    }
    let run = run_of(scene, test);
    let shown = match run {
        // Pods and Jobs are watched apart: its pod may not be seen yet, and says more than the Job.
        Some(run) if run.pods.is_empty() && run.has_ended() && !run.searched => Standing::Runs,
        Some(run) => standing(run),
        None => of_missing(scene, test),
    };
    // Before the start, the content may be gone with its release, and the timeout with it.
    let is_timed = test.when == TestTime::After || definition(scene, test).is_some();
    let is_late = || is_timed && scene.now >= deadline(scene, test);
    match shown {
        Standing::Errored { reason, .. } if is_patient(scene, test, &reason) => None,
        Standing::Runs if is_late() => Some(too_late(scene, test, run)),
        Standing::Runs => None,
        Standing::Passed { .. } | Standing::Failed { .. } | Standing::Errored { .. } => Some(shown),
    }
}

/// What a test without a Job shows: it is not created yet, cannot be created, or was deleted.
fn of_missing(scene: &Scene<'_>, test: &TestStatus) -> Standing {
    let errored = |reason: &str, message: String| Standing::Errored { reason: reason.to_owned(), message };
    let Some(key) = key_of(test) else { return Standing::Runs };
    match was_created(scene, &key) && scene.now >= unseen_until(scene, test) {
        true => errored("JobDeleted", format!("{key} was deleted")),
        false => Standing::Runs,
    }
}

/// Whether this process created the Job, or an Event says that it had a pod.
fn was_created(scene: &Scene<'_>, key: &ObjectKey) -> bool {
    scene.world.written.contains(key) || scene.world.tests.have_run.contains(key)
}

/// Whether a test without a pod is given time. Right after a rollout, the pods of the revision before still stop and use up the quota.
fn is_patient(scene: &Scene<'_>, test: &TestStatus, reason: &str) -> bool {
    let until =
        later(started(scene, test), span(scene.policy.failing.create_errors)).min(deadline(scene, test));
    reason == NO_POD && scene.now < until
}

fn unseen_until(scene: &Scene<'_>, test: &TestStatus) -> Timestamp {
    later(started(scene, test), UNSEEN)
}

fn too_late(scene: &Scene<'_>, test: &TestStatus, run: Option<&TestRun>) -> Standing {
    let lasted = deadline(scene, test).duration_since(started(scene, test));
    let message = match obstacle(run) {
        Some(obstacle) => format!("it did not end within {lasted:#}: {obstacle}"),
        None => format!("it did not end within {lasted:#}"),
    };
    Standing::Errored { reason: "Timeout".to_owned(), message }
}

/// Records how an attempt ended. The test waits for its next attempt if it has one left.
fn record(scene: &Scene<'_>, test: &mut TestStatus, ended: Standing) {
    test.finished_at = Some(scene.time());
    test.log = log::kept(scene, test);
    let given = |message: String| Some(printable(&message, 1024)).filter(|message| !message.is_empty());
    let result = match ended {
        Standing::Runs => return,
        Standing::Passed { message } => {
            (test.exit_code, test.message) = (Some(0), given(message));
            TestResult::Passed
        }
        Standing::Failed { code, message } => {
            (test.exit_code, test.message) = (Some(code), given(message));
            TestResult::Failed
        }
        Standing::Errored { reason, message } => {
            (test.reason, test.message) = (Some(reason), given(message));
            TestResult::Errored
        }
    };
    let retries = definition(scene, test).map_or(0, |job| job.settings.retries);
    let is_last = result == TestResult::Passed || test.attempts > retries;
    test.result = if is_last { result } else { TestResult::Pending };
}

/// Writes the result of an attempt before anything that follows from it. Nothing follows from a test that passed while the observe window
/// is open, or while others run: its result is written with the next one.
pub(super) fn remember(scene: &Scene<'_>, mut decision: Decision) -> Decision {
    let stored = scene.world.promotion.status.as_ref();
    if stored.is_none_or(|stored| stored.tests.is_empty()) {
        return decision;
    }
    let status = &scene.status;
    let running = status.tests.iter().filter(|test| test.result == TestResult::Running);
    let ends = running.map(|test| deadline(scene, test)).filter(|at| *at > scene.now).min();
    let is_new = stored.is_some_and(|stored| stored.tests != status.tests);
    if decision.memory.is_none() && is_new {
        match waiting_results(scene, &decision) {
            Some(jobs) if jobs.is_empty() => {}
            Some(jobs) => decision.actions.push(Action::MarkPassed { jobs }),
            None => decision.memory = Some(scene.same_phase(status.clone())),
        }
    }
    if decision.memory.as_ref().is_none_or(|memory| !memory.phase.is_final()) {
        decision.wake_at = earliest(decision.wake_at, ends);
    }
    decision
}

/// The tests that passed since the status was written, if their results can wait; without those that this process has seen.
fn waiting_results(scene: &Scene<'_>, decision: &Decision) -> Option<BTreeMap<ObjectKey, Passed>> {
    let stored = &scene.world.promotion.status.as_ref()?.tests;
    let is_observed = scene.status.rolled_out_at.is_some();
    if !(is_observed || decision.actions.is_empty()) || stored.len() != scene.status.tests.len() {
        return None;
    }
    let mut jobs = BTreeMap::new();
    for (old, new) in stored.iter().zip(&scene.status.tests).filter(|(old, new)| old != new) {
        let has_passed = old.result == TestResult::Running && new.result == TestResult::Passed;
        let key = key_of(new).filter(|_| has_passed && old.job == new.job)?;
        if !scene.world.passed.contains_key(&key) {
            jobs.insert(key, Passed { at: scene.now, message: new.message.clone().unwrap_or_default() });
        }
    }
    Some(jobs)
}

/// Whether the promotion has tests that have not ended.
pub(super) fn are_left(scene: &Scene<'_>) -> bool {
    scene.status.tests.iter().any(|test| !test.result.is_final())
}
