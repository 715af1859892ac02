//! Objects that a user deletes or changes in the observe window: what is live is not what was written, and the release is not verified.

use super::comparison::{same_after_a_crash, same_in_any_order};
use super::memory::Memory;
use super::outcomes::promotion;
use super::run::{Event, Run, start};
use super::scenarios::{app, deployment, environment, prod, release, settled};
use super::store::Store;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use towpath::api::{PromotionPhase, RollbackPolicySpec};
use towpath::content::ObjectKey;
use towpath::decide::needs::live_objects;

const FIRST: Event = (0, "release 1.0.0", |store, now| release(store, "1.0.0", app("1.0.0", "web"), now));
const SECOND: Event = (1000, "release 2.0.0, with a Service for metrics", |store, now| {
    let mut objects = app("2.0.0", "web-2");
    objects.push(metrics());
    release(store, "2.0.0", objects, now);
});

fn metrics() -> Value {
    json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "metrics" }, "spec": { "selector": { "app": "web" } } })
}

fn lose(store: &mut Store, kind: &str, name: &str) {
    store.namespaces.get_mut("shop-prod").unwrap().lose(kind, name);
}

fn ended(run: &Run) -> (PromotionPhase, String, String) {
    let status = run.store.promotions["prod-shop-2.0.0"].status.clone().unwrap();
    (status.phase, status.reason.unwrap_or_default(), status.message.unwrap_or_default())
}

#[test]
fn a_release_of_which_an_object_is_deleted_or_changed_in_the_window_is_neither_verified_nor_rolled_back() {
    let deletes: Event = (1100, "a user deletes the Service", |store, _| lose(store, "Service", "metrics"));
    let deletes_web: Event =
        (1100, "a user deletes the Deployment", |store, _| lose(store, "Deployment", "web"));
    let edits: Event = (1100, "a user lets the Service point elsewhere", |store, now: Timestamp| {
        let namespace = store.namespaces.get_mut("shop-prod").unwrap();
        let mut service = namespace.shown()["Service metrics"].clone();
        service["spec"]["selector"]["app"] = json!("other");
        namespace.place(service, "kubectl-edit", now);
    });
    let undefines: Event = (1100, "a user deletes the definition of the kind", |store, _| {
        _ = store.namespaces.get_mut("shop-prod").unwrap().unserved.insert("Service".into());
    });
    for (event, reason, says) in [
        (undefines, "Missing", "Service metrics is gone, because Service is not served"),
        (deletes, "Missing", "Service metrics was deleted before the release was verified"),
        (deletes_web, "Missing", "Deployment web was deleted before the release was verified"),
        (
            edits,
            "ObjectChanged",
            "Service metrics is no longer what was written: kubectl-edit changed spec.selector",
        ),
    ] {
        let events = [FIRST, SECOND, event];
        let run = settled(prod, &events);
        let log = run.log.join("\n");
        let (phase, found, message) = ended(&run);
        assert_eq!((phase, found.as_str()), (PromotionPhase::Failed, reason), "{message}\n{log}");
        assert!(message.contains(says), "{message}");
        assert!(!run.store.promotions.contains_key("prod-shop-2.0.0-rollback"), "{log}");
        same_after_a_crash("an object that is not what was written", prod, &events);
        same_in_any_order("an object that is not what was written", prod, &events);
    }
}

/// Pods of a template that another user wrote tell nothing about the release, during its rollout as little as in its window.
#[test]
fn a_release_whose_template_a_user_changes_in_the_rollout_is_not_rolled_back_for_what_that_user_wrote() {
    let slow: Event = (1000, "release 2.0.0, which starts slowly", |store, now| {
        release(store, "2.0.0", app("2.0.0", "slow"), now);
    });
    let rewrites: Event = (1010, "a user changes the template, and its pods crash", |store, now| {
        let web = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
        let namespace = store.namespaces.get_mut("shop-prod").unwrap();
        namespace.take(&web, "/spec/template/spec/dnsPolicy", "Default".into(), "kubectl-patch", now);
        namespace.break_pods(&web, now);
    });
    let crashes: Event = (1010, "its pods crash", |store, now| {
        let web = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
        store.namespaces.get_mut("shop-prod").unwrap().break_pods(&web, now);
    });
    for (event, reason, is_rolled_back) in
        [(rewrites, "TemplateChanged", false), (crashes, "CrashLoopBackOff", true)]
    {
        let events = [FIRST, slow, event];
        let run = settled(prod, &events);
        let log = run.log.join("\n");
        let (phase, found, message) = ended(&run);
        assert_eq!((phase, found.as_str()), (PromotionPhase::Failed, reason), "{message}\n{log}");
        let has_rollback = run.store.promotions.contains_key("prod-shop-2.0.0-rollback");
        assert_eq!(has_rollback, is_rolled_back, "{log}");
        same_after_a_crash("a template that is changed in the rollout", prod, &events);
        same_in_any_order("a template that is changed in the rollout", prod, &events);
    }
}

#[test]
fn a_release_that_is_promoted_again_restores_what_was_deleted() {
    let run = settled(
        prod,
        &[
            FIRST,
            SECOND,
            (1100, "a user deletes the Service", |store, _| lose(store, "Service", "metrics")),
            (3000, "a person promotes it again", |store, now| {
                let spec = json!({ "release": "shop-2.0.0", "environment": "prod" });
                store.add_promotion("again", serde_json::from_value(spec).unwrap(), now);
            }),
        ],
    );
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "again"), PromotionPhase::Verified, "{log}");
    assert!(run.store.namespaces["shop-prod"].shown().contains_key("Service metrics"), "{log}");
}

/// Its test runs on after the window.
fn brief(store: &mut Store, now: Timestamp) {
    let window =
        RollbackPolicySpec { observe_window: "2s".parse().unwrap(), ..RollbackPolicySpec::default() };
    store.policies.insert("brief".into(), window);
    let template = deployment("smoke", "slow", None)["spec"]["template"].clone();
    let tests = json!([{ "name": "smoke", "template": template }]);
    environment(store, "prod", json!({ "rollbackPolicyRef": "brief", "tests": tests }), now);
}

#[test]
fn what_was_written_is_not_read_in_every_pass_while_a_test_runs_on_after_the_window() {
    let read = |seconds: i64| {
        let (run, at) =
            (Run::of(brief, &[FIRST]).until(seconds), start() + SignedDuration::from_secs(seconds));
        let world = run.store.promotion_world("prod-shop-1.0.0", &Memory::default(), at).unwrap();
        live_objects(&world, at).into_iter().filter(|key| key.kind() == "Service").count()
    };
    let run = Run::of(brief, &[FIRST]).until(30);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Promoting, "{}", run.log.join("\n"));
    assert_eq!(
        (read(6), read(8), read(30)),
        (0, 1, 0),
        "before the window ends, when it has ended, while the test runs"
    );
    // It is read in the end, once more.
    let run = settled(brief, &[FIRST]);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{log}");
    assert_eq!(run.log.iter().filter(|line| line.contains("reads what was written")).count(), 1, "{log}");
    let edited: Event = (20, "a user deletes the Service", |store, _| lose(store, "Service", "web"));
    let run = settled(brief, &[FIRST, edited]);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Failed, "{}", run.log.join("\n"));
    same_after_a_crash("a test that runs on after the window", brief, &[FIRST]);
    same_in_any_order("a test that runs on after the window", brief, &[FIRST]);
}
