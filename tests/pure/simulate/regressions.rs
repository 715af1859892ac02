//! Tests of the last verified revision: they run against the new one before anything is deleted.

use super::comparison::same_after_a_crash;
use super::hooks::with;
use super::outcomes::{object, promotion};
use super::run::Event;
use super::scenarios::{Scenario, app, environment, settled};
use super::store::Store;
use super::tests_of_releases::{of_content, reason, results, tests};
use jiff::Timestamp;
use serde_json::json;
use towpath::api::{PromotionPhase, RollbackPolicySpec, TestOrigin, TestResult};

/// Release 2 drops a feature that a test of release 1 asks for. A Service of release 1 is gone from it, too.
fn dropping(store: &mut Store, drops: &[&str], now: Timestamp) {
    lean(store, "2.0.0", drops, now);
}

fn lean(store: &mut Store, version: &str, drops: &[&str], now: Timestamp) {
    let change = json!({ "drops": drops });
    let objects = app("2.0.0", "lean");
    let spec = json!({ "application": "shop", "version": version, "source": { "manifests": objects }, "change": change });
    store.add_release(&format!("shop-{version}"), serde_json::from_value(spec).unwrap(), now);
}

const REGRESSION: [Event; 2] = [
    (0, "release 1.0.0, with a test that asks for the image web", |store, now| {
        let extra = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "extra" }, "spec": { "ports": [] } });
        with(store, "1.0.0", "web", vec![of_content("feature", "asks-web", json!({})), extra], now);
    }),
    (1000, "release 2.0.0, without it", |store, now| dropping(store, &[], now)),
];

fn regressing(store: &mut Store, now: Timestamp) {
    environment(store, "prod", json!({ "regression": true }), now);
}

pub const REGRESSES: Scenario = Scenario {
    name: "regression",
    about: "The second release fails a test of the first and is rolled back. The third, with the same content, drops the test.",
    setting: regressing,
    events: &[
        REGRESSION[0],
        REGRESSION[1],
        (2000, "release 3.0.0, with the same content, which drops the test", |store, now| {
            lean(store, "3.0.0", &["feature"], now);
        }),
    ],
};

#[test]
fn a_release_that_fails_a_test_of_the_last_verified_one_is_rolled_back() {
    let run = settled(regressing, &REGRESSION);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{text}");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed, "{text}");
    assert_eq!(reason(&run, "prod-shop-2.0.0"), "RegressionFailed");
    assert!(text.contains("test feature of version 1.0.0 failed with exit code 1: asks-web ended"), "{text}");
    let [test] = tests(&run, "prod-shop-2.0.0").try_into().unwrap();
    assert_eq!(
        (test.origin, test.version.as_deref(), test.revision),
        (TestOrigin::Regression, Some("1.0.0"), Some(1))
    );
    let position = |words: &str| text.find(words).unwrap_or(usize::MAX);
    assert_eq!(
        position("deletes Service extra"),
        usize::MAX,
        "nothing is deleted before the test has passed: {text}"
    );
    assert!(object(&run, "prod", "Deployment web").to_string().contains("/web@"), "{text}");
}

#[test]
fn a_release_drops_tests_that_no_longer_apply() {
    const EVENTS: [Event; 2] = [
        REGRESSION[0],
        (1000, "release 2.0.0, which drops the test", |store, now| dropping(store, &["feature"], now)),
    ];
    let run = settled(regressing, &EVENTS);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{text}");
    assert_eq!(results(&run, "prod-shop-2.0.0"), [("feature".into(), TestResult::Skipped, 0)]);
    assert!(object(&run, "prod", "Service extra").is_null(), "{text}");
    same_after_a_crash("a dropped test", regressing, &EVENTS);
}

#[test]
fn a_regression_that_passes_runs_before_anything_is_deleted() {
    const EVENTS: [Event; 2] = [
        REGRESSION[0],
        (1000, "release 2.0.0, which keeps the feature", |store, now| {
            with(
                store,
                "2.0.0",
                "web",
                vec![of_content("feature", "asks-web", json!({ "towpath.dev/test-retries": "1" }))],
                now,
            );
        }),
    ];
    let run = settled(regressing, &EVENTS);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{text}");
    let mut origins: Vec<_> =
        tests(&run, "prod-shop-2.0.0").into_iter().map(|test| (test.origin, test.result)).collect();
    origins.sort_by_key(|(origin, _)| *origin);
    assert_eq!(
        origins,
        [(TestOrigin::Content, TestResult::Passed), (TestOrigin::Regression, TestResult::Passed)]
    );
    let of_second = run.log.iter().skip_while(|line| !line.contains("release 2.0.0"));
    let lines: Vec<&String> = of_second.collect();
    let line = |words: &str| {
        lines.iter().position(|line| line.contains(words)).unwrap_or_else(|| panic!("{words}: {text}"))
    };
    assert!(line("applies Job feature") < line("deletes Service extra"), "{text}");
    same_after_a_crash("a regression that passes", regressing, &EVENTS);
}

#[test]
fn an_unchanged_test_runs_once_and_a_test_without_a_result_is_no_regression() {
    const SAME: [Event; 2] = [
        REGRESSION[0],
        (1000, "release 2.0.0, with the same test", |store, now| {
            with(store, "2.0.0", "web", vec![of_content("feature", "asks-web", json!({}))], now);
        }),
    ];
    let run = settled(regressing, &SAME);
    let origins: Vec<_> = tests(&run, "prod-shop-2.0.0").into_iter().map(|test| test.origin).collect();
    assert_eq!(origins, [TestOrigin::Content], "{}", run.log.join("\n"));
    const EVICTED: [Event; 2] = [
        (0, "release 1.0.0, with a test that passes later only", |store, now| {
            with(store, "1.0.0", "web", vec![of_content("feature", "web", json!({}))], now);
        }),
        (1000, "the nodes are drained, and release 2.0.0", |store, now| {
            store.namespaces.get_mut("shop-prod").unwrap().draining = true;
            dropping(store, &[], now);
        }),
    ];
    let run = settled(regressing, &EVICTED);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Inconclusive, "{text}");
    assert_eq!(reason(&run, "prod-shop-2.0.0"), "TestErrored", "{text}");
    assert!(text.contains("test feature of version 1.0.0 has no result: EvictionByEvictionAPI"), "{text}");
    same_after_a_crash("a regression without a result", regressing, &EVICTED);
}

#[test]
fn the_content_of_a_regression_is_promoted_again_by_a_release_that_drops_the_test() {
    let run = REGRESSES.run().settle();
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed, "{text}");
    assert_eq!(promotion(&run, "prod-shop-3.0.0"), PromotionPhase::Verified, "{text}");
}

/// Without an observe window, the tests of the last verified revision are all that can say something.
#[test]
fn a_regression_without_a_result_verifies_nothing_where_there_is_no_window() {
    let setting = |store: &mut Store, now: Timestamp| {
        let policy =
            RollbackPolicySpec { observe_window: "0s".parse().unwrap(), ..RollbackPolicySpec::default() };
        store.policies.insert("hasty".into(), policy);
        environment(store, "prod", json!({ "regression": true, "rollbackPolicyRef": "hasty" }), now);
    };
    let events: [Event; 2] = [
        REGRESSION[0],
        (1000, "the nodes are drained, and release 2.0.0", |store, now| {
            store.namespaces.get_mut("shop-prod").unwrap().draining = true;
            dropping(store, &[], now);
        }),
    ];
    let run = settled(setting, &events);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{text}");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Inconclusive, "{text}");
}
