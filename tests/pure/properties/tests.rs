//! Tests of arbitrary worlds: in the spec of an environment, in the record of a promotion, and as Jobs that were observed.

use super::facts::{keys, loaded};
use super::worlds::Choices;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use towpath::api::{TestOrigin, TestResult, TestStatus, TestTime};
use towpath::content::ObjectKey;
use towpath::decide::world::{Container, Ended, Passed, Pod, TestPod, TestRun, Tests};

const JOBS: [&str; 3] = ["smoke-1", "smoke-2", "checkout-1"];

/// Tests and regression of an environment.
pub fn of_environment(spec: &mut Value, choices: &mut Choices<'_>) {
    if choices.one_in(3) {
        let policy = choices.of(&["Never", "Never", "OnFailure"]);
        let template =
            json!({ "spec": { "restartPolicy": policy, "containers": [{ "name": "main", "image": "t" }] } });
        spec["tests"] = json!([{
            "name": "smoke", "template": template, "when": choices.of(&["After", "Before"]), "timeout": choices.of(&["10m", "1ms", "999999h"]),
            "retries": choices.of(&[0, 1, 10]), "required": !choices.one_in(3), "keepLog": choices.of(&[0, 5]),
        }]);
    }
    spec["regression"] = choices.one_in(3).into();
}

/// The tests in the status of a promotion.
pub fn recorded(choices: &mut Choices<'_>) -> Vec<TestStatus> {
    let mut test = |_| TestStatus {
        name: choices.of(&["smoke", "checkout", "unknown"]).into(),
        origin: choices.of(&[TestOrigin::Environment, TestOrigin::Content, TestOrigin::Regression]),
        when: choices.of(&[TestTime::After, TestTime::Before]),
        digest: choices.maybe(|_| "d".into()),
        version: choices.maybe(|_| "1.0.0".into()),
        revision: choices.maybe(|choices| choices.number(6) as i64),
        result: choices.of(&[
            TestResult::Pending,
            TestResult::Running,
            TestResult::Passed,
            TestResult::Failed,
            TestResult::Errored,
            TestResult::Skipped,
        ]),
        required: !choices.one_in(3),
        job: choices.maybe(|choices| choices.of(&JOBS).into()),
        attempts: choices.of(&[0, 1, 11, i32::MAX]),
        earlier_attempts: choices.of(&[0, 1, i32::MAX]),
        started_at: choices.maybe(Choices::time),
        finished_at: choices.maybe(Choices::time),
        exit_code: choices.maybe(|choices| choices.of(&[0, 1, -1])),
        reason: choices.maybe(|_| "Timeout".into()),
        message: choices.maybe(|choices| choices.text().chars().take(256).collect()),
        log: None,
    };
    let found: Vec<TestStatus> = (0..2).map(&mut test).collect();
    found.into_iter().filter(|_| choices.one_in(3)).collect()
}

/// What was observed of Jobs of tests.
pub fn facts(choices: &mut Choices<'_>) -> Tests {
    let mut tests =
        Tests { regression: loaded(choices.maybe(|_| "content-1".into()), choices), ..Tests::default() };
    for name in JOBS {
        let key = ObjectKey::new("batch/v1", "Job", name).unwrap();
        if choices.one_in(2) {
            tests.runs.insert(key.clone(), run(choices));
        }
        if choices.one_in(4) {
            let log = if choices.one_in(2) { Ok(choices.text()) } else { Err(choices.text()) };
            tests.logs.insert(key, log);
        }
    }
    tests
}

fn run(choices: &mut Choices<'_>) -> TestRun {
    let pair = |choices: &mut Choices<'_>| (choices.text(), choices.text());
    let container = |choices: &mut Choices<'_>| Container {
        name: "main".into(),
        waiting: choices.maybe(pair),
        ended: choices.maybe(|choices| Ended {
            reason: choices.of(&["Error", "Completed", "OOMKilled"]).into(),
            code: choices.of(&[0, 1, 137]),
            message: choices.text(),
            current: !choices.one_in(4),
            ..Ended::default()
        }),
        ..Container::default()
    };
    let pods = choices.maybe(|choices| TestPod {
        pod: Pod {
            name: "smoke-x".into(),
            leaving: choices.one_in(4),
            failed: choices.maybe(pair),
            containers: choices.maybe(container).into_iter().collect(),
            ..Pod::default()
        },
        disruption: choices.maybe(pair),
    });
    TestRun {
        succeeded: choices.one_in(2),
        searched: choices.one_in(2),
        stopped: choices.maybe(Choices::text),
        uid: "u".into(),
        suspended: choices.one_in(3),
        managed_by: choices.maybe(Choices::text),
        complete: choices.one_in(3),
        failed: choices.maybe(pair),
        refused: choices.maybe(Choices::text),
        pods: pods.into_iter().collect(),
    }
}

/// A test in the content of a release.
pub fn of_content(choices: &mut Choices<'_>) -> Value {
    let template =
        json!({ "spec": { "containers": [{ "name": "main", "image": choices.of(&["t:1", "t:2"]) }] } });
    let annotations: BTreeMap<&str, &str> =
        [("towpath.dev/test", choices.of(&["required", "optional", "required", "x"]))].into();
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "checkout", "annotations": annotations },
        "spec": { "template": template },
    })
}

/// The Jobs of hooks and tests that the process has seen to pass.
pub fn passed(choices: &mut Choices<'_>) -> BTreeMap<ObjectKey, Passed> {
    let jobs = JOBS.iter().filter_map(|name| ObjectKey::new("batch/v1", "Job", name).ok());
    let mut one = |key| {
        let passed = Passed { at: choices.moment(), message: choices.text() };
        choices.one_in(8).then_some((key, passed))
    };
    keys().into_iter().chain(jobs).filter_map(&mut one).collect()
}
