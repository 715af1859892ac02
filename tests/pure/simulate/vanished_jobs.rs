//! Jobs that a user deletes: a hook whose result is unknown is not run again, and a Job that has run is not restored. The pods of tests that a user
//! deletes: what their Job counted stays.

use super::comparison::{same_after_a_crash, same_in_any_order};
use super::hooks::{hook, steps, with};
use super::outcomes::promotion;
use super::run::{Event, Run, start};
use super::scenarios::{app, deployment, prod, release, settled};
use super::store::Store;
use super::tests_of_releases::{of_content, results};
use jiff::Timestamp;
use serde_json::{Value, json};
use towpath::api::{PromotionPhase, StepResult, TestResult};

const FIRST: Event = (0, "release 1.0.0", |store, now| with(store, "1.0.0", "web", vec![], now));

fn slow(when: &str) -> Value {
    hook("migrate", when, "slow", json!({ "activeDeadlineSeconds": 60 }))
}

fn deleted(store: &mut Store, _: Timestamp) {
    store.namespaces.get_mut("shop-prod").unwrap().lose("Job", "migrate");
}

fn created(run: &Run, job: &str) -> usize {
    let all = run.store.namespaces["shop-prod"].counts.iter();
    let jobs = all.filter(|(key, _)| key.kind() == "Job" && key.name().starts_with(job));
    jobs.map(|(_, counts)| counts.created).sum()
}

/// The reason of a promotion, and after how many seconds of the run it ended.
fn ended(run: &Run, name: &str) -> (String, i64) {
    let status = run.store.promotions[name].status.clone().unwrap();
    let at = status.finished_at.expect("it has not ended").0;
    (status.reason.unwrap(), at.duration_since(start()).as_secs())
}

const DELETED_BEFORE: [Event; 3] = [
    FIRST,
    (1000, "release 2.0.0, whose hook runs 40 seconds", |store, now| {
        with(store, "2.0.0", "web", vec![slow("pre-promote")], now);
    }),
    (1010, "a user deletes the Job of the hook", deleted),
];

const DELETED_AFTER: [Event; 3] = [
    FIRST,
    (1000, "release 2.0.0, which is followed by a hook that runs 40 seconds", |store, now| {
        with(store, "2.0.0", "web", vec![slow("post-promote")], now);
    }),
    (1015, "a user deletes the Job of the hook", deleted),
];

#[test]
fn a_hook_whose_job_is_deleted_while_it_runs_fails_the_promotion_at_once_and_is_not_run_again() {
    for (events, at) in [(&DELETED_BEFORE, 1010), (&DELETED_AFTER, 1015)] {
        let run = settled(prod, events);
        let log = run.log.join("\n");
        assert_eq!(ended(&run, "prod-shop-2.0.0"), ("HookDeleted".to_owned(), at), "{log}");
        assert_eq!(promotion(&run, "prod-shop-2.0.0-rollback"), PromotionPhase::Verified, "{log}");
        assert_eq!(created(&run, "migrate"), 1, "{log}");
        let steps = steps(&run, "prod-shop-2.0.0");
        let step = steps.into_iter().find(|step| step.name.starts_with("migrate")).unwrap();
        assert_eq!(step.result, StepResult::Errored, "{step:?}");
        same_after_a_crash("a hook that is deleted", prod, events);
        same_in_any_order("a hook that is deleted", prod, events);
    }
}

/// The creation is in the status, so that a new process does not repeat it.
#[test]
fn a_hook_whose_job_is_deleted_while_the_controller_is_down_is_not_run_again() {
    for (events, at) in [(&DELETED_BEFORE, 1005), (&DELETED_AFTER, 1012)] {
        let mut run = Run::of(prod, &events[..2]).until(at);
        deleted(&mut run.store, run.now);
        let run = run.restarted().settle();
        let log = run.log.join("\n");
        assert_eq!(ended(&run, "prod-shop-2.0.0").0, "HookDeleted", "{log}");
        assert_eq!(created(&run, "migrate"), 1, "{log}");
    }
}

/// That a hook is complete is written with what follows from it, and the process remembers it until then.
#[test]
fn a_hook_that_is_complete_stays_so_when_its_job_is_deleted() {
    const EVENTS: [Event; 3] = [
        FIRST,
        (1000, "release 2.0.0, whose hook runs 40 seconds", |store, now| {
            with(store, "2.0.0", "web", vec![slow("pre-promote")], now);
        }),
        (1042, "a user deletes the Job of the hook, which is complete", deleted),
    ];
    let run = settled(prod, &EVENTS);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{log}");
    assert_eq!(created(&run, "migrate"), 1, "{log}");
    let steps = steps(&run, "prod-shop-2.0.0");
    let step = steps.into_iter().find(|step| step.name.starts_with("migrate")).unwrap();
    let ended = step.finished_at.unwrap().0.duration_since(start()).as_secs();
    assert_eq!((step.result, ended), (StepResult::Passed, 1040), "{log}");
    // The controller is killed while the rollout that shows it goes on.
    let mut run = Run::of(prod, &EVENTS[..2]).until(1041);
    deleted(&mut run.store, run.now);
    let run = run.restarted().settle();
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{log}");
    assert_eq!(created(&run, "migrate"), 1, "{log}");
}

/// A Job of the first release that is no hook. The second release lacks it.
const LOADED: [Event; 3] = [
    (0, "release 1.0.0, with a Job that loads data", |store, now| {
        let mut objects = app("1.0.0", "web");
        objects.push(load());
        release(store, "1.0.0", objects, now);
    }),
    (500, "a user deletes the Job, which has completed", lost),
    (1000, "release 2.0.0, without it, whose pods crash after a minute", |store, now| {
        release(store, "2.0.0", app("2.0.0", "fade"), now);
    }),
];

fn lost(store: &mut Store, _: Timestamp) {
    store.namespaces.get_mut("shop-prod").unwrap().lose("Job", "load");
}

fn load() -> Value {
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "load" },
        "spec": { "template": deployment("load", "web", None)["spec"]["template"] },
    })
}

#[test]
fn a_rollback_does_not_run_a_job_again_that_has_completed() {
    let run = settled(prod, &LOADED);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0-rollback"), PromotionPhase::Verified, "{log}");
    assert_eq!(created(&run, "load"), 1, "{log}");
    let took = ended(&run, "prod-shop-2.0.0-rollback").1 - ended(&run, "prod-shop-2.0.0").1;
    assert!(took < 60, "the rollback took {took} s\n{log}");
    same_after_a_crash("a Job that has completed", prod, &LOADED);
}

/// Its test ends with 0 after 12 seconds.
const TESTED: Event = (0, "release 1.0.0, with a test", |store, now| {
    with(store, "1.0.0", "web", vec![of_content("checkout", "web", json!({}))], now);
});
const DROPPED: Event = (60, "a user deletes the pods that have ended", |store, _| drops(store, None));

fn drops(store: &mut Store, stopped: Option<&str>) {
    let namespace = store.namespaces.get_mut("shop-prod").unwrap();
    (namespace.drops_ended_pods, namespace.stopped) = (true, stopped.map(str::to_owned));
}

#[test]
fn a_test_that_passed_stays_so_when_its_pod_is_deleted_and_the_controller_is_killed() {
    let passed = |run: &Run| {
        let log = run.log.join("\n");
        assert_eq!(promotion(run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{log}");
        assert_eq!(
            results(run, "prod-shop-1.0.0"),
            [("checkout".to_owned(), TestResult::Passed, 1)],
            "{log}"
        );
        assert_eq!(created(run, "checkout"), 1, "{log}");
    };
    let events = [TESTED, DROPPED];
    passed(&settled(prod, &events));
    same_after_a_crash("a test whose pod is deleted", prod, &events);
    // After the pod was deleted, before, and in the second in which the test ends.
    for (seconds, drops_at_once) in [(61, false), (59, true), (12, true), (11, true)] {
        let mut run = Run::of(prod, &events).until(seconds);
        if drops_at_once {
            drops(&mut run.store, None);
        }
        passed(&run.restarted().settle());
    }
}

/// It may have ended with 0 because it was told to stop.
#[test]
fn a_test_whose_pod_was_stopped_while_it_ran_and_the_controller_was_down_has_no_result() {
    let mut run = Run::of(prod, &[TESTED]).until(11);
    drops(&mut run.store, Some("Stopping container main"));
    let run = run.restarted().settle();
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Inconclusive, "{log}");
    assert!(log.contains("PodDeleted"), "{log}");
}
