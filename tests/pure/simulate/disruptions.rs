//! Jobs whose pods are disrupted. The pods are gone soon, and what was recorded of them decides, whatever happens to the controller.

use super::comparison::{same_after_a_crash, same_in_any_order};
use super::hooks::{hook, steps, with};
use super::outcomes::{object, promotion};
use super::run::{Event, Run};
use super::scenarios::{app, deployment, prod, release, settled};
use super::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use towpath::api::{PromotionPhase, PromotionStatus, StepResult};
use towpath::content::ObjectKey;

const FIRST: Event = (0, "release 1.0.0", |store, now| with(store, "1.0.0", "web", vec![], now));

/// A Job that is no hook.
fn load(image: &str) -> Value {
    let mut load = hook("load", "pre-promote", image, json!({}));
    load["metadata"]["annotations"].take();
    load
}

/// Release 2.0.0 with a Job beside its Deployment, and another Deployment behind them.
fn in_waves(store: &mut Store, job: &str, web: &str, now: Timestamp) {
    let mut worker = deployment("worker", "web", None);
    worker["metadata"]["annotations"] = json!({ "towpath.dev/wave": "1" });
    let objects = app("2.0.0", web).into_iter().chain([load(job), worker]);
    release(store, "2.0.0", objects.collect(), now);
}

fn status(run: &Run) -> PromotionStatus {
    run.store.promotions["prod-shop-2.0.0"].status.clone().unwrap()
}

#[test]
fn a_job_whose_pod_was_disrupted_says_nothing_when_its_pod_is_gone() {
    const EVICTED: Event = (1000, "release 2.0.0, whose Job is evicted", |store, now| {
        with(store, "2.0.0", "web-2", vec![load("evicted")], now);
    });
    const DRAINED: Event = (1000, "release 2.0.0, whose Job is drained", |store, now| {
        with(store, "2.0.0", "web-2", vec![load("drained")], now);
    });
    for second in [EVICTED, DRAINED] {
        let events = [FIRST, second];
        let run = settled(prod, &events);
        let log = run.log.join("\n");
        let status = status(&run);
        assert_eq!(status.phase, PromotionPhase::Verified, "{log}");
        assert!(status.message.unwrap().contains("says nothing: pod migrate-1 was disrupted"), "{log}");
        assert_eq!(status.disruptions.len(), 1, "{log}");
        same_after_a_crash("a Job that is disrupted", prod, &events);
        same_in_any_order("a Job that is disrupted", prod, &events);
    }
}

/// The other hook cannot be stopped for a while, so that the promotion ends when the disrupted pod is gone.
#[test]
fn a_hook_whose_pod_was_disrupted_says_nothing_when_its_pod_is_gone() {
    const EVENTS: [Event; 3] = [
        FIRST,
        (1000, "release 2.0.0, the pod of whose hook is drained", |store, now| {
            let hooks = vec![
                hook("migrate", "pre-promote", "drained", json!({ "backoffLimit": 0 })),
                hook("check", "pre-promote", "slow", json!({})),
            ];
            with(store, "2.0.0", "web-2", hooks, now);
        }),
        (1002, "the other hook cannot be stopped", |store, _| {
            let namespace = store.namespaces.get_mut("shop-prod").unwrap();
            let jobs: Vec<ObjectKey> = namespace.jobs().map(|(key, ..)| key.clone()).collect();
            let refused = jobs.into_iter().map(|key| (key, "a webhook is down".to_owned()));
            namespace.undeletable.extend(refused);
        }),
    ];
    let run = settled(prod, &EVENTS);
    let log = run.log.join("\n");
    let status = status(&run);
    assert_eq!(status.phase, PromotionPhase::Inconclusive, "{log}");
    assert_eq!(status.reason.as_deref(), Some("HookDisrupted"), "{log}");
    let steps = steps(&run, "prod-shop-2.0.0");
    let step = steps.into_iter().find(|step| step.name.starts_with("migrate")).unwrap();
    assert_eq!(step.result, StepResult::Errored, "{step:?}");
    same_after_a_crash("a hook that is disrupted", prod, &EVENTS);
}

#[test]
fn a_deployment_of_the_wave_of_a_disrupted_job_is_judged() {
    const EVENTS: [Event; 2] = [
        FIRST,
        (1000, "release 2.0.0, whose Job is evicted and whose pods crash", |store, now| {
            in_waves(store, "evicted", "crash", now);
        }),
    ];
    let run = settled(prod, &EVENTS);
    let log = run.log.join("\n");
    assert_eq!(status(&run).reason.as_deref(), Some("CrashLoopBackOff"), "{log}");
    assert_eq!(promotion(&run, "prod-shop-2.0.0-rollback"), PromotionPhase::Verified, "{log}");
    same_after_a_crash("a wave that fails", prod, &EVENTS);
}

#[test]
fn the_wave_of_a_disrupted_job_is_waited_for_and_the_next_one_is_not_written() {
    const EVENTS: [Event; 2] = [
        FIRST,
        (1000, "release 2.0.0, whose Job is drained and whose pods need 40 seconds", |store, now| {
            in_waves(store, "drained", "slow", now);
        }),
    ];
    let run = settled(prod, &EVENTS);
    let log = run.log.join("\n");
    let status = status(&run);
    assert_eq!(status.phase, PromotionPhase::Inconclusive, "{log}");
    assert_eq!(status.reason.as_deref(), Some("JobDisrupted"), "{log}");
    let lasted = status.finished_at.unwrap().0.duration_since(status.started_at.unwrap().0).as_secs();
    assert!((40..60).contains(&lasted), "it ended after {lasted} s\n{log}");
    assert!(object(&run, "prod", "Deployment worker").is_null(), "{log}");
    same_after_a_crash("a wave that waits", prod, &EVENTS);
}
