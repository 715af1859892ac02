//! A plan is said, and nothing waits for it or is written again and again because of it.

use super::run::Event;
use super::scenarios::{environment, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;

/// Prod after staging, which a person starts, with two hours of soak.
fn path(store: &mut Store, now: Timestamp) {
    environment(store, "staging", json!({ "promotion": "Manual" }), now);
    environment(store, "prod", json!({ "after": ["staging"], "soak": "2h" }), now);
}

fn planned(store: &mut Store, starts: Value, now: Timestamp) {
    shop(store, "1.0.0", "web-1", now);
    let release = Arc::make_mut(store.releases.get_mut("shop-1.0.0").unwrap());
    release.spec.change = serde_json::from_value(json!({ "plannedFor": starts })).unwrap();
}

#[test]
fn a_plan_that_the_soak_cannot_meet_is_said_once() {
    let events: [Event; 1] = [(0, "release 1.0.0 is planned for prod in an hour", |store, now| {
        planned(store, json!([{ "environment": "prod", "at": "2026-11-02T10:00:00Z" }]), now);
    })];
    let run = settled(path, &events);
    let status = run.store.releases["shop-1.0.0"].status.clone().unwrap();
    assert_eq!(status.planning, ["prod: planned for 2026-11-02T10:00:00Z, and late: Order"]);
    let said = |words: &str| {
        run.log.iter().filter(|line| line.contains("release shop-1.0.0") && line.contains(words)).count()
    };
    assert!(said("reports") <= 4, "{}", run.log.join("\n"));
}

#[test]
fn a_plan_that_can_still_be_met_is_said_when_it_cannot_any_more() {
    let events: [Event; 1] = [(0, "release 1.0.0 is planned for prod in four hours", |store, now| {
        planned(store, json!([{ "environment": "prod", "at": "2026-11-02T13:00:00Z" }]), now);
    })];
    let status = |seconds: i64| {
        let run = super::run::Run::of(path, &events).until(seconds);
        run.store.releases["shop-1.0.0"].status.clone().unwrap().planning
    };
    assert_eq!(status(3_600), [] as [String; 0]);
    let words = "prod: planned for 2026-11-02T13:00:00Z, and it needs 2h 5m after its start in staging, where it is not verified";
    assert_eq!(status(7_200), [words]);
    assert_eq!(status(4 * 3_600 + 60), ["prod: planned for 2026-11-02T13:00:00Z, and late: Order"]);
}
