//! Objects that are being deleted and wait for a finalizer: what waits for them says so at once.

use super::comparison::{same_after_a_crash, same_in_any_order};
use super::outcomes::{object, promotion};
use super::run::{Event, Run};
use super::scenarios::{app, prod, release, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use towpath::api::PromotionPhase;
use towpath::content::ObjectKey;

fn service(name: &str) -> ObjectKey {
    ObjectKey::new("v1", "Service", name).unwrap()
}

fn guard(store: &mut Store, name: &str, now: Timestamp) {
    let namespace = store.namespaces.get_mut("shop-prod").unwrap();
    namespace.set(&service(name), "/metadata/finalizers", json!(["example.com/protect"]), now);
}

fn let_go(store: &mut Store, name: &str, _: Timestamp) {
    store.namespaces.get_mut("shop-prod").unwrap().finalized(&service(name));
}

fn message(run: &Run, name: &str) -> String {
    run.store.promotions[name].status.clone().unwrap().message.unwrap_or_default()
}

fn extra() -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "extra" }, "spec": { "ports": [{ "port": 80 }] } })
}

const FIRST: Event = (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now));

const WRITTEN: [Event; 4] = [
    FIRST,
    (900, "a user deletes the Service, which has a finalizer", |store, now| {
        guard(store, "web", now);
        store.namespaces.get_mut("shop-prod").unwrap().lose("Service", "web");
    }),
    (1000, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now)),
    (1060, "the finalizer is removed", |store, now| let_go(store, "web", now)),
];

#[test]
fn a_write_that_waits_for_a_finalizer_says_so_at_once() {
    let run = Run::of(prod, &WRITTEN).until(1010);
    let told = message(&run, "prod-shop-2.0.0");
    assert!(
        told.contains("Service web") && told.contains("example.com/protect"),
        "{told}\n{}",
        run.log.join("\n")
    );
    let run = settled(prod, &WRITTEN);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    let web = object(&run, "prod", "Service web");
    assert!(!web.is_null() && web["metadata"]["deletionTimestamp"].is_null(), "{web}");
    same_after_a_crash("a finalizer", prod, &WRITTEN);
}

const REMOVED: [Event; 4] = [
    FIRST,
    (1000, "release 2.0.0, with one Service more, whose pods crash after a minute", |store, now| {
        let mut objects = app("2.0.0", "fade");
        objects.push(extra());
        release(store, "2.0.0", objects, now);
    }),
    (1010, "a controller adds a finalizer", |store, now| guard(store, "extra", now)),
    (1120, "and removes it later", |store, now| let_go(store, "extra", now)),
];

#[test]
fn a_rollback_is_not_restored_before_what_it_removes_is_gone() {
    let run = Run::of(prod, &REMOVED).until(1110);
    let told = message(&run, "prod-shop-2.0.0-rollback");
    assert_eq!(
        promotion(&run, "prod-shop-2.0.0-rollback"),
        PromotionPhase::Promoting,
        "{}",
        run.log.join("\n")
    );
    assert!(told.contains("Service extra") && told.contains("example.com/protect"), "{told}");
    let run = settled(prod, &REMOVED);
    assert_eq!(
        promotion(&run, "prod-shop-2.0.0-rollback"),
        PromotionPhase::Verified,
        "{}",
        run.log.join("\n")
    );
    let status = run.store.promotions["prod-shop-2.0.0-rollback"].status.clone().unwrap();
    assert!(!status.message.unwrap().contains("extra"));
    same_after_a_crash("a removal with a finalizer", prod, &REMOVED);
    same_in_any_order("a removal with a finalizer", prod, &REMOVED);
}

/// A finalizer that is never removed is no failure of the rollback: everything is restored. The record says what remains.
#[test]
fn a_rollback_ends_without_an_object_whose_finalizer_stays() {
    let run = settled(prod, &REMOVED[..3]);
    assert_eq!(
        promotion(&run, "prod-shop-2.0.0-rollback"),
        PromotionPhase::Verified,
        "{}",
        run.log.join("\n")
    );
    let told = message(&run, "prod-shop-2.0.0-rollback");
    assert!(told.contains("Service extra") && told.contains("example.com/protect"), "{told}");
}
