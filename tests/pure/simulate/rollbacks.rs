//! Rollbacks end at what was asked for, whatever history has forgotten and what else is asked until then.

use super::outcomes::{image, promotion};
use super::run::{Event, Run};
use super::scenarios::{deployment, environment, pair, prod, recreated, release, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;
use std::sync::Arc;
use towpath::api::{FailureAction, PromotionPhase, RollbackPolicySpec};

pub const FIRST: Event = (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web-1", now));
pub const SECOND: Event = (1000, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now));
/// It is watched until second 1310.
pub const FADES: Event =
    (1000, "release 2.0.0, whose pods crash after a minute", |store, now| shop(store, "2.0.0", "fade", now));
pub const TAKEN: Event = (1030, "the Service is another's", |store, now| service_of(store, "other", now));

/// A person asks for a rollback in prod.
pub fn back(store: &mut Store, name: &str, release: &str, to: i64, now: Timestamp) {
    back_in(store, "prod", name, release, to, now);
}

fn back_in(store: &mut Store, environment: &str, name: &str, release: &str, to: i64, now: Timestamp) {
    let spec =
        json!({ "release": release, "environment": environment, "kind": "Rollback", "toRevision": to });
    store.add_promotion(name, serde_json::from_value(spec).unwrap(), now);
}

/// A user writes the Service over, as one of that project.
pub fn service_of(store: &mut Store, project: &str, now: Timestamp) {
    let marks = json!({ "towpath.dev/owner": format!("{project}.prod.shop") });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "spec": { "ports": [{ "port": 80 }] },
        "metadata": { "name": "web", "namespace": "shop-prod", "annotations": marks },
    });
    store.namespaces.get_mut("shop-prod").unwrap().place(service, "a-user", now);
}

fn runs(run: &Run, web: &str, others: [(&str, &str); 1]) {
    for (name, expected) in [("web", web)].into_iter().chain(others) {
        assert_eq!(image(run, name), expected, "{name}\n{}", run.log.join("\n"));
    }
}

#[test]
fn a_rollback_restores_what_a_revision_changed_that_history_has_forgotten() {
    fn put(store: &mut Store, version: &str, web: &str, now: Timestamp) {
        let mut objects = pair(web, "worker-2");
        objects.push(deployment("extra", "extra", None));
        release(store, version, objects, now);
    }
    let run = settled(
        |store, now| environment(store, "prod", json!({ "historyLimit": 2 }), now),
        &[
            (0, "release 1.0.0", |store, now| release(store, "1.0.0", pair("web-1", "worker-1"), now)),
            (1000, "2.0.0 changes the worker and adds one", |store, now| put(store, "2.0.0", "web-1", now)),
            (2000, "release 3.0.0", |store, now| put(store, "3.0.0", "web-3", now)),
            (3000, "release 4.0.0", |store, now| put(store, "4.0.0", "web-4", now)),
            (4000, "release 5.0.0", |store, now| put(store, "5.0.0", "web-5", now)),
            (6000, "back to the first", |store, now| back(store, "manual", "shop-5.0.0", 1, now)),
        ],
    );
    assert!(!run.store.promotions.contains_key("prod-shop-2.0.0"), "history remembers it");
    assert_eq!(promotion(&run, "manual"), PromotionPhase::Verified);
    runs(&run, "web-1", [("worker", "worker-1")]);
    assert_eq!(image(&run, "extra"), "", "{}", run.log.join("\n"));
}

#[test]
fn a_rollback_whose_target_history_has_forgotten_is_not_the_baseline() {
    fn put(store: &mut Store, version: &str, web: &str, now: Timestamp) {
        release(store, version, pair(web, "worker"), now);
    }
    let run = settled(
        |store, now| environment(store, "prod", json!({ "historyLimit": 3 }), now),
        &[
            (0, "release 1.0.0", |store, now| put(store, "1.0.0", "web-1", now)),
            (1000, "release 2.0.0", |store, now| put(store, "2.0.0", "web-2", now)),
            (2000, "release 3.0.0, which crashes", |store, now| put(store, "3.0.0", "crash", now)),
            (3000, "release 4.0.0", |store, now| put(store, "4.0.0", "web-4", now)),
            (4000, "release 5.0.0", |store, now| put(store, "5.0.0", "web-5", now)),
            (6000, "back to the baseline", |store, now| back(store, "manual", "shop-5.0.0", 0, now)),
        ],
    );
    assert!(!run.store.promotions.contains_key("prod-shop-2.0.0"), "history remembers it");
    assert_eq!(promotion(&run, "manual"), PromotionPhase::Verified);
    runs(&run, "", [("worker", "")]);
}

#[test]
fn an_automatic_rollback_that_waited_does_not_follow_a_persons() {
    let run = settled(
        prod,
        &[
            FIRST,
            FADES,
            TAKEN,
            (1120, "back to the baseline", |store, now| back(store, "manual", "shop-2.0.0", 0, now)),
            (1300, "the Service is ours again", |store, now| service_of(store, "shop", now)),
        ],
    );
    assert_eq!(promotion(&run, "prod-shop-2.0.0-rollback"), PromotionPhase::Cancelled);
    assert_eq!(image(&run, "web"), "", "{}", run.log.join("\n"));
}

#[test]
fn an_automatic_rollback_that_waited_does_not_go_into_a_namespace_recreated() {
    let run = settled(prod, &[FIRST, FADES, TAKEN, (1120, "shop-prod is created again", recreated)]);
    let status = run.store.promotions["prod-shop-2.0.0-rollback"].status.clone().unwrap();
    assert_eq!(status.revision, None, "{}", run.log.join("\n"));
}

#[test]
fn a_rollback_that_is_being_deleted_holds_no_promotion_up() {
    let run = settled(
        prod,
        &[
            FIRST,
            FADES,
            TAKEN,
            (1120, "the rollback is deleted and something keeps it; the Service is ours", |store, now| {
                let rollback = store.promotions.get_mut("prod-shop-2.0.0-rollback").unwrap();
                Arc::make_mut(rollback).metadata.deletion_timestamp = Some(Time(now));
                service_of(store, "shop", now);
            }),
            (3000, "release 3.0.0", |store, now| shop(store, "3.0.0", "web-3", now)),
        ],
    );
    assert_eq!(promotion(&run, "prod-shop-2.0.0-rollback-2"), PromotionPhase::Verified);
    assert_eq!(promotion(&run, "prod-shop-3.0.0"), PromotionPhase::Verified);
    assert_eq!(image(&run, "web"), "web-3", "{}", run.log.join("\n"));
}

#[test]
fn a_rollback_is_not_blamed_for_what_failed_before_the_bad_release() {
    fn policy(store: &mut Store, action: FailureAction) {
        let policy = RollbackPolicySpec { action, ..RollbackPolicySpec::default() };
        store.policies.insert("changing".into(), policy);
    }
    fn put(store: &mut Store, version: &str, web: &str, now: Timestamp) {
        release(store, version, pair(web, "crash"), now);
    }
    let run = settled(
        |store, now| {
            environment(store, "prod", json!({ "rollbackPolicyRef": "changing" }), now);
            policy(store, FailureAction::Notify);
        },
        &[
            (0, "release 1.0.0, whose worker crashes", |store, now| put(store, "1.0.0", "web-1", now)),
            (2000, "release 2.0.0, of web alone", |store, now| put(store, "2.0.0", "web-2", now)),
            (3000, "failures are rolled back now", |store, _| policy(store, FailureAction::Rollback)),
            (4000, "release 3.0.0, which crashes", |store, now| put(store, "3.0.0", "crash", now)),
        ],
    );
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified);
    assert_eq!(promotion(&run, "prod-shop-3.0.0-rollback"), PromotionPhase::Verified);
    runs(&run, "web-2", [("worker", "crash")]);
}

#[test]
fn what_a_person_rolled_back_in_staging_while_it_soaked_does_not_go_on_to_prod() {
    let run = settled(
        |store, now| {
            environment(store, "staging", json!({}), now);
            environment(store, "prod", json!({ "after": ["staging"], "soak": "30m" }), now);
        },
        &[
            FIRST,
            (4000, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now)),
            (4600, "back in staging", |store, now| back_in(store, "staging", "manual", "shop-2.0.0", 1, now)),
        ],
    );
    assert_eq!(promotion(&run, "manual"), PromotionPhase::Verified);
    assert_eq!(image(&run, "web"), "web-1", "{}", run.log.join("\n"));
}

/// A person wants a release out of prod, and leaves it to Towpath what comes back.
fn out(store: &mut Store, name: &str, release: &str, now: Timestamp) {
    let spec = json!({ "release": release, "environment": "prod", "kind": "Rollback" });
    store.add_promotion(name, serde_json::from_value(spec).unwrap(), now);
}

#[test]
fn a_release_that_two_people_take_back_stays_out() {
    let run = settled(
        prod,
        &[
            FIRST,
            SECOND,
            (2000, "one person", |store, now| out(store, "by-one", "shop-2.0.0", now)),
            (2000, "another", |store, now| out(store, "by-two", "shop-2.0.0", now)),
        ],
    );
    for name in ["by-one", "by-two"] {
        assert_eq!(promotion(&run, name), PromotionPhase::Verified, "{name}\n{}", run.log.join("\n"));
    }
    assert_eq!(image(&run, "web"), "web-1", "{}", run.log.join("\n"));
}

#[test]
fn taking_back_a_release_that_does_not_run_leaves_what_runs() {
    let run = settled(
        prod,
        &[
            FIRST,
            SECOND,
            (2000, "the first is rolled back", |store, now| out(store, "manual", "shop-1.0.0", now)),
        ],
    );
    assert_eq!(image(&run, "web"), "web-2", "{}", run.log.join("\n"));
}
