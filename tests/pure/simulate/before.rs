//! Tests before the first write: a gate that opens with them, and never a verdict without them. A crash changes nothing about it.

use super::comparison::{same_after_a_crash, same_in_any_order};
use super::outcomes::{object, promotion, release};
use super::run::{Event, Run};
use super::scenarios::{Scenario, app, deployment, environment, settled, shop};
use super::store::Store;
use super::tests_of_releases::{reason, results, tests};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use towpath::api::{Environment, PromotionPhase, ReleasePhase, RollbackPolicySpec, TestResult, TestTime};

/// A test of prod before the first write.
fn test(name: &str, image: &str, more: Value) -> Value {
    let template = deployment(name, image, None)["spec"]["template"].clone();
    let mut test = json!({ "name": name, "when": "Before", "template": template });
    test.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    test
}

fn prod(store: &mut Store, tests: &[Value], now: Timestamp) {
    environment(store, "prod", json!({ "tests": tests }), now);
}

/// The tests of prod become others.
fn become_others(store: &mut Store, tests: &[Value]) {
    let environment: &mut Environment = Arc::make_mut(store.environments.get_mut("prod").unwrap());
    environment.spec.tests = serde_json::from_value(json!(tests)).unwrap();
    environment.metadata.generation = environment.metadata.generation.map(|generation| generation + 1);
}

fn manual(store: &mut Store, name: &str, more: Value, now: Timestamp) {
    let mut spec =
        json!({ "release": "shop-1.0.0", "environment": "prod", "requestedBy": { "username": "alice" } });
    store.enforced = true;
    spec.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    store.add_promotion(name, serde_json::from_value(spec).unwrap(), now);
}

/// How many Jobs of a test were created.
fn created(run: &Run, test: &str) -> usize {
    let all = run.store.namespaces["shop-prod"].counts.iter();
    let of_test = all.filter(|(key, _)| key.kind() == "Job" && key.name().starts_with(&format!("{test}-")));
    of_test.map(|(_, counts)| counts.created).sum()
}

fn message(run: &Run, name: &str) -> String {
    run.store.promotions[name].status.clone().unwrap().message.unwrap()
}

/// Holds that nothing of a release was written.
fn nothing_written(run: &Run, name: &str) {
    let status = run.store.promotions[name].status.clone().unwrap();
    assert_eq!((status.revision, status.started_at), (None, None), "{}", run.log.join("\n"));
    assert!(object(run, "prod", "Deployment web").is_null(), "{}", run.log.join("\n"));
}

const FIRST: Event = (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now));

pub const GATE: Scenario = Scenario {
    name: "test-before",
    about: "A test of prod passes, and the first release is promoted. It fails before the second, of which nothing is written.",
    setting: |store, now| prod(store, &[test("db", "slow", json!({}))], now),
    events: &[
        FIRST,
        (1000, "the database is gone: the test of prod does not pass any more", |store, _| {
            become_others(store, &[test("db", "crash", json!({}))]);
        }),
        (1010, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now)),
    ],
};

pub const NO_RESULT: Scenario = Scenario {
    name: "test-before-without-a-result",
    about: "The pod of a test before the first write is evicted until the drain has ended: it is run again, and the release is promoted.",
    setting: |store, now| {
        prod(store, &[test("db", "web", json!({}))], now);
        store.namespaces.get_mut("shop-prod").unwrap().draining = true;
    },
    events: &[
        FIRST,
        (100, "the drain ends", |store, _| {
            store.namespaces.get_mut("shop-prod").unwrap().draining = false;
        }),
    ],
};

#[test]
fn a_release_starts_when_its_test_has_passed_and_nothing_is_written_when_it_fails() {
    let run = GATE.run().settle();
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{text}");
    let first = run.store.promotions["prod-shop-1.0.0"].status.clone().unwrap();
    let [passed] = first.tests.as_slice() else { panic!("{text}") };
    assert_eq!(
        (passed.when, passed.result, passed.exit_code),
        (TestTime::Before, TestResult::Passed, Some(0))
    );
    assert!(passed.finished_at.as_ref().unwrap().0 <= first.started_at.unwrap().0, "{text}");
    assert_eq!(passed.digest, first.digest, "it passed against what was written");
    let job = object(&run, "prod", &format!("Job {}", passed.job.clone().unwrap()));
    let variables = job["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let value = |name: &str| variables.iter().find(|it| it["name"] == name).unwrap()["value"].clone();
    assert_eq!(value("TOWPATH_VERSION"), "1.0.0");
    assert_eq!(value("TOWPATH_DIGEST"), json!(first.digest));

    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed, "{text}");
    assert_eq!(reason(&run, "prod-shop-2.0.0"), "TestFailed");
    let said = message(&run, "prod-shop-2.0.0");
    assert!(
        said.starts_with("nothing was written: test db failed with exit code 1: crash ended; "),
        "{said}"
    );
    assert!(run.store.promotions["prod-shop-2.0.0"].revision().is_none(), "{text}");
    assert!(object(&run, "prod", "Deployment web").to_string().contains("/web@"), "{text}");
    assert!(!run.store.promotions.contains_key("prod-shop-2.0.0-rollback"), "{text}");
    assert_eq!(release(&run, "2.0.0"), ReleasePhase::Failed);
    assert_eq!(created(&run, "db"), 2, "{text}");
}

#[test]
fn a_test_without_a_result_waits_with_words_and_is_run_again() {
    let run = NO_RESULT.run().until(30);
    let said = message(&run, "prod-shop-1.0.0");
    assert!(said.contains("test db has no result: EvictionByEvictionAPI: the node is drained"), "{said}");
    assert_eq!(reason(&run, "prod-shop-1.0.0"), "Evidence");
    nothing_written(&run, "prod-shop-1.0.0");
    let run = NO_RESULT.run().settle();
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(results(&run, "prod-shop-1.0.0"), [("db".into(), TestResult::Passed, 1)]);
    assert_eq!((created(&run, "db"), tests(&run, "prod-shop-1.0.0")[0].earlier_attempts), (3, 2));
}

#[test]
fn a_test_that_never_has_a_result_ends_the_promotion_at_the_progress_deadline() {
    let setting = |store: &mut Store, now: Timestamp| prod(store, &[test("db", "stuck", json!({}))], now);
    let run = settled(setting, &[FIRST]);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Failed, "{text}");
    assert_eq!(reason(&run, "prod-shop-1.0.0"), "TestErrored");
    assert!(message(&run, "prod-shop-1.0.0").contains("(given up after 600 s)"), "{text}");
    nothing_written(&run, "prod-shop-1.0.0");
    same_after_a_crash("a test before that never starts", setting, &[FIRST]);
}

#[test]
fn a_person_can_override_the_gate_and_run_the_test_again() {
    let failing = |store: &mut Store, now: Timestamp| prod(store, &[test("db", "crash", json!({}))], now);
    let accepts: Event = (100, "a person accepts it", |store, now| {
        let accepted = json!({ "override": { "gates": ["Evidence"], "reason": "the test is wrong" } });
        manual(store, "accepted", accepted, now);
    });
    let run = settled(failing, &[FIRST, accepts]);
    assert_eq!(promotion(&run, "accepted"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(results(&run, "accepted"), [("db".into(), TestResult::Skipped, 0)]);
    assert_eq!(created(&run, "db"), 1);
    let repairs: Event = (90, "the database is back", |store, _| {
        become_others(store, &[test("db", "web", json!({}))]);
    });
    let again: Event =
        (100, "a person promotes it again", |store, now| manual(store, "again", json!({}), now));
    let run = settled(failing, &[FIRST, repairs, again]);
    assert_eq!(promotion(&run, "again"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(results(&run, "again"), [("db".into(), TestResult::Passed, 1)]);
}

#[test]
fn a_test_is_repeated_as_often_as_it_may_and_an_optional_one_decides_nothing() {
    let setting = |store: &mut Store, now: Timestamp| {
        let tests = [
            test("db", "crash", json!({ "retries": 2 })),
            test("deep", "endless", json!({ "timeout": "1h" })),
        ];
        prod(store, &tests, now);
    };
    let run = settled(setting, &[FIRST]);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Failed, "{text}");
    assert!(message(&run, "prod-shop-1.0.0").contains("failed with exit code 1 in 3 attempts"), "{text}");
    assert_eq!(created(&run, "db"), 3, "{text}");
    let deep = tests(&run, "prod-shop-1.0.0").into_iter().find(|test| test.name == "deep").unwrap();
    assert_eq!((deep.result, deep.reason.as_deref()), (TestResult::Errored, Some("Stopped")), "{text}");
    assert_eq!(
        object(&run, "prod", &format!("Job {}", deep.job.unwrap()))["spec"]["suspend"],
        true,
        "{text}"
    );
    same_after_a_crash("a test before that is repeated", setting, &[FIRST]);

    let optional = |store: &mut Store, now: Timestamp| {
        let tests = [
            test("db", "crash", json!({ "required": false })),
            test("deep", "endless", json!({ "required": false, "timeout": "1m", "keepLog": 3 })),
        ];
        prod(store, &tests, now);
    };
    let run = settled(optional, &[FIRST]);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    let found = tests(&run, "prod-shop-1.0.0");
    let deep = found.iter().find(|test| test.name == "deep").unwrap();
    assert_eq!(deep.reason.as_deref(), Some("Timeout"));
    assert!(deep.log.as_ref().unwrap().starts_with("the last 3 lines"), "{deep:?}");
    same_after_a_crash("an optional test before", optional, &[FIRST]);
}

/// Prod accepts releases in the first minute, and again two hours later.
fn with_windows(store: &mut Store, now: Timestamp) {
    let windows = json!([
        { "schedule": "0 9 * * *", "duration": "1m" }, { "schedule": "0 11 * * *", "duration": "1h" },
    ]);
    let tests = [test("db", "long", json!({ "keepLog": 2 }))];
    environment(store, "prod", json!({ "windows": windows, "tests": tests }), now);
}

#[test]
fn a_test_that_ends_when_a_window_has_closed_is_run_again_when_it_opens() {
    let run = Run::of(with_windows, &[FIRST]).until(300);
    let text = run.log.join("\n");
    assert_eq!(reason(&run, "prod-shop-1.0.0"), "Window", "{text}");
    assert_eq!(results(&run, "prod-shop-1.0.0"), [("db".into(), TestResult::Passed, 1)]);
    nothing_written(&run, "prod-shop-1.0.0");
    let run = settled(with_windows, &[FIRST]);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{text}");
    assert_eq!(created(&run, "db"), 2, "{text}");
    same_after_a_crash("a window that closes while a test runs", with_windows, &[FIRST]);
    same_in_any_order("a window that closes while a test runs", with_windows, &[FIRST]);
}

#[test]
fn a_test_of_a_promotion_that_is_withdrawn_or_superseded_is_stopped() {
    let endless = |store: &mut Store, now: Timestamp| {
        prod(store, &[test("db", "endless", json!({ "timeout": "5h" }))], now);
    };
    let deleted: Event = (30, "the release is deleted", |store, _| _ = store.releases.remove("shop-1.0.0"));
    let accepted: Event = (30, "a person accepts it", |store, now| {
        let accepted = json!({ "override": { "gates": ["Evidence"], "reason": "it hangs" } });
        manual(store, "accepted", accepted, now);
    });
    for (events, what) in [([FIRST, deleted], "withdrawn"), ([FIRST, accepted], "superseded")] {
        let run = settled(endless, &events);
        let text = run.log.join("\n");
        assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Cancelled, "{what}: {text}");
        let [test] = tests(&run, "prod-shop-1.0.0").try_into().unwrap();
        assert_eq!((test.result, test.reason.as_deref()), (TestResult::Errored, Some("Stopped")), "{text}");
        let job = object(&run, "prod", &format!("Job {}", test.job.unwrap()));
        assert_eq!(job["spec"]["suspend"], true, "{what}: {text}");
        same_after_a_crash(what, endless, &events);
    }
}

#[test]
fn a_test_counts_only_for_the_content_that_it_ran_against() {
    let setting = |store: &mut Store, now: Timestamp| prod(store, &[test("db", "long", json!({}))], now);
    let others: Event = (30, "the test becomes another one", |store, _| {
        become_others(store, &[test("db", "slow", json!({}))]);
    });
    let run = settled(setting, &[FIRST, others]);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{text}");
    let status = run.store.promotions["prod-shop-1.0.0"].status.clone().unwrap();
    assert_eq!((created(&run, "db"), status.tests[0].earlier_attempts), (2, 1), "{text}");
    assert_eq!(status.tests[0].digest, status.digest, "{text}");
    let gone: Event = (30, "the test is removed", |store, _| become_others(store, &[]));
    let run = settled(setting, &[FIRST, gone]);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert!(tests(&run, "prod-shop-1.0.0").is_empty(), "{}", run.log.join("\n"));
    same_after_a_crash("a test that becomes another one", setting, &[FIRST, others]);
}

#[test]
fn a_test_runs_after_the_approvals_and_beside_tests_after_the_rollout() {
    let setting = |store: &mut Store, now: Timestamp| {
        let after =
            json!({ "name": "smoke", "template": deployment("smoke", "web", None)["spec"]["template"] });
        let tests = json!([test("db", "web", json!({})), after]);
        environment(store, "prod", json!({ "approvals": { "required": 1 }, "tests": tests }), now);
    };
    let asked: Event = (0, "alice asks for release 1.0.0", |store, now| {
        store.enforced = true;
        let spec = json!({
            "application": "shop", "version": "1.0.0", "source": { "manifests": app("1.0.0", "web") },
            "requestedBy": { "username": "alice" },
        });
        store.add_release("shop-1.0.0", serde_json::from_value(spec).unwrap(), now);
    });
    let approved: Event = (500, "bob approves", |store, now| store.approve("prod-shop-1.0.0", now));
    let run = Run::of(setting, &[asked]).until(400);
    assert_eq!((reason(&run, "prod-shop-1.0.0"), created(&run, "db")), ("Approval".into(), 0));
    let run = settled(setting, &[asked, approved]);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{text}");
    assert_eq!(
        results(&run, "prod-shop-1.0.0"),
        [("db".into(), TestResult::Passed, 1), ("smoke".into(), TestResult::Passed, 1)]
    );
}

#[test]
fn a_job_that_the_server_refuses_says_so_and_fails_no_rollout() {
    let setting = |store: &mut Store, now: Timestamp| {
        let policy =
            RollbackPolicySpec { observe_window: "0s".parse().unwrap(), ..RollbackPolicySpec::default() };
        store.policies.insert("hasty".into(), policy);
        let tests = [test("db", "web", json!({ "required": false }))];
        environment(store, "prod", json!({ "tests": tests, "rollbackPolicyRef": "hasty" }), now);
        store.namespaces.get_mut("shop-prod").unwrap().refuses_tests = true;
    };
    let run = settled(setting, &[FIRST]);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{text}");
    let [test] = tests(&run, "prod-shop-1.0.0").try_into().unwrap();
    assert_eq!((test.result, test.reason.as_deref()), (TestResult::Errored, Some("Refused")), "{text}");
}
