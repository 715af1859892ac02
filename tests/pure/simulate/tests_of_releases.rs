//! Tests of a release: they decide about it after its rollout, and run once whatever happens to the controller.

use super::comparison::{same_after_a_crash, same_in_any_order};
use super::hooks::with;
use super::outcomes::{object, promotion};
use super::run::{Event, Run};
use super::scenarios::{Scenario, deployment, environment, settled};
use super::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use towpath::api::{PromotionPhase, RollbackPolicySpec, TestOrigin, TestResult, TestStatus};

/// A test of prod.
pub fn of_prod(name: &str, image: &str, more: Value) -> Value {
    let template = deployment(name, image, None)["spec"]["template"].clone();
    let mut test = json!({ "name": name, "template": template });
    test.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    test
}

/// A test in the content of a release.
pub fn of_content(name: &str, image: &str, notes: Value) -> Value {
    let template = deployment(name, image, None)["spec"]["template"].clone();
    let mut annotations = json!({ "towpath.dev/test": "required" });
    annotations.as_object_mut().unwrap().append(&mut notes.as_object().unwrap().clone());
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name, "annotations": annotations },
        "spec": { "template": template },
    })
}

pub fn tests(run: &Run, name: &str) -> Vec<TestStatus> {
    run.store.promotions[name].status.clone().unwrap().tests
}

pub fn results(run: &Run, name: &str) -> Vec<(String, TestResult, i32)> {
    tests(run, name).into_iter().map(|test| (test.name, test.result, test.attempts)).collect()
}

pub fn reason(run: &Run, name: &str) -> String {
    run.store.promotions[name].status.clone().unwrap().reason.unwrap()
}

/// How many Jobs of a test were created.
fn created(run: &Run, test: &str) -> usize {
    let all = run.store.namespaces["shop-prod"].counts.iter();
    let of_test = all.filter(|(key, _)| key.kind() == "Job" && key.name().starts_with(&format!("{test}-")));
    of_test.map(|(_, counts)| counts.created).sum()
}

fn with_smoke(store: &mut Store, image: &str, more: Value, now: Timestamp) {
    environment(store, "prod", json!({ "tests": [of_prod("smoke", image, more)] }), now);
}

const ONE: [Event; 1] = [(0, "release 1.0.0", |store, now| with(store, "1.0.0", "web", vec![], now))];

pub const FAILS: Scenario = Scenario {
    name: "tests",
    about: "The first release passes the test of prod. The second passes it, too, and fails its own: it is rolled back.",
    setting: |store, now| with_smoke(store, "web", json!({}), now),
    events: &[
        ONE[0],
        (1000, "release 2.0.0, whose own test does not pass", |store, now| {
            with(store, "2.0.0", "web-2", vec![of_content("checkout", "crash", json!({}))], now);
        }),
    ],
};

pub const HAS_NO_RESULT: Scenario = Scenario {
    name: "test-without-a-result",
    about: "A test of prod does not end within its time: nothing is rolled back, and nothing is verified.",
    setting: |store, now| with_smoke(store, "endless", json!({ "timeout": "7m", "keepLog": 20 }), now),
    events: &ONE,
};

#[test]
fn a_release_is_verified_when_its_tests_have_passed_and_its_window_has_ended() {
    let setting = |store: &mut Store, now: Timestamp| with_smoke(store, "slow", json!({}), now);
    let run = settled(setting, &ONE);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{text}");
    let [test] = tests(&run, "prod-shop-1.0.0").try_into().unwrap();
    assert_eq!(
        (test.name.as_str(), test.origin, test.result),
        ("smoke", TestOrigin::Environment, TestResult::Passed)
    );
    assert_eq!((test.attempts, test.exit_code, test.message.as_deref()), (1, Some(0), Some("slow ended")));
    assert_eq!(created(&run, "smoke"), 1);
    let job = object(&run, "prod", &format!("Job {}", test.job.unwrap()));
    let variables = job["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let value = |name: &str| {
        variables.iter().find(|variable| variable["name"] == name).unwrap()["value"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        ["APPLICATION", "VERSION", "PREVIOUS_VERSION", "ENVIRONMENT", "RELEASE", "PROMOTION"]
            .map(|name| value(&format!("TOWPATH_{name}"))),
        ["shop", "1.0.0", "", "prod", "shop-1.0.0", "prod-shop-1.0.0"]
    );
    assert_eq!(value("TOWPATH_DIGEST").len(), 64);
    assert_eq!(job["metadata"]["annotations"]["towpath.dev/owner"], "shop.prod.shop");
    same_after_a_crash("a test that passes", setting, &ONE);
    same_in_any_order("a test that passes", setting, &ONE);
}

#[test]
fn a_window_lasts_until_the_tests_have_ended() {
    let setting = |store: &mut Store, now: Timestamp| {
        let policy =
            RollbackPolicySpec { observe_window: "0s".parse().unwrap(), ..RollbackPolicySpec::default() };
        store.policies.insert("hasty".into(), policy);
        let tests = json!([of_prod("smoke", "slow", json!({}))]);
        environment(store, "prod", json!({ "rollbackPolicyRef": "hasty", "tests": tests }), now);
    };
    let run = settled(setting, &ONE);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(results(&run, "prod-shop-1.0.0"), [("smoke".into(), TestResult::Passed, 1)]);
    same_after_a_crash("a test without a window", setting, &ONE);
}

#[test]
fn a_failed_test_rolls_its_release_back() {
    let run = FAILS.run().settle();
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed, "{text}");
    assert_eq!(reason(&run, "prod-shop-2.0.0"), "TestFailed");
    assert_eq!(promotion(&run, "prod-shop-2.0.0-rollback"), PromotionPhase::Verified, "{text}");
    assert!(tests(&run, "prod-shop-2.0.0-rollback").is_empty(), "a rollback runs no tests");
    assert!(object(&run, "prod", "Deployment web").to_string().contains("/web@"), "{text}");
    assert!(text.contains("test checkout failed with exit code 1: crash ended"), "{text}");
    let of_second = tests(&run, "prod-shop-2.0.0");
    let failed = of_second.iter().find(|test| test.name == "checkout").unwrap();
    assert_eq!(
        (failed.origin, failed.result, failed.exit_code),
        (TestOrigin::Content, TestResult::Failed, Some(1))
    );
    let job = format!("Job {}", failed.job.clone().unwrap());
    assert!(!object(&run, "prod", &job).is_null(), "the Job of a failed test stays");
}

#[test]
fn a_test_without_a_result_stops_automation_and_rolls_nothing_back() {
    const STUCK: fn(&mut Store, Timestamp) = |store, now| with_smoke(store, "stuck", json!({}), now);
    const EVICTED: fn(&mut Store, Timestamp) = |store, now| with_smoke(store, "evicted", json!({}), now);
    const ENDLESS: fn(&mut Store, Timestamp) = HAS_NO_RESULT.setting;
    for (setting, word) in
        [(STUCK, "ImagePullBackOff"), (EVICTED, "EvictionByEvictionAPI"), (ENDLESS, "Timeout")]
    {
        let run = settled(setting, &ONE);
        let text = run.log.join("\n");
        assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Inconclusive, "{text}");
        assert_eq!(reason(&run, "prod-shop-1.0.0"), "TestErrored");
        let [test] = tests(&run, "prod-shop-1.0.0").try_into().unwrap();
        assert_eq!((test.result, test.reason.as_deref()), (TestResult::Errored, Some(word)), "{text}");
        assert!(!run.store.promotions.contains_key("prod-shop-1.0.0-rollback"), "{text}");
        let job = object(&run, "prod", &format!("Job {}", test.job.unwrap()));
        assert_eq!(
            job["spec"]["suspend"] == true,
            word != "EvictionByEvictionAPI",
            "{word}: what may still start is suspended"
        );
        if word == "ImagePullBackOff" {
            same_after_a_crash(word, setting, &ONE);
        }
    }
}

#[test]
fn a_test_is_repeated_as_often_as_it_may() {
    let setting = |store: &mut Store, now: Timestamp| {
        let tests = json!([
            of_prod("smoke", "crash", json!({ "retries": 2 })),
            of_prod("deep", "endless", json!({ "retries": 1, "timeout": "1m" })),
        ]);
        environment(store, "prod", json!({ "tests": tests }), now);
    };
    let run = settled(setting, &ONE);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Failed, "{text}");
    assert_eq!(created(&run, "smoke"), 3, "{text}");
    assert!(text.contains("failed with exit code 1 in 3 attempts"), "{text}");
    let stopped = tests(&run, "prod-shop-1.0.0").into_iter().find(|test| test.name == "deep").unwrap();
    assert_eq!((stopped.result, stopped.reason.as_deref()), (TestResult::Errored, Some("Stopped")), "{text}");
    same_after_a_crash("a test that is repeated", setting, &ONE);
}

#[test]
fn an_optional_test_is_recorded_and_decides_nothing() {
    let setting = |store: &mut Store, now: Timestamp| {
        let tests = json!([
            of_prod("smoke", "crash", json!({ "required": false })),
            of_prod("deep", "stuck", json!({ "required": false })),
        ]);
        environment(store, "prod", json!({ "tests": tests }), now);
    };
    let run = settled(setting, &ONE);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(
        results(&run, "prod-shop-1.0.0"),
        [("deep".into(), TestResult::Errored, 1), ("smoke".into(), TestResult::Failed, 1)]
    );
}

#[test]
fn a_change_of_the_tests_takes_effect_with_the_next_promotion() {
    let setting = |store: &mut Store, now: Timestamp| with_smoke(store, "slow", json!({}), now);
    let events: [Event; 2] = [
        ONE[0],
        (20, "the test is replaced by one that fails", |store, now| {
            with_smoke(store, "crash", json!({}), now)
        }),
    ];
    let run = settled(setting, &events);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(created(&run, "smoke"), 1);
}

#[test]
fn the_tests_of_a_release_that_crashes_are_stopped_before_its_promotion_ends() {
    let setting =
        |store: &mut Store, now: Timestamp| with_smoke(store, "endless", json!({ "timeout": "1h" }), now);
    let events: [Event; 1] = [(0, "release 1.0.0, whose pods crash after a minute", |store, now| {
        with(store, "1.0.0", "fade", vec![], now)
    })];
    let run = settled(setting, &events);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Failed, "{text}");
    let [test] = tests(&run, "prod-shop-1.0.0").try_into().unwrap();
    assert_eq!((test.result, test.reason.as_deref()), (TestResult::Errored, Some("Stopped")), "{text}");
    assert_eq!(object(&run, "prod", &format!("Job {}", test.job.unwrap()))["spec"]["suspend"], true);
    same_after_a_crash("a test that is stopped", setting, &events);
}

#[test]
fn a_job_that_a_user_deletes_leaves_its_test_without_a_result() {
    let setting = |store: &mut Store, now: Timestamp| with_smoke(store, "slow", json!({}), now);
    let events: [Event; 2] = [
        ONE[0],
        (30, "a user deletes the Job", |store, _| {
            let namespace = store.namespaces.get_mut("shop-prod").unwrap();
            let jobs: Vec<_> =
                namespace.jobs().map(|(key, job, _)| (key.clone(), job["metadata"]["uid"].clone())).collect();
            jobs.iter().for_each(|(key, uid)| namespace.delete(key, uid.as_str().unwrap()).unwrap());
        }),
    ];
    let run = settled(setting, &events);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Inconclusive, "{text}");
    assert_eq!(tests(&run, "prod-shop-1.0.0")[0].reason.as_deref(), Some("JobDeleted"), "{text}");
    assert_eq!(created(&run, "smoke"), 1, "{text}");
}

#[test]
fn the_log_is_recorded_where_a_test_asks_for_it_even_if_it_does_not_end() {
    let setting = |store: &mut Store, now: Timestamp| {
        let tests = json!([
            of_prod("deep", "endless", json!({ "keepLog": 20, "timeout": "1m", "required": false })),
            of_prod("quiet", "web", json!({})),
            of_prod("smoke", "web", json!({ "keepLog": 5 })),
            of_prod("stuck", "stuck", json!({ "keepLog": 5, "required": false })),
        ]);
        environment(store, "prod", json!({ "tests": tests }), now);
    };
    let run = settled(setting, &ONE);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{text}");
    let lines =
        |test: &TestStatus| test.log.as_ref().and_then(|log| Some(log.split_once(" of ")?.0.to_owned()));
    let logs: Vec<_> =
        tests(&run, "prod-shop-1.0.0").iter().map(|test| (test.name.clone(), lines(test))).collect();
    let said = |lines: u32| Some(format!("the last {lines} lines"));
    assert_eq!(
        logs,
        [
            ("deep".into(), said(20)),
            ("quiet".into(), None),
            ("smoke".into(), said(5)),
            ("stuck".into(), None)
        ]
    );
    let position = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
    assert!(position("reads the log of Job deep") < position("suspends Job deep"), "{text}");
    same_after_a_crash("a test whose log is kept", setting, &ONE);
}

/// An attempt runs at most once: after a restart, Events say that the Job has run.
#[test]
fn a_test_whose_job_is_deleted_while_the_controller_is_down_is_not_run_again() {
    let setting = |store: &mut Store, now: Timestamp| with_smoke(store, "slow", json!({}), now);
    let again = |store: &mut Store, now: Timestamp| with_smoke(store, "slow", json!({ "retries": 1 }), now);
    let deleted = |setting: fn(&mut Store, Timestamp)| {
        let mut run = Run::of(setting, &ONE).until(20);
        run.store.namespaces.get_mut("shop-prod").unwrap().lose("Job", "smoke");
        run.restarted().settle()
    };
    let run = deleted(setting);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Inconclusive, "{text}");
    assert_eq!(tests(&run, "prod-shop-1.0.0")[0].reason.as_deref(), Some("JobDeleted"), "{text}");
    assert_eq!(created(&run, "smoke"), 1, "{text}");
    let run = deleted(again);
    let text = run.log.join("\n");
    assert_eq!(results(&run, "prod-shop-1.0.0"), [("smoke".into(), TestResult::Passed, 2)], "{text}");
    let keys =
        run.store.namespaces["shop-prod"].counts.iter().filter(|(key, _)| key.name().starts_with("smoke-"));
    assert!(keys.into_iter().all(|(_, counts)| counts.created == 1), "each attempt has one Job\n{text}");
}

const CLEANED: [Event; 2] = [
    ONE[0],
    (60, "a user deletes the Job of the test, which has passed", |store, _| {
        store.namespaces.get_mut("shop-prod").unwrap().lose("Job", "smoke");
    }),
];

/// Its result is written with the outcome, and until then the process remembers it.
#[test]
fn a_test_that_has_passed_stays_passed_when_its_job_is_deleted() {
    let setting = |store: &mut Store, now: Timestamp| with_smoke(store, "web", json!({}), now);
    let run = settled(setting, &CLEANED);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{text}");
    assert_eq!(results(&run, "prod-shop-1.0.0"), [("smoke".to_owned(), TestResult::Passed, 1)], "{text}");
    assert_eq!(created(&run, "smoke"), 1, "{text}");
    let [test] = tests(&run, "prod-shop-1.0.0").try_into().unwrap();
    let lasted = test.finished_at.unwrap().0.duration_since(test.started_at.unwrap().0);
    assert!(lasted.as_secs() <= 5, "{lasted:#}: when it passed, not when that was written");
}
