//! The steps of tests: attempts start, are created again after a crash, and are suspended.

use super::super::desired::annotate;
use super::{Scene, deadline, definition, key_of, record, run_of, unseen_until, was_created};
use crate::api::{
    Delivery, Meta, Promotion, PromotionStatus, Reason, TestOrigin, TestResult, TestStatus, mark,
};
use crate::content::ObjectKey;
use crate::decide::decision::Action;
use crate::decide::moments::{earliest, later};
use crate::decide::promotion::Decision;
use crate::decide::test_runs::{Standing, runs_on, standing};
use crate::decide::world::TestRun;
use jiff::{SignedDuration, Timestamp};

/// The interval in which Events are read while a Job has no pod.
const POLL: SignedDuration = SignedDuration::from_secs(2);
/// How long a suspended Job may take to end its pods before the next attempt starts, and the other containers of a test that passed to end.
const GRACE: SignedDuration = SignedDuration::from_secs(60);
/// Failures in a row after which a Job that cannot be suspended is left alone.
const ATTEMPTS: u32 = 6;
/// The delay before the result of an action is read.
const SOON: SignedDuration = SignedDuration::from_secs(1);

/// The next steps of the tests of some origins; none when all of them have ended.
pub(in crate::decide::promotion) fn advance(
    scene: &Scene<'_>,
    is_due: impl Fn(TestOrigin) -> bool,
) -> Option<Decision> {
    let mut status = scene.status.clone();
    let before = status.tests.clone();
    let steps = Steps::of(scene, &mut status, &is_due);
    let is_over = status.tests.iter().filter(|test| is_due(test.origin)).all(|test| test.result.is_final());
    if is_over && steps.actions.is_empty() && steps.rest_until.is_none() {
        return None;
    }
    let soon = (!steps.actions.is_empty()).then(|| later(scene.now, SOON));
    // A pod that is deleted shows no pass any more.
    let is_lost = steps.stops_rest && is_unwritten(scene, &status);
    let memory = (is_lost || status.tests != before).then(|| scene.same_phase(status));
    // A deadline that has passed is judged when the status is read, not by another wake.
    let wake_at = earliest(earliest(steps.wake_at, steps.rest_until).filter(|at| *at > scene.now), soon);
    Some(Decision { memory, actions: steps.actions, wake_at, ..Decision::default() })
}

/// Starts the tests of some origins in a status that is written before the actions.
pub(in crate::decide::promotion) fn start(
    scene: &Scene<'_>,
    status: &mut PromotionStatus,
    is_due: impl Fn(TestOrigin) -> bool,
) -> Vec<Action> {
    Steps::of(scene, status, &is_due).actions
}

/// What is done for tests in one pass.
#[derive(Default)]
struct Steps {
    actions: Vec<Action>,
    wake_at: Option<Timestamp>,
    /// Until when other containers of a test that passed may end.
    rest_until: Option<Timestamp>,
    /// Whether an action stops such containers.
    stops_rest: bool,
}

impl Steps {
    fn of(scene: &Scene<'_>, status: &mut PromotionStatus, is_due: &impl Fn(TestOrigin) -> bool) -> Self {
        let mut steps = Self::default();
        for test in status.tests.iter_mut().filter(|test| is_due(test.origin)) {
            match test.result {
                TestResult::Pending => steps.add(next_attempt(scene, test)),
                TestResult::Running => steps.add(running(scene, test)),
                TestResult::Errored => steps.actions.extend(suspension(scene, test)),
                TestResult::Passed => steps.stop_rest(scene, test),
                TestResult::Failed | TestResult::Skipped => {}
            }
        }
        steps
    }

    /// Gives what runs on beside a test that passed time to end, and stops it then.
    fn stop_rest(&mut self, scene: &Scene<'_>, test: &TestStatus) {
        let until = later(test.finished_at.as_ref().map_or(scene.now, |time| time.0), GRACE);
        match rest(scene, test) {
            Some(_) if scene.now < until => self.rest_until = earliest(self.rest_until, Some(until)),
            stop => {
                self.stops_rest |= stop.is_some();
                self.actions.extend(stop);
            }
        }
    }

    fn add(&mut self, step: (Option<Action>, Option<Timestamp>)) {
        self.actions.extend(step.0);
        self.wake_at = earliest(self.wake_at, step.1);
    }
}

/// Starts the first attempt, or the next one when nothing of the last one runs any more.
pub(super) fn next_attempt(scene: &Scene<'_>, test: &mut TestStatus) -> (Option<Action>, Option<Timestamp>) {
    if let Some(suspend) = suspension(scene, test) {
        return (Some(suspend), None);
    }
    let patience = later(test.finished_at.as_ref().map_or(scene.now, |time| time.0), GRACE);
    let is_ending = |run: &TestRun| run.suspended && !run.pods.is_empty();
    if run_of(scene, test).is_some_and(is_ending) && scene.now < patience {
        return (None, Some(patience));
    }
    *test = TestStatus {
        attempts: test.attempts.saturating_add(1),
        result: TestResult::Running,
        // Rounded up, so that the attempt is not shortened.
        started_at: Some(scene.time_after()),
        job: None,
        finished_at: None,
        exit_code: None,
        reason: None,
        message: None,
        log: None,
        ..test.clone()
    };
    let Some((key, job)) = attempt(scene, test) else {
        let message = "the content of the promotion does not hold it any more".to_owned();
        record(scene, test, Standing::Errored { reason: Reason::ContentMissing.to_string(), message });
        return (None, None);
    };
    test.job = Some(key.name().to_owned());
    (Some(write_of(scene, (key, job))), Some(deadline(scene, test)))
}

/// Reads the log of an attempt that has ended, or creates the Job again if a crash came before its creation.
fn running(scene: &Scene<'_>, test: &TestStatus) -> (Option<Action>, Option<Timestamp>) {
    if let Some(read) = super::log::due(scene, test) {
        return (Some(read), None);
    }
    let until = deadline(scene, test);
    match run_of(scene, test) {
        Some(run) if run.pods.is_empty() => (None, Some(until.min(later(scene.now, POLL)))),
        Some(_) => (None, Some(until)),
        None => {
            let is_created = key_of(test).is_some_and(|key| was_created(scene, &key));
            let action = attempt(scene, test).filter(|_| !is_created).map(|job| write_of(scene, job));
            let unseen = Some(unseen_until(scene, test)).filter(|at| *at > scene.now && is_created);
            (action, earliest(Some(until), unseen))
        }
    }
}

pub(super) fn write_of(scene: &Scene<'_>, (key, object): (ObjectKey, serde_json::Value)) -> Action {
    Action::Apply { target: scene.target(), key, object, otherwise: None }
}

/// The Job of the current attempt. The same in every pass: the template of a Job cannot be changed.
pub(super) fn attempt(scene: &Scene<'_>, test: &TestStatus) -> Option<(ObjectKey, serde_json::Value)> {
    let number = test.earlier_attempts.saturating_add(test.attempts);
    let uid = scene.world.promotion.uid();
    let run = match &test.digest {
        Some(digest) => format!("{uid} {digest} {number}"),
        None => format!("{uid} {number}"),
    };
    let (key, mut job) = definition(scene, test)?.of_run(&run, &variables(scene)).ok()?;
    // A promotion that has not started has no revision yet.
    if let Some(revision) = scene.world.promotion.revision() {
        annotate(&mut job, mark::REVISION, &revision.to_string());
    }
    annotate(&mut job, mark::PROMOTION, scene.world.promotion.name());
    Some((key, job))
}

pub(super) fn variables(scene: &Scene<'_>) -> Vec<(&'static str, String)> {
    let status = scene.world.promotion.status.as_ref().filter(|status| status.revision.is_some());
    let version_of = |promotion: &Promotion| promotion.status.as_ref()?.version.clone();
    let (version, previous, digest) = match status {
        Some(status) => {
            let previous = status.replaces.and_then(|number| scene.lane.revision(number));
            (status.version.clone(), previous.and_then(version_of), status.digest.clone())
        }
        // What the record will say when the promotion starts.
        None => {
            let version = scene.release.map(|release| release.version().to_owned());
            let plan = scene.plan();
            (version, scene.lane.current().and_then(version_of), plan.map(|plan| plan.digest().to_owned()))
        }
    };
    vec![
        ("TOWPATH_APPLICATION", scene.application.to_string()),
        ("TOWPATH_VERSION", version.unwrap_or_default()),
        ("TOWPATH_PREVIOUS_VERSION", previous.unwrap_or_default()),
        ("TOWPATH_ENVIRONMENT", scene.environment.name().to_owned()),
        ("TOWPATH_RELEASE", scene.world.promotion.spec.release.to_string()),
        ("TOWPATH_DIGEST", digest.unwrap_or_default()),
        ("TOWPATH_PROMOTION", scene.world.promotion.name().to_owned()),
    ]
}

/// Suspends the Job of a test that has not ended; none if there is nothing to suspend, or if that was tried often enough. An environment
/// that became Observed is not written to any more.
pub(super) fn suspension(scene: &Scene<'_>, test: &TestStatus) -> Option<Action> {
    if scene.environment.spec.delivery == Delivery::Observed {
        return None;
    }
    let key = key_of(test)?;
    let run = scene.world.tests.runs.get(&key).filter(|run| !run.is_over())?;
    let has_ended = matches!(standing(run), Standing::Passed { .. } | Standing::Failed { .. });
    let is_given_up = is_given_up(scene, &key);
    let uid = run.uid.clone();
    (!has_ended && !is_given_up).then(|| Action::SuspendJob { target: scene.target(), key, uid })
}

/// Suspends the Job of a test that passed and beside which others run on, such as the proxy that a mesh adds: it would never end.
fn rest(scene: &Scene<'_>, test: &TestStatus) -> Option<Action> {
    let is_observed = scene.environment.spec.delivery == Delivery::Observed;
    let key = key_of(test).filter(|_| test.result == TestResult::Passed && !is_observed)?;
    let run = scene.world.tests.runs.get(&key).filter(|run| runs_on(run) && !is_given_up(scene, &key))?;
    let uid = run.uid.clone();
    Some(Action::SuspendJob { target: scene.target(), key, uid })
}

/// Whether results of tests are not in the stored status.
fn is_unwritten(scene: &Scene<'_>, status: &PromotionStatus) -> bool {
    scene.world.promotion.status.as_ref().is_none_or(|stored| stored.tests != status.tests)
}

/// Whether suspending a Job failed too often.
fn is_given_up(scene: &Scene<'_>, key: &ObjectKey) -> bool {
    scene.world.failed.get(key).is_some_and(|failed| failed.count >= ATTEMPTS)
        || scene.world.refused.contains_key(key)
}

/// Suspends the unfinished Jobs of a promotion that ends; none when nothing of them runs.
pub(in crate::decide::promotion) fn stop(scene: &Scene<'_>) -> Option<Decision> {
    let mut status = scene.status.clone();
    let stop = |test| suspension(scene, test).or_else(|| rest(scene, test));
    let actions: Vec<Action> = status.tests.iter().filter_map(stop).collect();
    if actions.is_empty() {
        return None;
    }
    close(scene, &mut status);
    let memory = is_unwritten(scene, &status).then(|| scene.same_phase(status));
    Some(Decision { memory, actions, wake_at: Some(later(scene.now, SOON)), ..Decision::default() })
}

/// Ends the record of tests that have not ended when their promotion ends.
pub(in crate::decide::promotion) fn close(scene: &Scene<'_>, status: &mut PromotionStatus) {
    for test in &mut status.tests {
        match test.result {
            TestResult::Running => {
                let message = "stopped, because the promotion ended".to_owned();
                let reason = "Stopped".to_owned();
                (test.result, test.finished_at) = (TestResult::Errored, Some(scene.time()));
                (test.reason, test.message) = (Some(reason), Some(message));
            }
            TestResult::Pending if test.attempts == 0 => {
                test.result = TestResult::Skipped;
                test.message = Some("the promotion ended before it was run".to_owned());
            }
            TestResult::Pending => {
                test.result = if test.exit_code.is_some() { TestResult::Failed } else { TestResult::Errored };
            }
            TestResult::Passed | TestResult::Failed | TestResult::Errored | TestResult::Skipped => {}
        }
    }
}
