//! Approvals ahead of the window: what is approved in the morning goes at noon, unless something better came.

use super::comparison;
use super::outcomes::{image, promotion};
use super::run::{Event, Run};
use super::scenarios::{app, environment, settled};
use super::store::Store;
use jiff::Timestamp;
use serde_json::json;
use std::sync::Arc;
use towpath::api::PromotionPhase;

const FIRST: Event = (0, "release 1.0.0", |store, now| asked(store, "1.0.0", now));
const FIRST_APPROVED: Event = (100, "approved", |store, now| store.approve("prod-shop-1.0.0", now));
const SECOND: Event = (200, "release 2.0.0", |store, now| asked(store, "2.0.0", now));
const SECOND_APPROVED: Event = (300, "approved", |store, now| store.approve("prod-shop-2.0.0", now));

/// The window opens three hours after the start.
fn at_noon(store: &mut Store, now: Timestamp) {
    store.enforced = true;
    let windows = json!([{ "schedule": "0 12 * * *", "duration": "2h" }]);
    let spec = json!({ "approvals": { "required": 1 }, "windows": windows, "historyLimit": 2 });
    environment(store, "prod", spec, now);
}

/// Alice asks for a release whose web is of its version.
fn asked(store: &mut Store, version: &str, now: Timestamp) {
    let objects = app(version, &format!("web-{version}"));
    let spec = json!({
        "application": "shop", "version": version, "source": { "manifests": objects }, "requestedBy": { "username": "alice" },
    });
    store.add_release(&format!("shop-{version}"), serde_json::from_value(spec).unwrap(), now);
}

fn started(run: &Run, promotion: &str) -> String {
    let status = run.store.promotions[promotion].status.clone().unwrap();
    let started = status.started_at.unwrap_or_else(|| panic!("never:\n{}", run.log.join("\n")));
    started.0.to_string()
}

#[test]
fn what_is_approved_goes_when_the_window_opens_wherever_the_controller_crashes() {
    let run = settled(at_noon, &[FIRST, FIRST_APPROVED]);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified);
    assert_eq!(started(&run, "prod-shop-1.0.0"), "2026-11-02T12:00:00Z");
    comparison::same_in_any_order("approved ahead", at_noon, &[FIRST, FIRST_APPROVED]);
    comparison::same_after_a_crash("approved ahead", at_noon, &[FIRST, FIRST_APPROVED]);
}

#[test]
fn of_two_that_are_approved_the_newest_goes_when_the_window_opens() {
    let run = settled(at_noon, &[FIRST, FIRST_APPROVED, SECOND, SECOND_APPROVED]);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Cancelled, "{}", run.log.join("\n"));
    assert_eq!(image(&run, "web"), "web-2.0.0");
}

#[test]
fn other_overrides_ask_for_other_approvals() {
    let events: [Event; 4] = [
        FIRST,
        FIRST_APPROVED,
        (200, "other overrides", |store, _| {
            let environment = Arc::make_mut(store.environments.get_mut("prod").unwrap());
            let replicas = json!([{ "kind": "Deployment", "name": "web", "replicas": 3 }]);
            environment.spec.overrides = serde_json::from_value(json!({ "replicas": replicas })).unwrap();
        }),
        (12600, "approved at half past twelve", |store, now| store.approve("prod-shop-1.0.0", now)),
    ];
    assert_eq!(started(&settled(at_noon, &events), "prod-shop-1.0.0"), "2026-11-02T12:30:00Z");
}

#[test]
fn what_never_began_leaves_history_when_a_newer_one_has_superseded_it() {
    let events: [Event; 6] = [
        FIRST,
        SECOND,
        (300, "release 3.0.0", |store, now| asked(store, "3.0.0", now)),
        (400, "release 4.0.0", |store, now| asked(store, "4.0.0", now)),
        (500, "release 5.0.0", |store, now| asked(store, "5.0.0", now)),
        (600, "approved", |store, now| store.approve("prod-shop-5.0.0", now)),
    ];
    let run = settled(at_noon, &events);
    assert_eq!(promotion(&run, "prod-shop-5.0.0"), PromotionPhase::Verified);
    assert_eq!(run.store.promotions.len(), 3, "{:?}", run.store.promotions.keys());
}

#[test]
fn what_never_began_leaves_history_when_its_release_is_gone() {
    let events: [Event; 5] = [
        FIRST,
        SECOND,
        (300, "release 3.0.0", |store, now| asked(store, "3.0.0", now)),
        (400, "release 4.0.0", |store, now| asked(store, "4.0.0", now)),
        (500, "all but the newest are deleted", |store, _| {
            store.releases.retain(|name, _| name == "shop-4.0.0")
        }),
    ];
    let run = settled(at_noon, &events);
    let ended = run.store.promotions.values().filter(|promotion| promotion.phase().is_final());
    assert_eq!(ended.count(), 2, "{:?}\n{}", run.store.promotions.keys(), run.log.join("\n"));
}
