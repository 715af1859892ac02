//! Regression: the tests of the last verified revision run against the new one, while everything that they were written for exists.
//!
//! Invariant: they are rendered from the Content of their revision, with its own copies of ConfigMaps, and which of them run is in the
//! status before anything is written.

use super::recorded;
use crate::api::{
    Delivery, Environment, Promotion, PromotionKind, PromotionPhase, Reason, TestOrigin, TestResult,
    TestStatus, TestTime,
};
use crate::content::{ContentError, Destination, Plan, TestJob, with_tests};
use crate::decide::history::lane::Lane;
use crate::decide::promotion::Scene;
use crate::decide::world::Loaded;

/// The revision whose tests a promotion has to pass beside its own.
pub(in crate::decide::promotion) fn regression_source<'a>(
    lane: &Lane<'a>,
    environment: &Environment,
    promotion: &Promotion,
) -> Option<&'a Promotion> {
    let is_open = promotion.phase() == PromotionPhase::Pending;
    let spec = &environment.spec;
    if promotion.spec.kind == PromotionKind::Rollback || spec.delivery == Delivery::Observed {
        return None;
    }
    if is_open {
        return lane.last_verified().filter(|_| spec.regression);
    }
    let recorded = promotion.status.as_ref()?.tests.iter();
    lane.revision(
        recorded.filter(|test| test.origin == TestOrigin::Regression).find_map(|test| test.revision)?,
    )
}

/// The tests of a loaded content, without those that its environment had added.
pub(in crate::decide::promotion) fn of_regression(
    content: &Loaded,
    to: &Destination<'_>,
) -> Option<Result<Vec<TestJob>, ContentError>> {
    let Loaded::Here(content) = content else { return None };
    let own = |mut tests: Vec<TestJob>| {
        tests.retain(|test| test.origin == TestOrigin::Content);
        for test in &mut tests {
            test.origin = TestOrigin::Regression;
        }
        tests
    };
    Some(with_tests(content, to).map(|(_, tests)| own(tests)))
}

/// The tests of the last verified revision, for the record of a promotion. One that the new content has unchanged runs only once.
pub(super) fn planned(scene: &Scene<'_>, plan: &Plan) -> Vec<TestStatus> {
    let Some(source) = regression_source(&scene.lane, scene.environment, &scene.world.promotion) else {
        return Vec::new();
    };
    let status = source.status.as_ref();
    let version = status.and_then(|status| status.version.clone());
    let from =
        |test: TestStatus| TestStatus { version: version.clone(), revision: source.revision(), ..test };
    let jobs = match &scene.world.plans.regression {
        Some(Ok(jobs)) => jobs,
        Some(Err(error)) => return vec![from(unreadable(&error.to_string()))],
        None => match &scene.world.tests.regression {
            Loaded::NotAsked | Loaded::Here(_) => return Vec::new(),
            Loaded::Missing(name) => {
                return vec![from(unreadable(&format!("the Content {name} was deleted")))];
            }
            Loaded::Broken(message) => return vec![from(unreadable(message))],
        },
    };
    let drops =
        scene.release.and_then(|release| release.change.as_ref()).map(|change| change.drops.as_slice());
    let is_dropped = |job: &TestJob| drops.unwrap_or_default().contains(&job.name);
    let is_unchanged = |job: &TestJob| plan.tests.iter().any(|own| own.object == job.object);
    let test = |job: &TestJob| {
        let test = from(recorded(job, TestOrigin::Regression));
        match is_dropped(job) {
            false => test,
            true => TestStatus {
                result: TestResult::Skipped,
                message: Some("spec.change.drops of the release names it".to_owned()),
                ..test
            },
        }
    };
    jobs.iter().filter(|job| !is_unchanged(job)).map(test).collect()
}

/// The tests of a revision whose content cannot be read.
fn unreadable(message: &str) -> TestStatus {
    TestStatus {
        name: "all".to_owned(),
        origin: TestOrigin::Regression,
        when: TestTime::After,
        digest: None,
        version: None,
        revision: None,
        result: TestResult::Errored,
        required: true,
        job: None,
        attempts: 0,
        earlier_attempts: 0,
        started_at: None,
        finished_at: None,
        exit_code: None,
        reason: Some(Reason::ContentMissing.to_string()),
        message: Some(message.to_owned()),
        log: None,
    }
}
