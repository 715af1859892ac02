//! Hooks run once, as long as they may, and do not outlive their promotion.

use super::comparison::{same_after_a_crash, same_in_any_order};
use super::outcomes::{object, promotion};
use super::run::{Event, Run};
use super::scenarios::{app, deployment, environment, prod, release, settled};
use super::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use towpath::api::{FailureAction, PromotionPhase, RollbackPolicySpec, Step, StepResult};

pub fn hook(name: &str, when: &str, image: &str, spec: Value) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": name, "annotations": { "towpath.dev/hook": when } },
        "spec": { "template": deployment(name, image, None)["spec"]["template"] },
    });
    job["spec"].as_object_mut().unwrap().append(&mut spec.as_object().unwrap().clone());
    job
}

pub fn with(store: &mut Store, version: &str, image: &str, hooks: Vec<Value>, now: Timestamp) {
    let mut objects = app(version, image);
    objects.extend(hooks);
    release(store, version, objects, now);
}

/// The policy of prod: 15 seconds without progress fail a release.
fn hasty(store: &mut Store, now: Timestamp) {
    let mut policy = RollbackPolicySpec::default();
    policy.failing.progress_deadline_seconds = 15;
    store.policies.insert("hasty".into(), policy);
    environment(store, "prod", json!({ "rollbackPolicyRef": "hasty" }), now);
}

pub fn steps(run: &Run, name: &str) -> Vec<Step> {
    run.store.promotions[name].status.clone().unwrap().steps
}

fn result(run: &Run, name: &str, job: &str) -> Option<StepResult> {
    steps(run, name).into_iter().find(|step| step.name.starts_with(job)).map(|step| step.result)
}

/// How often Jobs of this name were created and deleted.
fn counts(run: &Run, job: &str) -> (usize, usize) {
    let of_job = |name: &str| name.starts_with(&format!("{job}-"));
    let all = run.store.namespaces["shop-prod"].counts.iter();
    let of_jobs = all.filter(|(key, _)| key.kind() == "Job" && of_job(key.name()));
    of_jobs
        .fold((0, 0), |(created, deleted), (_, counts)| (created + counts.created, deleted + counts.deleted))
}

const BRIEF: [Event; 1] = [(0, "release 1.0.0, whose hooks vanish when they finish", |store, now| {
    let hooks = ["pre-promote", "post-promote"]
        .map(|when| hook(when, when, "web", json!({ "ttlSecondsAfterFinished": 0 })));
    with(store, "1.0.0", "web", hooks.to_vec(), now);
})];

#[test]
fn a_hook_that_vanishes_when_it_finishes_is_recorded_and_runs_once() {
    let run = settled(prod, &BRIEF);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    for job in ["pre-promote", "post-promote"] {
        assert_eq!(result(&run, "prod-shop-1.0.0", job), Some(StepResult::Passed), "{job}");
        assert_eq!(counts(&run, job), (1, 0), "{job}");
    }
    same_after_a_crash("hooks that vanish", prod, &BRIEF);
    same_in_any_order("hooks that vanish", prod, &BRIEF);
}

/// A completed hook whose Job a user deletes while the controller is down.
#[test]
fn a_recorded_hook_is_not_run_again_when_its_job_is_gone() {
    let mut run = Run::of(prod, &BRIEF);
    run.while_down = Some(|store, now| store.namespaces.get_mut("shop-prod").unwrap().forget_jobs(now));
    run.crash_everywhere(|writes, run| {
        let created = ["pre-promote", "post-promote"].map(|job| counts(&run, job).0);
        assert_eq!(created, [1, 1], "{writes}\n{}", run.log.join("\n"));
        assert_eq!(
            promotion(&run, "prod-shop-1.0.0"),
            PromotionPhase::Verified,
            "{writes}\n{}",
            run.log.join("\n")
        );
    });
}

#[test]
fn a_running_hook_is_no_silence() {
    let run = settled(
        hasty,
        &[(0, "release 1.0.0, whose hook runs 40 seconds", |store, now| {
            let slow = hook("migrate", "pre-promote", "slow", json!({ "activeDeadlineSeconds": 60 }));
            with(store, "1.0.0", "web", vec![slow], now);
        })],
    );
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
}

#[test]
fn a_hook_without_a_deadline_has_that_of_the_policy() {
    let run = settled(
        hasty,
        &[(0, "release 1.0.0", |store, now| {
            with(store, "1.0.0", "web", vec![hook("migrate", "pre-promote", "web", json!({}))], now);
        })],
    );
    let shown = run.store.namespaces["shop-prod"].shown();
    let job = shown.iter().find(|(key, _)| key.starts_with("Job migrate")).unwrap().1;
    assert_eq!(job["spec"]["activeDeadlineSeconds"], 15, "{job}");
    assert!(job["spec"]["ttlSecondsAfterFinished"].is_null(), "{job}");
}

#[test]
fn an_unfinished_hook_of_a_failed_release_is_stopped_before_the_rollback_is_done() {
    const EVENTS: [Event; 3] = [
        (0, "release 1.0.0", |store, now| with(store, "1.0.0", "web", vec![], now)),
        (1000, "release 2.0.0, whose hook runs 40 seconds", |store, now| {
            let slow = hook("migrate", "pre-promote", "slow", json!({ "activeDeadlineSeconds": 60 }));
            with(store, "2.0.0", "web", vec![slow], now);
        }),
        (1010, "a person rolls it back", |store, now| {
            let spec = json!({ "release": "shop-2.0.0", "environment": "prod", "kind": "Rollback" });
            store.add_promotion("manual", serde_json::from_value(spec).unwrap(), now);
        }),
    ];
    let run = settled(prod, &EVENTS);
    assert_eq!(promotion(&run, "manual"), PromotionPhase::Verified);
    assert_eq!(counts(&run, "migrate"), (1, 1), "{}", run.log.join("\n"));
    let line = |what: &str| {
        run.log
            .iter()
            .position(|line| line.contains(what))
            .unwrap_or_else(|| panic!("{what}\n{}", run.log.join("\n")))
    };
    assert!(line("stops Job migrate") < line("remembers Verified: restored"), "{}", run.log.join("\n"));
    assert_eq!(result(&run, "prod-shop-2.0.0", "migrate"), Some(StepResult::Errored));
    same_after_a_crash("a hook that is stopped", prod, &EVENTS);
}

#[test]
fn an_unfinished_hook_is_stopped_by_the_release_that_replaces_its_own() {
    let run = settled(
        prod,
        &[
            (0, "release 1.0.0, whose hook runs 40 seconds", |store, now| {
                with(store, "1.0.0", "web", vec![hook("migrate", "pre-promote", "slow", json!({}))], now);
            }),
            (10, "release 2.0.0", |store, now| with(store, "2.0.0", "web", vec![], now)),
        ],
    );
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(counts(&run, "migrate"), (1, 1), "{}", run.log.join("\n"));
}

#[test]
fn an_unfinished_hook_is_stopped_where_a_failed_release_is_not_rolled_back() {
    let setting = |store: &mut Store, now: Timestamp| {
        let hold = RollbackPolicySpec { action: FailureAction::Hold, ..RollbackPolicySpec::default() };
        store.policies.insert("hold".into(), hold);
        environment(store, "prod", json!({ "rollbackPolicyRef": "hold" }), now);
    };
    let run = settled(
        setting,
        &[(0, "release 1.0.0, one of whose hooks fails", |store, now| {
            let hooks = vec![
                hook("migrate", "pre-promote", "slow", json!({})),
                hook("check", "pre-promote", "crash", json!({})),
            ];
            with(store, "1.0.0", "web", hooks, now);
        })],
    );
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Failed);
    assert_eq!((counts(&run, "migrate"), counts(&run, "check")), ((1, 1), (1, 0)), "{}", run.log.join("\n"));
    assert_eq!(result(&run, "prod-shop-1.0.0", "check"), Some(StepResult::Failed));
    assert!(object(&run, "prod", "Deployment web").is_null());
}

const EVICTED: [Event; 2] = [
    (0, "release 1.0.0", |store, now| with(store, "1.0.0", "web", vec![], now)),
    (1000, "release 2.0.0, the pod of whose hook is evicted", |store, now| {
        let hooks = vec![
            hook("migrate", "pre-promote", "evicted", json!({ "backoffLimit": 0 })),
            hook("check", "pre-promote", "slow", json!({})),
        ];
        with(store, "2.0.0", "web-2", hooks, now);
    }),
];

#[test]
fn a_hook_whose_pod_is_evicted_says_nothing_about_the_release() {
    let run = settled(prod, &EVICTED);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Inconclusive, "{log}");
    let status = run.store.promotions["prod-shop-2.0.0"].status.clone().unwrap();
    assert_eq!(status.reason.as_deref(), Some("HookDisrupted"), "{log}");
    assert!(status.message.unwrap().contains("pod migrate-1 was disrupted"), "{log}");
    assert_eq!(result(&run, "prod-shop-2.0.0", "migrate"), Some(StepResult::Errored), "{log}");
    assert_eq!(result(&run, "prod-shop-2.0.0", "check"), Some(StepResult::Errored), "{log}");
    assert_eq!((counts(&run, "migrate"), counts(&run, "check")), ((1, 0), (1, 1)), "{log}");
    assert!(!run.store.promotions.contains_key("prod-shop-2.0.0-rollback"), "{log}");
    same_after_a_crash("a hook whose pod is evicted", prod, &EVICTED);
    same_in_any_order("a hook whose pod is evicted", prod, &EVICTED);
}

fn resume(store: &mut Store, now: Timestamp) {
    let namespace = store.namespaces.get_mut("shop-prod").unwrap();
    let jobs: Vec<_> = namespace.jobs().map(|(key, _, _)| key.clone()).collect();
    jobs.iter().for_each(|key| namespace.set(key, "/spec/suspend", json!(false), now));
}

#[test]
fn a_suspended_hook_is_waited_for_until_a_person_resumes_it() {
    for when in ["pre-promote", "post-promote"] {
        let suspended: Event = match when {
            "pre-promote" => (0, "release 1.0.0, whose first hook is suspended", |store, now| {
                let suspended = hook("migrate", "pre-promote", "web", json!({ "suspend": true }));
                with(store, "1.0.0", "web", vec![suspended], now);
            }),
            _ => (0, "release 1.0.0, whose last hook is suspended", |store, now| {
                let suspended = hook("migrate", "post-promote", "web", json!({ "suspend": true }));
                with(store, "1.0.0", "web", vec![suspended], now);
            }),
        };
        let waiting = Run::of(hasty, &[suspended]).until(300);
        let status = waiting.store.promotions["prod-shop-1.0.0"].status.clone().unwrap();
        assert_eq!(status.phase, PromotionPhase::Promoting, "{}", waiting.log.join("\n"));
        let message = status.message.unwrap();
        assert!(message.contains("is suspended; resume it with kubectl patch job/migrate"), "{message}");
        let events = [suspended, (300, "a person resumes the hook", resume)];
        let run = settled(hasty, &events);
        assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
        same_after_a_crash("a hook that is suspended", hasty, &events);
    }
}

#[test]
fn a_hook_has_passed_when_only_what_an_injector_added_runs_on() {
    const EVENTS: [Event; 2] = [
        (0, "release 1.0.0, beside whose hook a proxy runs on", |store, now| {
            let hooks = vec![hook("migrate", "pre-promote", "meshed", json!({ "backoffLimit": 0 }))];
            with(store, "1.0.0", "web", hooks, now);
        }),
        (1000, "release 2.0.0", |store, now| with(store, "2.0.0", "web-2", vec![], now)),
    ];
    let run = settled(prod, &EVENTS);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{log}");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{log}");
    assert_eq!(result(&run, "prod-shop-1.0.0", "migrate"), Some(StepResult::Passed), "{log}");
    same_after_a_crash("a hook with a proxy", prod, &EVENTS);
}

/// A Job that is no hook, in front of a second wave.
#[test]
fn a_job_whose_pod_is_evicted_does_not_open_the_next_wave() {
    const EVENTS: [Event; 2] = [
        (0, "release 1.0.0", |store, now| with(store, "1.0.0", "web", vec![], now)),
        (1000, "release 2.0.0, whose Job is evicted", |store, now| {
            let mut objects = app("2.0.0", "web-2");
            for object in objects.iter_mut().filter(|object| object["kind"] == "Deployment") {
                object["metadata"]["annotations"] = json!({ "towpath.dev/wave": "1" });
            }
            let mut load = hook("load", "pre-promote", "evicted", json!({}));
            load["metadata"]["annotations"].take();
            objects.push(load);
            release(store, "2.0.0", objects, now);
        }),
    ];
    let run = settled(prod, &EVENTS);
    let log = run.log.join("\n");
    let status = run.store.promotions["prod-shop-2.0.0"].status.clone().unwrap();
    assert_eq!(status.reason.as_deref(), Some("JobDisrupted"), "{log}");
    assert_eq!(status.phase, PromotionPhase::Inconclusive, "{log}");
    let message = status.message.unwrap();
    assert!(message.starts_with("Job load") && message.contains("pod migrate-1 was disrupted"), "{message}");
    assert!(object(&run, "prod", "Deployment web").to_string().contains("/web@"), "{log}");
    same_after_a_crash("a Job that is disrupted", prod, &EVENTS);
    same_in_any_order("a Job that is disrupted", prod, &EVENTS);
}
