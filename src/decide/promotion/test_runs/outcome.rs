//! What the tests of a promotion say about its release.

use super::Scene;
use crate::api::{Reason, TestOrigin, TestResult, TestStatus};

/// The first test that failed, for the outcome of the promotion.
pub(in crate::decide::promotion) fn failure(scene: &Scene<'_>) -> Option<(Reason, String)> {
    let status = &scene.status;
    let is_failed = |test: &&TestStatus| test.required && test.result == TestResult::Failed;
    let test = status.tests.iter().find(is_failed)?;
    let code = test.exit_code.unwrap_or_default();
    let words = test.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    let failed = format!("{} failed with exit code {code}{}{words}", named(test), repeated(test));
    Some(match test.origin {
        TestOrigin::Environment | TestOrigin::Content => (Reason::TestFailed, failed),
        TestOrigin::Regression => {
            let remedy =
                "if the release changes what it tests, name it in spec.change.drops of a new Release";
            (Reason::RegressionFailed, format!("{failed}; {remedy}"))
        }
    })
}

/// The first test that has no result, for the outcome of the promotion.
pub(in crate::decide::promotion) fn error(scene: &Scene<'_>) -> Option<(Reason, String)> {
    let status = &scene.status;
    let is_errored = |test: &&TestStatus| test.required && test.result == TestResult::Errored;
    let test = status.tests.iter().find(is_errored)?;
    let reason = test.reason.as_deref().unwrap_or_default();
    let words = test.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    let message = format!(
        "{} has no result{}: {reason}{words}; nothing shows whether the release is good: promote it again to repeat the test, or \
         roll it back",
        named(test),
        repeated(test)
    );
    Some((Reason::TestErrored, message))
}

/// The name of a test in a sentence, with the version that it comes from.
pub(super) fn named(test: &TestStatus) -> String {
    match (test.origin, &test.version) {
        (TestOrigin::Environment | TestOrigin::Content, _) => format!("test {}", test.name),
        (TestOrigin::Regression, Some(version)) => format!("test {} of version {version}", test.name),
        (TestOrigin::Regression, None) => format!("test {} of the last verified revision", test.name),
    }
}

pub(super) fn repeated(test: &TestStatus) -> String {
    if test.attempts > 1 { format!(" in {} attempts", test.attempts) } else { String::new() }
}
