//! What the tests of a promotion say about its release.

use super::Scene;
use crate::api::{Reason, TestResult, TestStatus};

/// The first test that failed, for the outcome of the promotion.
pub(in crate::decide::promotion) fn failure(scene: &Scene<'_>) -> Option<(Reason, String)> {
    let status = scene.status();
    let is_failed = |test: &&TestStatus| test.required && test.result == TestResult::Failed;
    let test = status.tests.iter().find(is_failed)?;
    let code = test.exit_code.unwrap_or_default();
    let words = test.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    let message = format!("test {} failed with exit code {code}{}{words}", test.name, repeated(test));
    Some((Reason::TestFailed, message))
}

/// The first test that has no result, for the outcome of the promotion.
pub(in crate::decide::promotion) fn error(scene: &Scene<'_>) -> Option<(Reason, String)> {
    let status = scene.status();
    let is_errored = |test: &&TestStatus| test.required && test.result == TestResult::Errored;
    let test = status.tests.iter().find(is_errored)?;
    let reason = test.reason.as_deref().unwrap_or_default();
    let words = test.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    let message = format!(
        "test {} has no result{}: {reason}{words}; nothing shows whether the release is good: promote it again to repeat the test, or \
         roll it back",
        test.name,
        repeated(test)
    );
    Some((Reason::TestErrored, message))
}

fn repeated(test: &TestStatus) -> String {
    if test.attempts > 1 { format!(" in {} attempts", test.attempts) } else { String::new() }
}
