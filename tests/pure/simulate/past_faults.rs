//! Worlds in which `decide` once went wrong, each as small as it could be made.

use super::outcomes::{object, promotion, summary};
use super::run::start;
use super::scenarios::{app, deployment, environment, pair, prod, release, settled, shop};
use super::store::Store;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::sync::Arc;
use towpath::api::{FailureAction, PromotionPhase, RollbackPolicySpec};
use towpath::content::ObjectKey;

fn refuse(store: &mut Store, api_version: &str, kind: &str, name: &str, refused: bool) {
    let key = ObjectKey::new(api_version, kind, name).unwrap();
    let namespace = store.namespaces.get_mut("shop-prod").unwrap();
    match refused {
        true => _ = namespace.refused.insert(key, "forbidden by a policy".into()),
        false => _ = namespace.refused.remove(&key),
    }
}

#[test]
fn an_older_release_whose_promotion_waited_does_not_follow_a_newer_one() {
    let run = settled(
        prod,
        &[
            (0, "release 1.0.0, whose Service is refused", |store, now| {
                refuse(store, "v1", "Service", "web", true);
                shop(store, "1.0.0", "web", now);
            }),
            (20, "release 2.0.0, without a Service", |store, now| {
                release(store, "2.0.0", vec![deployment("web", "web-2", None)], now)
            }),
            (400, "Services are allowed", |store, _| refuse(store, "v1", "Service", "web", false)),
        ],
    );
    assert!(summary(&run, "prod").starts_with("shop 2.0.0"), "{}", run.log.join("\n"));
}

#[test]
fn a_write_that_is_refused_for_good_ends_the_promotion() {
    let run = settled(
        prod,
        &[
            (0, "release 1.0.0 in two waves", |store, now| {
                release(
                    store,
                    "1.0.0",
                    vec![deployment("api", "slow", None), deployment("worker", "web", Some("1"))],
                    now,
                );
            }),
            (10, "the second is refused from now on", |store, _| {
                refuse(store, "apps/v1", "Deployment", "worker", true)
            }),
        ],
    );
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Failed);
    assert!(object(&run, "prod", "Deployment api").is_null(), "it is rolled back");
}

#[test]
fn what_a_release_lacks_is_removed_where_overrides_cannot_be_applied_twice() {
    let setting = |store: &mut Store, now: Timestamp| {
        let operation = json!({ "op": "remove", "path": "/metadata/labels/extra" });
        let patches = json!([{ "kind": "Deployment", "name": "web", "operations": [operation] }]);
        environment(store, "prod", json!({ "overrides": { "patches": patches } }), now);
    };
    let run = settled(
        setting,
        &[
            (0, "release 1.0.0", |store, now| {
                let mut objects = app("1.0.0", "web");
                objects[2]["metadata"]["labels"] = json!({ "extra": "yes" });
                release(store, "1.0.0", objects, now);
            }),
            (600, "release 2.0.0, without the Service", |store, now| {
                let mut objects = app("2.0.0", "web");
                objects[2]["metadata"]["labels"] = json!({ "extra": "yes" });
                objects.remove(1);
                release(store, "2.0.0", objects, now);
            }),
        ],
    );
    assert_eq!(summary(&run, "prod"), "shop 2.0.0 (r2)");
    assert!(object(&run, "prod", "Service web").is_null(), "{}", run.log.join("\n"));
}

#[test]
fn what_was_there_before_towpath_is_not_removed_once_it_was_restored() {
    let setting = |store: &mut Store, now: Timestamp| {
        environment(store, "prod", json!({ "adoptFrom": ["kubectl"] }), now);
        let mut api = deployment("api", "api", None);
        api["metadata"]["namespace"] = "shop-prod".into();
        store.namespaces.get_mut("shop-prod").unwrap().place(api, "kubectl", now);
    };
    let run = settled(
        setting,
        &[
            (60, "release 1.0.0 fails, and the api is restored", |store, now| {
                release(store, "1.0.0", vec![deployment("api", "crash", None)], now);
            }),
            (600, "release 2.0.0 has nothing to do with it", |store, now| {
                release(store, "2.0.0", vec![deployment("web", "web", None)], now)
            }),
        ],
    );
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified);
    assert!(!object(&run, "prod", "Deployment api").is_null(), "{}", run.log.join("\n"));
}

#[test]
fn a_rollback_is_made_though_its_name_is_taken() {
    let run = settled(
        prod,
        &[
            (0, "release shop-1.0.0-rollback", |store, now| {
                release(store, "1.0.0-rollback", app("0", "web"), now);
            }),
            (600, "release 1.0.0, which crashes", |store, now| shop(store, "1.0.0", "crash", now)),
        ],
    );
    assert!(summary(&run, "prod").starts_with("shop 1.0.0-rollback (r3)"), "{}", run.log.join("\n"));
}

#[test]
fn what_a_person_rolled_back_to_the_baseline_stays_rolled_back() {
    let run = settled(
        prod,
        &[
            (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now)),
            (600, "a person takes it back to what was there before", |store, now| {
                let spec = json!({ "release": "shop-1.0.0", "environment": "prod", "kind": "Rollback", "toRevision": 0 });
                store.add_promotion("manual", serde_json::from_value(spec).unwrap(), now);
            }),
            (1200, "release 2.0.0, which crashes", |store, now| shop(store, "2.0.0", "crash", now)),
        ],
    );
    assert!(object(&run, "prod", "Deployment web").is_null(), "{}", run.log.join("\n"));
}

#[test]
fn pods_that_wait_for_a_node_in_the_window_fail_a_release_only_if_none_is_left_after_it() {
    let setting = |store: &mut Store, now: Timestamp| {
        let mut policy = RollbackPolicySpec::default();
        policy.failing.unschedulable = std::time::Duration::from_secs(30).into();
        store.policies.insert("strict".into(), policy);
        environment(store, "prod", json!({ "rollbackPolicyRef": "strict" }), now);
    };
    let run = settled(
        setting,
        &[
            (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now)),
            (600, "release 2.0.0, whose pods lose their node after a minute", |store, now| {
                shop(store, "2.0.0", "stray", now)
            }),
        ],
    );
    let status = Arc::clone(&run.store.promotions["prod-shop-2.0.0"]).status.clone().unwrap();
    let failed = status.finished_at.unwrap().0;
    // Rolled out after 5 s, observed for 300 s, and without a ready pod for the 600 s of the progress deadline.
    assert_eq!(
        (status.reason.as_deref(), failed.duration_since(start() + SignedDuration::from_secs(600)).as_secs()),
        (Some("ProgressDeadlineExceeded"), 905),
        "{}",
        run.log.join("\n")
    );
}

#[test]
fn an_observe_window_of_half_a_second_is_over_after_it() {
    let setting = |store: &mut Store, now: Timestamp| {
        let policy = RollbackPolicySpec {
            observe_window: std::time::Duration::from_millis(500).into(),
            ..RollbackPolicySpec::default()
        };
        store.policies.insert("short".into(), policy);
        environment(store, "prod", json!({ "rollbackPolicyRef": "short" }), now);
    };
    let run = settled(setting, &[(0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now))]);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified);
}

#[test]
fn what_failed_long_ago_is_not_offered_again_when_history_has_forgotten_it() {
    fn crash(store: &mut Store, version: &str, now: Timestamp) {
        shop(store, version, "crash", now);
    }
    let run = settled(
        |store, now| environment(store, "prod", json!({ "historyLimit": 2 }), now),
        &[
            (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now)),
            (2000, "release 2.0.0", |store, now| crash(store, "2.0.0", now)),
            (6000, "release 3.0.0", |store, now| crash(store, "3.0.0", now)),
            (10000, "release 4.0.0", |store, now| crash(store, "4.0.0", now)),
        ],
    );
    assert!(summary(&run, "prod").starts_with("shop 1.0.0"), "{}", run.log.join("\n"));
    let offers = |release: &str| {
        run.log.iter().filter(|line| line.contains(&format!("creates prod-{release}"))).count()
    };
    for release in ["shop-2.0.0", "shop-3.0.0", "shop-4.0.0"] {
        assert_eq!(offers(release), 2, "{release}: itself and its rollback:\n{}", run.log.join("\n"));
    }
}

#[test]
fn a_workload_that_failed_before_and_is_not_changed_is_no_fault_of_the_next_release() {
    let run = settled(
        |store, now| {
            environment(store, "prod", json!({ "rollbackPolicyRef": "patient" }), now);
            let notify =
                RollbackPolicySpec { action: FailureAction::Notify, ..RollbackPolicySpec::default() };
            store.policies.insert("patient".into(), notify);
        },
        &[
            (0, "release 1.0.0, whose worker crashes", |store, now| {
                release(store, "1.0.0", pair("web", "crash"), now);
            }),
            (2000, "release 2.0.0, of web alone", |store, now| {
                release(store, "2.0.0", pair("web-2", "crash"), now);
            }),
        ],
    );
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Failed);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
}

#[test]
fn a_promotion_by_automation_that_waited_does_not_offer_what_a_person_tried_and_saw_fail() {
    let run = settled(
        prod,
        &[
            (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now)),
            (1000, "Services are refused", |store, _| refuse(store, "v1", "Service", "web", true)),
            (1001, "release 2.0.0", |store, now| shop(store, "2.0.0", "crash", now)),
            (1003, "a person tries it, too", |store, now| {
                let spec = json!({ "release": "shop-2.0.0", "environment": "prod" });
                store.add_promotion("manual", serde_json::from_value(spec).unwrap(), now);
            }),
            (1010, "Services are allowed", |store, _| refuse(store, "v1", "Service", "web", false)),
        ],
    );
    let tried = ["manual", "prod-shop-2.0.0"].map(|name| promotion(&run, name));
    let failed = tried.iter().filter(|phase| **phase == PromotionPhase::Failed).count();
    assert_eq!(failed, 1, "{tried:?}\n{}", run.log.join("\n"));
    assert!(summary(&run, "prod").starts_with("shop 1.0.0"), "{}", run.log.join("\n"));
}

#[test]
fn an_environment_that_came_after_the_capture_keeps_a_content_of_its_own() {
    let run = settled(
        |_, _| {},
        &[
            (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now)),
            (100, "prod is made", |store, now| environment(store, "prod", json!({}), now)),
        ],
    );
    let content = run.store.promotions["prod-shop-1.0.0"].status.as_ref().unwrap().content.clone();
    assert!(content.as_ref().is_some_and(|name| name.starts_with("prod-shop-")), "{content:?}");
}

#[test]
fn what_a_person_asked_for_before_another_release_went_in_does_not_follow_it() {
    let run = settled(
        |store, now| environment(store, "prod", json!({ "promotion": "Manual" }), now),
        &[
            (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now)),
            (1, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now)),
            (10, "1.0.0 is held", |store, _| hold(store, "shop-1.0.0", true)),
            (20, "a person asks for it", |store, now| manual(store, "first", "shop-1.0.0", now)),
            (30, "and for 2.0.0", |store, now| manual(store, "second", "shop-2.0.0", now)),
            (2000, "the hold is lifted", |store, _| hold(store, "shop-1.0.0", false)),
        ],
    );
    assert_eq!(promotion(&run, "second"), PromotionPhase::Verified);
    assert_eq!(promotion(&run, "first"), PromotionPhase::Cancelled, "{}", run.log.join("\n"));
    assert!(summary(&run, "prod").starts_with("shop 2.0.0"), "{}", run.log.join("\n"));
}

fn hold(store: &mut Store, release: &str, held: bool) {
    Arc::make_mut(store.releases.get_mut(release).unwrap()).spec.hold = Some(held);
}

fn manual(store: &mut Store, name: &str, release: &str, now: Timestamp) {
    let spec = json!({ "release": release, "environment": "prod" });
    store.add_promotion(name, serde_json::from_value(spec).unwrap(), now);
}
