//! One object that cannot be read or written never stops the rest: the verdict, the rollback of everything else, and the end of the wait.

use super::comparison;
use super::hooks;
use super::outcomes::{image, object, promotion};
use super::run::{Event, Run, start};
use super::scenarios::{deployment, pair, prod, release, settled};
use super::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use towpath::api::{PromotionPhase, PromotionStatus};
use towpath::content::ObjectKey;

const DOWN: &str = "failed calling webhook \"check.example.com\": connection refused";

fn service(port: i64) -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" }, "spec": { "ports": [{ "port": port }] } })
}

/// A Deployment and a Service, which another release changes as well.
fn with_service(store: &mut Store, version: &str, image: &str, port: i64, now: Timestamp) {
    release(store, version, vec![deployment("web", image, None), service(port)], now);
}

fn the_service() -> ObjectKey {
    ObjectKey::new("v1", "Service", "web").unwrap()
}

fn the_worker() -> ObjectKey {
    ObjectKey::new("apps/v1", "Deployment", "worker").unwrap()
}

fn the_deployment() -> ObjectKey {
    ObjectKey::new("apps/v1", "Deployment", "web").unwrap()
}

/// Reads and writes of the Service are answered with an error, as if the conversion webhook of its kind were down.
fn break_service(store: &mut Store) {
    let broken = &mut store.namespaces.get_mut("shop-prod").unwrap().broken;
    broken.insert(the_service(), "conversion webhook failed: connection refused".into());
}

fn repair(store: &mut Store, _: Timestamp) {
    let namespace = store.namespaces.get_mut("shop-prod").unwrap();
    namespace.broken.clear();
    namespace.down.clear();
}

fn down(store: &mut Store, key: ObjectKey) {
    store.namespaces.get_mut("shop-prod").unwrap().down.insert(key, DOWN.into());
}

fn status(run: &Run, name: &str) -> PromotionStatus {
    run.store.promotions[name].status.clone().unwrap()
}

fn ended(run: &Run, name: &str) -> i64 {
    status(run, name).finished_at.unwrap().0.duration_since(start()).as_secs()
}

/// Lines of the log that contain all of these words.
fn lines<'a>(run: &'a Run, words: &[&str]) -> Vec<&'a String> {
    run.log.iter().filter(|line| words.iter().all(|word| line.contains(word))).collect()
}

const FIRST: Event = (0, "release 1.0.0", |store, now| with_service(store, "1.0.0", "web-1", 80, now));
const FADES: Event = (1000, "release 2.0.0, whose pods crash after a minute", |store, now| {
    with_service(store, "2.0.0", "fade", 81, now)
});
const BROKEN: Event = (1030, "the Service cannot be read", |store, _| break_service(store));

#[test]
fn a_release_that_crashes_in_its_window_is_rolled_back_in_spite_of_an_object_that_cannot_be_read() {
    let run = settled(prod, &[FIRST, FADES, BROKEN, (1500, "the Service can be read", repair)]);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed, "{log}");
    assert_eq!(promotion(&run, "prod-shop-2.0.0-rollback"), PromotionPhase::Verified, "{log}");
    assert!(ended(&run, "prod-shop-2.0.0") < 1100, "{log}");
    assert_eq!(
        (image(&run, "web"), object(&run, "prod", "Service web")["spec"].clone()),
        ("web-1".into(), service(80)["spec"].clone())
    );
    let told = lines(&run, &["rollback", "reports", "Service web", "conversion webhook failed"]);
    assert_eq!(told.len(), 1, "once, with what remains:\n{log}");
    assert!(lines(&run, &["rollback", "applies Deployment web"])[0].starts_with("17:45"), "at once:\n{log}");
    assert!((1500..1550).contains(&ended(&run, "prod-shop-2.0.0-rollback")), "{log}");
}

#[test]
fn a_controller_that_starts_again_in_the_window_still_judges_and_rolls_back() {
    comparison::same_after_a_crash(
        "bad object in the window",
        prod,
        &[FIRST, FADES, BROKEN, (1500, "it can", repair)],
    );
}

#[test]
fn a_rollback_that_cannot_restore_an_object_fails_at_the_deadline_and_names_it() {
    let run = settled(prod, &[FIRST, FADES, BROKEN]);
    let log = run.log.join("\n");
    let found = status(&run, "prod-shop-2.0.0-rollback");
    assert_eq!(
        (found.phase, found.reason.as_deref()),
        (PromotionPhase::Failed, Some("WriteDeadlineExceeded")),
        "{log}"
    );
    let message = found.message.unwrap();
    assert!(message.contains("Service web: conversion webhook failed"), "{message}");
    assert_eq!(image(&run, "web"), "web-1", "{log}");
    let tries = lines(&run, &["rollback failed: conversion"]).len();
    assert!((20..100).contains(&tries), "{tries} tries in half an hour, with back-off");
}

#[test]
fn an_object_that_the_release_added_and_that_cannot_be_read_is_not_said_to_be_removed() {
    let events: [Event; 4] = [
        (0, "release 1.0.0, without the Service", |store, now| {
            release(store, "1.0.0", vec![deployment("web", "web-1", None)], now)
        }),
        FADES,
        BROKEN,
        (1500, "the Service can be read", repair),
    ];
    let run = settled(prod, &events);
    let log = run.log.join("\n");
    assert!(object(&run, "prod", "Service web").is_null(), "{log}");
    assert_eq!(promotion(&run, "prod-shop-2.0.0-rollback"), PromotionPhase::Verified, "{log}");
    assert!(ended(&run, "prod-shop-2.0.0-rollback") >= 1500, "{log}");
    assert_eq!(lines(&run, &["rollback", "reports", "Service web", "to be removed"]).len(), 1, "{log}");
}

#[test]
fn objects_of_a_kind_that_is_gone_need_no_removal() {
    let gone: Event = (1030, "Services are not served any more", |store, _| {
        _ = store.namespaces.get_mut("shop-prod").unwrap().unserved.insert("Service".into())
    });
    let first: Event = (0, "release 1.0.0, without the Service", |store, now| {
        release(store, "1.0.0", vec![deployment("web", "web-1", None)], now)
    });
    let run = settled(prod, &[first, FADES, gone]);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0-rollback"), PromotionPhase::Verified, "{log}");
    assert_eq!(image(&run, "web"), "web-1", "{log}");
}

#[test]
fn a_rollback_waits_for_a_webhook_that_is_down_and_says_so_once() {
    let down: Event = (1030, "writes of web fail", |store, _| down(store, the_deployment()));
    let run = settled(prod, &[FIRST, FADES, down, (1400, "the webhook is back", repair)]);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0-rollback"), PromotionPhase::Verified, "{log}");
    let told =
        lines(&run, &["promotion prod-shop-2.0.0-rollback reports", "1 object is not written yet", DOWN]);
    assert_eq!(told.len(), 1, "{log}");
    let tries = lines(&run, &["rollback failed: failed calling webhook"]).len();
    assert!((8..20).contains(&tries), "{tries} tries in six minutes:\n{log}");
    assert_eq!(object(&run, "prod", "Service web")["spec"], service(80)["spec"], "the Service did not wait");
    assert!(ended(&run, "prod-shop-2.0.0-rollback") < 1450, "{log}");
}

/// The webhook goes down between the dry-run, which a wave hides, and the write.
#[test]
fn a_promotion_waits_for_a_webhook_that_is_down() {
    let waves: Event = (1000, "release 2.0.0 in two waves", |store, now| {
        let mut objects = pair("slow", "web-2");
        objects[1]["metadata"]["annotations"] = json!({ "towpath.dev/wave": "1" });
        release(store, "2.0.0", objects, now);
    });
    let down: Event = (1010, "writes of worker fail", |store, _| down(store, the_worker()));
    let run = settled(prod, &[FIRST, waves, down, (1300, "the webhook is back", repair)]);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{log}");
    let told = lines(&run, &["promotion prod-shop-2.0.0 reports", &the_worker().to_string(), DOWN]);
    assert_eq!(told.len(), 1, "{log}");
    let after = lines(&run, &["promotion prod-shop-2.0.0", "reports Promoting: 1 to create"]);
    assert_eq!(after.len(), 1, "it says again what it does:\n{log}");
}

#[test]
fn pods_are_not_started_before_what_they_need_is_written() {
    let runner = || ObjectKey::new("v1", "ServiceAccount", "runner").unwrap();
    let waves: Event = (0, "release 1.0.0, whose second wave has an account", |store, now| {
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": { "name": "runner", "annotations": { "towpath.dev/wave": "1" } },
        });
        let mut objects = pair("slow", "worker-1");
        objects[1]["metadata"]["annotations"] = json!({ "towpath.dev/wave": "1" });
        objects[1]["spec"]["template"]["spec"]["serviceAccountName"] = "runner".into();
        objects.push(account);
        release(store, "1.0.0", objects, now);
    });
    let down: Event = (10, "accounts cannot be written", |store, _| {
        down(store, ObjectKey::new("v1", "ServiceAccount", "runner").unwrap())
    });
    let run = settled(prod, &[waves, down, (300, "the webhook is back", repair)]);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{log}");
    assert_eq!(lines(&run, &["reports", &runner().to_string(), DOWN]).len(), 1, "{log}");
    assert_eq!(run.store.namespaces["shop-prod"].counts[&the_worker()].template_changes, 0);
    let created = status(&run, "prod-shop-1.0.0").rolled_out_at.unwrap().0.duration_since(start()).as_secs();
    assert!(created >= 305, "the worker started at second {created}:\n{log}");
}

/// Whatever a promotion writes waits after a failure, not only what it applies.
#[test]
fn a_hook_that_cannot_be_stopped_is_tried_again_with_delays() {
    let hooked: Event = (1000, "release 2.0.0, whose hook runs 40 seconds", |store, now| {
        let slow = hooks::hook("migrate", "pre-promote", "slow", json!({ "activeDeadlineSeconds": 60 }));
        hooks::with(store, "2.0.0", "web", vec![slow], now);
    });
    let down: Event = (1005, "Jobs cannot be deleted", |store, _| {
        let shown = store.namespaces["shop-prod"].shown();
        let job = shown.keys().find_map(|key| key.strip_prefix("Job ")).unwrap();
        down(store, ObjectKey::new("batch/v1", "Job", job).unwrap());
    });
    let back: Event = (1010, "a person rolls it back", |store, now| {
        let spec = json!({ "release": "shop-2.0.0", "environment": "prod", "kind": "Rollback" });
        store.add_promotion("manual", serde_json::from_value(spec).unwrap(), now);
    });
    let first: Event = (0, "release 1.0.0", |store, now| hooks::with(store, "1.0.0", "web", vec![], now));
    let run = settled(prod, &[first, hooked, down, back, (1200, "the webhook is back", repair)]);
    let log = run.log.join("\n");
    let tries = lines(&run, &["failed: failed calling webhook"]).len();
    assert!((2..15).contains(&tries), "{tries} tries:\n{log}");
    assert_eq!(promotion(&run, "manual"), PromotionPhase::Verified, "{log}");
}

fn pause(store: &mut Store, name: &str, paused: bool, now: Timestamp) {
    let key = ObjectKey::new("apps/v1", "Deployment", name).unwrap();
    let patch = json!([{ "op": "add", "path": "/spec/paused", "value": paused }]);
    store.namespaces.get_mut("shop-prod").unwrap().patch(&key, patch, now).unwrap();
}

#[test]
fn a_paused_deployment_that_the_release_changes_is_waited_for_before_anything_is_written() {
    let run = settled(
        prod,
        &[
            (0, "release 1.0.0", |store, now| release(store, "1.0.0", pair("web-1", "worker-1"), now)),
            (990, "worker is paused", |store, now| pause(store, "worker", true, now)),
            (1000, "release 2.0.0 changes web", |store, now| {
                release(store, "2.0.0", pair("web-2", "worker-1"), now)
            }),
            (1990, "web is paused, too", |store, now| pause(store, "web", true, now)),
            (2000, "release 3.0.0 changes web", |store, now| {
                release(store, "3.0.0", pair("web-3", "worker-1"), now)
            }),
            (9000, "web is resumed", |store, now| pause(store, "web", false, now)),
        ],
    );
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-3.0.0"), PromotionPhase::Verified, "{log}");
    let sentence = "Deployment web in shop-prod is paused; resume it with kubectl rollout resume deployment/web -n shop-prod";
    assert_eq!(lines(&run, &["promotion prod-shop-3.0.0 reports", sentence]).len(), 1, "{log}");
    assert!(!log.contains("Deployment worker in shop-prod is paused"), "{log}");
    let tried = lines(&run, &["promotion prod-shop-3.0.0 tries"]);
    assert_eq!(tried.len(), 2, "again after the wait:\n{log}");
    assert!(
        lines(&run, &["promotion prod-shop-3.0.0", "applies Deployment web"])[0].starts_with("150:"),
        "{log}"
    );
}
