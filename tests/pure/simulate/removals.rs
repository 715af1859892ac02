//! What a release no longer contains: what is deleted and when, what is left, and what comes back as it was.

use super::comparison::{same_after_a_crash, same_in_any_order};
use super::outcomes::{image, object, promotion};
use super::run::{Event, Run};
use super::scenarios::{app, deployment, environment, release, settled};
use super::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use towpath::api::{ChangeAction, FailureAction, ObjectChange, PromotionPhase, Removal, RollbackPolicySpec};
use towpath::content::ObjectKey;

pub fn plain(api_version: &str, kind: &str, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name }, "spec": spec })
}

fn claim() -> Value {
    plain("v1", "PersistentVolumeClaim", "uploads", json!({ "accessModes": ["ReadWriteOnce"] }))
}

fn ingress() -> Value {
    plain("networking.k8s.io/v1", "Ingress", "web", json!({ "rules": [] }))
}

fn config(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "k": "v" } })
}

fn account(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } })
}

fn annotated(mut object: Value, annotation: &str, value: &str) -> Value {
    object["metadata"]["annotations"] = json!({ annotation: value });
    object
}

/// Everything that a release may lose, beside the application.
fn full() -> Vec<Value> {
    let mut objects = app("1.0.0", "web");
    objects.extend([
        claim(),
        ingress(),
        config("dashboard"),
        account("runner"),
        deployment("worker", "worker", None),
        annotated(config("prices"), "towpath.dev/prune", "never"),
        annotated(config("rates"), "helm.sh/resource-policy", "keep"),
    ]);
    objects
}

fn with_claims(store: &mut Store, now: Timestamp) {
    let kinds = json!([{ "apiVersion": "v1", "kind": "PersistentVolumeClaim" }]);
    environment(store, "prod", json!({ "kinds": kinds }), now);
}

const FULL: Event = (0, "release 1.0.0, with everything", |store, now| release(store, "1.0.0", full(), now));
const FEWER: Event = (1000, "release 2.0.0, of the application alone", |store, now| {
    release(store, "2.0.0", app("2.0.0", "web-2"), now);
});
const FEWER_FADES: Event = (1000, "release 2.0.0, whose pods crash after a minute", |store, now| {
    release(store, "2.0.0", app("2.0.0", "fade"), now);
});

pub fn changes(run: &Run, name: &str) -> Vec<ObjectChange> {
    run.store.promotions[name].status.clone().unwrap().changes
}

/// The change of an object in a promotion.
pub fn change(run: &Run, name: &str, object: &str) -> Option<ObjectChange> {
    changes(run, name).into_iter().find(|change| format!("{} {}", change.kind, change.name) == object)
}

fn removal(run: &Run, name: &str, object: &str) -> Option<Removal> {
    change(run, name, object).filter(|change| change.action == ChangeAction::Delete)?.removal
}

fn is_there(run: &Run, name: &str) -> bool {
    !object(run, "prod", name).is_null()
}

pub fn in_prod(store: &mut Store) -> &mut super::cluster::Namespace {
    store.namespaces.get_mut("shop-prod").unwrap()
}

fn undeletable(store: &mut Store, api_version: &str, kind: &str, name: &str, refused: bool) {
    let key = ObjectKey::new(api_version, kind, name).unwrap();
    match refused {
        true => _ = in_prod(store).undeletable.insert(key, "denied by a policy".into()),
        false => _ = in_prod(store).undeletable.remove(&key),
    }
}

#[test]
fn what_can_be_restored_is_deleted_before_the_window_and_the_rest_after_it() {
    let until = |seconds: i64| Run::of(with_claims, &[FULL, FEWER]).until(seconds);
    let first = ["ConfigMap dashboard", "ServiceAccount runner", "Deployment worker"];
    let kept = ["PersistentVolumeClaim uploads", "ConfigMap prices", "ConfigMap rates"];
    // The rollout is complete after 5 seconds, and the window ends 5 minutes later.
    for (seconds, has_first, has_ingress) in [(1003, true, true), (1020, false, true), (1400, false, false)] {
        let run = until(seconds);
        let log = run.log.join("\n");
        first.iter().for_each(|name| assert_eq!(is_there(&run, name), has_first, "{seconds} {name}\n{log}"));
        assert_eq!(is_there(&run, "Ingress web"), has_ingress, "{seconds}\n{log}");
        kept.iter().for_each(|name| assert!(is_there(&run, name), "{seconds} {name}\n{log}"));
    }
}

#[test]
fn the_record_says_what_was_deleted_when_and_what_was_kept() {
    let run = settled(with_claims, &[FULL, FEWER]);
    let name = "prod-shop-2.0.0";
    assert_eq!(promotion(&run, name), PromotionPhase::Verified);
    for object in ["ConfigMap dashboard", "ServiceAccount runner", "Deployment worker"] {
        assert_eq!(removal(&run, name, object), Some(Removal::AfterRollout), "{object}");
    }
    assert_eq!(removal(&run, name, "Ingress web"), Some(Removal::AfterVerification));
    for object in ["PersistentVolumeClaim uploads", "ConfigMap prices", "ConfigMap rates"] {
        let kept = change(&run, name, object).unwrap();
        assert_eq!(kept.action, ChangeAction::Keep, "{object}");
        assert!(kept.message.is_some(), "{object}");
    }
}

#[test]
fn a_release_that_turns_bad_takes_nothing_with_it_that_cannot_be_restored() {
    let run = settled(with_claims, &[FULL, FEWER_FADES]);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed);
    assert_eq!(promotion(&run, "prod-shop-2.0.0-rollback"), PromotionPhase::Verified);
    let counts = &run.store.namespaces["shop-prod"].counts;
    for (key, counts) in
        counts.iter().filter(|(key, _)| matches!(key.kind(), "PersistentVolumeClaim" | "Ingress"))
    {
        assert_eq!((counts.created, counts.deleted), (1, 0), "{key}");
    }
    for name in ["ConfigMap dashboard", "ServiceAccount runner", "Deployment worker", "Service web"] {
        assert!(is_there(&run, name), "{name}\n{}", run.log.join("\n"));
    }
    let late = change(&run, "prod-shop-2.0.0", "Ingress web").unwrap();
    assert!(late.remaining, "{late:?}");
}

#[test]
fn a_deletion_that_is_refused_fails_nothing_and_the_next_promotion_repeats_it() {
    const DENIED: Event = (10, "the deletion of two objects is denied", |store, _| {
        undeletable(store, "networking.k8s.io/v1", "Ingress", "web", true);
        undeletable(store, "v1", "ConfigMap", "dashboard", true);
    });
    let run = settled(with_claims, &[FULL, DENIED, FEWER]);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    for name in ["Ingress web", "ConfigMap dashboard"] {
        let remaining = change(&run, "prod-shop-2.0.0", name).unwrap();
        assert!(remaining.remaining && remaining.message.unwrap().contains("denied by a policy"), "{name}");
    }
    let message = run.store.promotions["prod-shop-2.0.0"].status.clone().unwrap().message.unwrap();
    assert!(message.contains("Ingress web (denied by a policy)"), "{message}");
    let run = settled(
        with_claims,
        &[
            FULL,
            DENIED,
            FEWER,
            (1500, "it is allowed again", |store, _| {
                undeletable(store, "networking.k8s.io/v1", "Ingress", "web", false);
                undeletable(store, "v1", "ConfigMap", "dashboard", false);
            }),
            (2000, "release 3.0.0", |store, now| release(store, "3.0.0", app("3.0.0", "web-3"), now)),
        ],
    );
    assert!(
        !is_there(&run, "Ingress web") && !is_there(&run, "ConfigMap dashboard"),
        "{}",
        run.log.join("\n")
    );
    let kept = change(&run, "prod-shop-3.0.0", "PersistentVolumeClaim uploads").unwrap();
    assert_eq!(kept.action, ChangeAction::Keep, "the record of what runs lists what was left");
}

#[test]
fn what_a_superseded_release_should_have_deleted_is_deleted_by_the_next() {
    let run = settled(
        with_claims,
        &[
            FULL,
            (1000, "release 2.0.0, which is slow", |store, now| {
                release(store, "2.0.0", app("2.0.0", "slow"), now)
            }),
            (1010, "release 3.0.0", |store, now| release(store, "3.0.0", app("3.0.0", "web"), now)),
        ],
    );
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Superseded);
    for name in ["Ingress web", "ConfigMap dashboard", "ServiceAccount runner", "Deployment worker"] {
        assert!(!is_there(&run, name), "{name}\n{}", run.log.join("\n"));
    }
}

#[test]
fn what_a_failed_release_should_have_deleted_and_was_not_rolled_back_is_deleted_by_the_next() {
    let setting = |store: &mut Store, now: Timestamp| {
        let notify = RollbackPolicySpec { action: FailureAction::Notify, ..RollbackPolicySpec::default() };
        store.policies.insert("lenient".into(), notify);
        let kinds = json!([{ "apiVersion": "v1", "kind": "PersistentVolumeClaim" }]);
        environment(store, "prod", json!({ "kinds": kinds, "rollbackPolicyRef": "lenient" }), now);
    };
    let run = settled(
        setting,
        &[
            FULL,
            (1000, "release 2.0.0, which crashes", |store, now| {
                release(store, "2.0.0", app("2.0.0", "crash"), now);
            }),
            (2000, "release 3.0.0", |store, now| release(store, "3.0.0", app("3.0.0", "web"), now)),
        ],
    );
    assert_eq!(promotion(&run, "prod-shop-3.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert!(!is_there(&run, "Ingress web") && !is_there(&run, "Deployment worker"), "{}", run.log.join("\n"));
    assert!(is_there(&run, "PersistentVolumeClaim uploads"));
}

#[test]
fn a_rollback_removes_what_the_bad_release_added_but_no_claim_and_nothing_that_is_kept() {
    let run = settled(
        with_claims,
        &[
            (0, "release 1.0.0", |store, now| release(store, "1.0.0", app("1.0.0", "web"), now)),
            (1000, "release 2.0.0 adds everything, and fades", |store, now| {
                let mut objects = full();
                objects[2] = deployment("web", "fade", None);
                release(store, "2.0.0", objects, now);
            }),
        ],
    );
    assert_eq!(image(&run, "web"), "web", "{}", run.log.join("\n"));
    for name in ["Ingress web", "ConfigMap dashboard", "ServiceAccount runner", "Deployment worker"] {
        assert!(!is_there(&run, name), "{name}\n{}", run.log.join("\n"));
    }
    for name in ["PersistentVolumeClaim uploads", "ConfigMap prices", "ConfigMap rates"] {
        assert!(is_there(&run, name), "{name}");
        assert_eq!(change(&run, "prod-shop-2.0.0-rollback", name).unwrap().action, ChangeAction::Keep);
    }
}

#[test]
fn an_object_that_another_owner_took_over_in_the_window_is_not_deleted() {
    let run = settled(
        with_claims,
        &[
            FULL,
            FEWER,
            (1100, "another project takes the Ingress", |store, now| {
                let key = ObjectKey::new("networking.k8s.io/v1", "Ingress", "web").unwrap();
                in_prod(store).set(
                    &key,
                    "/metadata/annotations/towpath.dev~1owner",
                    json!("other.prod.web"),
                    now,
                );
            }),
        ],
    );
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified);
    assert!(is_there(&run, "Ingress web"), "{}", run.log.join("\n"));
}

#[test]
fn crashes_and_the_order_of_passes_change_nothing_about_removals() {
    for (what, events) in [("verified", [FULL, FEWER]), ("rolled back", [FULL, FEWER_FADES])] {
        same_in_any_order(what, with_claims, &events);
        same_after_a_crash(what, with_claims, &events);
    }
}

#[test]
fn an_object_that_the_environment_keeps_from_now_on_is_not_deleted() {
    let run = settled(
        with_claims,
        &[
            FULL,
            (500, "the environment keeps the dashboard", |store, _| {
                let environment = std::sync::Arc::make_mut(store.environments.get_mut("prod").unwrap());
                environment.spec.keeps =
                    serde_json::from_value(json!([{ "kind": "ConfigMap", "name": "dashboard" }])).unwrap();
            }),
            FEWER,
        ],
    );
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert!(is_there(&run, "ConfigMap dashboard"), "{}", run.log.join("\n"));
    assert_eq!(change(&run, "prod-shop-2.0.0", "ConfigMap dashboard").unwrap().action, ChangeAction::Keep);
}

#[test]
fn an_object_that_cannot_be_read_is_deleted_by_a_later_promotion() {
    const UNREADABLE: Event = (500, "the Ingress cannot be read", |store, _| {
        let key = ObjectKey::new("networking.k8s.io/v1", "Ingress", "web").unwrap();
        in_prod(store).broken.insert(key, "conversion webhook failed".into());
    });
    let run = settled(with_claims, &[FULL, UNREADABLE, FEWER]);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    let remaining = change(&run, "prod-shop-2.0.0", "Ingress web").unwrap();
    assert!(remaining.remaining && remaining.message.unwrap().contains("conversion webhook failed"));
    let run = settled(
        with_claims,
        &[
            FULL,
            UNREADABLE,
            FEWER,
            (1500, "it can be read again", |store, _| in_prod(store).broken.clear()),
            (2000, "release 3.0.0", |store, now| release(store, "3.0.0", app("3.0.0", "web-3"), now)),
        ],
    );
    assert!(!is_there(&run, "Ingress web"), "{}", run.log.join("\n"));
}

fn with_versions(store: &mut Store, now: Timestamp) {
    let kind = |version: &str| json!({ "apiVersion": format!("example.com/{version}"), "kind": "Widget" });
    environment(store, "prod", json!({ "kinds": [kind("v1beta1"), kind("v1")] }), now);
}

fn with_widget(image: &str, version: &str) -> Vec<Value> {
    let mut objects = app("1.0.0", image);
    objects.push(plain(&format!("example.com/{version}"), "Widget", "w", json!({ "size": 1 })));
    objects
}

/// The API server serves one object in every version of its kind; this one has two.
#[test]
fn an_object_in_another_version_of_its_kind_is_not_deleted() {
    let old: Event = (0, "release 1.0.0, with a widget", |store, now| {
        release(store, "1.0.0", with_widget("web", "v1beta1"), now);
    });
    let new: Event = (1000, "release 2.0.0, with the widget in another version", |store, now| {
        release(store, "2.0.0", with_widget("web-2", "v1"), now);
    });
    let fades: Event = (1000, "release 2.0.0, whose pods crash after a minute", |store, now| {
        release(store, "2.0.0", with_widget("fade", "v1"), now);
    });
    for (second, last) in [(new, "prod-shop-2.0.0"), (fades, "prod-shop-2.0.0-rollback")] {
        let run = settled(with_versions, &[old, second]);
        assert_eq!(promotion(&run, last), PromotionPhase::Verified, "{}", run.log.join("\n"));
        for name in ["prod-shop-2.0.0", last] {
            let all = changes(&run, name);
            let deleted: Vec<&ObjectChange> =
                all.iter().filter(|change| change.action == ChangeAction::Delete).collect();
            assert!(deleted.is_empty(), "{name}: {deleted:?}");
        }
    }
}
