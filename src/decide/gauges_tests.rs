use super::*;
use crate::api::Release;
use crate::decide::fixture_tests::{at, environment, promotion, release, stamp};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn read<K: DeserializeOwned>(object: Value) -> Arc<K> {
    Arc::new(serde_json::from_value(object).unwrap())
}

fn cached(name: &str, phase: &str, stages: Value) -> Arc<CachedRelease> {
    let status = json!({ "status": { "phase": phase, "environments": stages } });
    let release: Release = serde_json::from_value(release(name, status)).unwrap();
    Arc::new(release.into())
}

fn seen() -> Seen {
    let environments = [environment("prod", json!({})), environment("staging", json!({}))];
    Seen { environments: environments.into_iter().map(read).collect(), ..Seen::default() }
}

fn lane(environment: &str, application: &str) -> LaneId {
    let environment = EnvironmentId { project: "shop".into(), environment: environment.into() };
    LaneId { environment, application: application.into() }
}

#[test]
fn releases_that_wait_are_counted_by_lane_and_gate_with_the_longest_wait() {
    let waits = |gate: &str, since: &str| {
        json!([
            { "name": "staging", "state": "Verified", "since": stamp("10:00:00") },
            { "name": "prod", "state": gate, "since": stamp(since) },
            { "name": "deleted", "state": "Approval", "since": stamp("10:00:00") },
        ])
    };
    let releases = vec![
        cached("shop-1.1.0", "Waiting", waits("Approval", "10:10:00")),
        cached("shop-1.2.0", "Waiting", waits("Approval", "10:20:00")),
        cached("api-2.0.0", "Promoting", waits("Window", "10:30:00")),
        // What ended waits for nothing, whatever its lines say.
        cached("shop-1.0.0", "Superseded", waits("Approval", "09:00:00")),
    ];
    let found = gauges(&Seen { releases, ..seen() }, at("11:00:00"));
    let shop = &found.lanes[&lane("prod", "shop")];
    assert_eq!(shop.waiting, [(Reason::Approval, Waiting { releases: 2, longest: 3000 })].into());
    let api = &found.lanes[&lane("prod", "api")];
    assert_eq!(api.waiting, [(Reason::Window, Waiting { releases: 1, longest: 1800 })].into());
    assert!(found.lanes[&lane("staging", "shop")].waiting.is_empty());
    assert_eq!(found.lanes.keys().filter(|lane| &*lane.environment.environment == "deleted").count(), 0);
}

#[test]
fn a_wait_is_not_negative_after_the_clock_was_set_back() {
    let stages = json!([{ "name": "prod", "state": "Approval", "since": stamp("12:00:00") }]);
    let found =
        gauges(&Seen { releases: vec![cached("shop-1.1.0", "Waiting", stages)], ..seen() }, at("11:00:00"));
    assert_eq!(found.lanes[&lane("prod", "shop")].waiting[&Reason::Approval].longest, 0);
}

fn ended(name: &str, revision: i64, more: Value) -> Arc<Promotion> {
    let mut changes = json!({
        "spec": { "application": "shop" },
        "status": { "application": "shop", "revision": revision },
    });
    for (part, more) in more.as_object().unwrap() {
        changes[part].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    }
    read(promotion(name, "shop-1.1.0", changes))
}

#[test]
fn the_newest_revision_says_whether_a_lane_is_held() {
    let holds = json!([{
        "type": "Holds", "status": "True", "reason": "OOMKilled", "message": "it failed", "lastTransitionTime": stamp("10:00:00"),
    }]);
    let failed = json!({ "status": { "phase": "Failed", "conditions": holds } });
    let inconclusive = json!({ "status": { "phase": "Inconclusive", "conditions": holds } });
    let rollback = json!({ "spec": { "kind": "Rollback" }, "status": { "phase": "Failed" } });
    let cases = [
        (json!({ "status": { "phase": "Verified" } }), None),
        (json!({ "status": { "phase": "Failed" } }), None),
        (json!({ "status": { "phase": "Promoting" } }), None),
        (failed.clone(), Some(Reason::Failed)),
        (inconclusive, Some(Reason::Inconclusive)),
        (rollback, Some(Reason::RollbackFailed)),
    ];
    for (newest, expected) in cases {
        let is_running = u32::from(newest["status"]["phase"] == "Promoting");
        // The order of the list says nothing.
        let promotions = vec![ended("b", 12, newest.clone()), ended("a", 9, failed.clone())];
        let found = gauges(&Seen { promotions, ..seen() }, at("11:00:00"));
        let shop = &found.lanes[&lane("prod", "shop")];
        assert_eq!(shop.held, expected.into_iter().collect(), "{newest}");
        assert_eq!(shop.in_progress, is_running, "{newest}");
    }
}

#[test]
fn alarms_policies_and_providers_are_counted_when_they_need_attention() {
    let condition = |type_: &str, status: &str| {
        json!({
            "type": type_, "status": status, "reason": "Why", "message": "", "lastTransitionTime": stamp("10:00:00"),
        })
    };
    let prod = environment(
        "prod",
        json!({ "status": {
        "conditions": [condition("Ready", "False"), condition("ApprovalOverdue", "True"), condition("Drifted", "False")],
        "applications": [{ "name": "shop", "recalled": "it runs here and is recalled" }],
    } }),
    );
    let policy = |name: &str, ready: &str| {
        json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "RollbackPolicy",
            "metadata": { "name": name, "namespace": "shop" }, "spec": {},
            "status": { "conditions": [condition("Ready", ready)] },
        })
    };
    let provider = json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": "CheckProvider", "metadata": { "name": "prometheus" },
        "spec": { "prometheus": { "url": "https://metrics.example" }, "projects": ["*"] },
        "status": { "conditions": [condition("Ready", "False")] },
    });
    let channel = |name: &str, ready: &str| {
        json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Channel", "metadata": { "name": name },
            "spec": { "cdevents": { "url": "http://events" }, "projects": ["*"] },
            "status": { "conditions": [condition("Ready", ready)] },
        })
    };
    let seen = Seen {
        environments: vec![read(prod), read(environment("staging", json!({})))],
        channels: vec![read(channel("hook", "False")), read(channel("mail", "True"))],
        policies: vec![read(policy("good", "True")), read(policy("bad", "False"))],
        providers: vec![read(provider)],
        ..Seen::default()
    };
    let found = gauges(&seen, at("11:00:00"));
    let raised: Vec<_> = found.alarms.values().cloned().collect();
    assert_eq!(raised, [BTreeSet::from([Reason::ApprovalOverdue]), BTreeSet::new()]);
    assert_eq!((found.unusable_policies, found.silent_providers), ([("shop".into(), 1)].into(), 1));
    assert_eq!(found.failing_channels, 1);
    assert_eq!(found.lanes[&lane("prod", "shop")].held, [Reason::Recalled].into());
}

/// A project without a fault has zeros, so that an alert that ended is known to have ended.
#[test]
fn a_project_without_faults_has_zeros() {
    let found = gauges(&seen(), at("11:00:00"));
    assert_eq!((found.unusable_policies, found.silent_providers), ([("shop".into(), 0)].into(), 0));
    assert_eq!(found.alarms.len(), 2);
}

/// The status of a settled release is stored as text that is never read: one that cannot be read makes no difference.
#[test]
fn settled_releases_are_not_looked_into() {
    let stages = json!([{ "name": "prod", "state": "Approval", "since": stamp("10:00:00") }]);
    let settled = ["Verified", "Failed", "Inconclusive", "RolledBack", "Superseded", "Invalid"];
    let releases = (0..1200).map(|nth| cached(&format!("shop-1.0.{nth}"), settled[nth % 6], stages.clone()));
    let found = gauges(&Seen { releases: releases.collect(), ..seen() }, at("11:00:00"));
    assert!(found.lanes.is_empty(), "{:?}", found.lanes);
}
