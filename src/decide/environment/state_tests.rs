//! The state of an environment, its message, its alarms and its Events.

use super::*;
use crate::api::{EnvironmentId, Location, MissingConsent};
use crate::decide::world::{Freeze, NamespaceFacts};
use std::sync::Arc;

fn condition(type_: &str, status: &str, reason: &str, since: &str) -> Value {
    json!({
        "type": type_,
        "status": status,
        "reason": reason,
        "message": "before",
        "observedGeneration": 3,
        "lastTransitionTime": stamp(since),
    })
}

/// The state Reconciling or Stalled since a time, as it is stored.
fn stored(type_: &str, reason: &str, since: &str) -> Value {
    json!([condition("Ready", "False", reason, since), condition(type_, "True", reason, since)])
}

fn unknown_environment(created: &str, conditions: Value) -> Project {
    project([environment(
        "prod",
        json!({
            "metadata": { "creationTimestamp": stamp(created) },
            "spec": { "after": ["staging"] },
            "status": { "conditions": conditions },
        }),
    )])
}

/// A promotion in prod of an application of this name, version 1.0.0.
fn of(application: &str, phase: &str, further: Value) -> Value {
    revision(1, &format!("{application}-1.0.0"), phase, further)
}

fn notes(decision: &Decision<EnvironmentStatus>) -> Vec<(bool, String, String)> {
    decision.notes.iter().map(|note| (note.warning, note.reason.to_string(), note.message.clone())).collect()
}

#[test]
fn a_fault_of_the_spec_is_final_only_after_a_minute_in_which_missing_objects_may_be_created() {
    let none = || json!([]);
    let retried = || Some(at("12:00:10.75"));
    for (created, conditions, is_stalled) in [
        ("10:00:00", none(), false),
        ("11:59:59.5", none(), false),
        ("10:00:00", stored("Reconciling", "UnknownEnvironment", "11:59:01"), false),
        ("10:00:00", stored("Reconciling", "UnknownEnvironment", "11:59:00.75"), true),
        ("10:00:00", stored("Reconciling", "UnknownEnvironment", "11:59:00"), true),
        // A recreated environment gets its own minute, regardless of its status.
        ("11:59:01", stored("Reconciling", "UnknownEnvironment", "11:00:00"), false),
        ("10:00:00", stored("Stalled", "OrderCycle", "11:59:59"), true),
    ] {
        let decision = decided(unknown_environment(created, conditions.clone()));
        let message = "spec.after names staging, which does not exist in project shop; known: prod";
        let state = if is_stalled { "Stalled" } else { "Reconciling" };
        let expected = format!("Ready=False UnknownEnvironment, {state}=True UnknownEnvironment: {message}");
        assert_eq!(said(&decision), expected, "{created} {conditions}");
        assert_eq!(decision.wake_at, if is_stalled { None } else { retried() }, "{created} {conditions}");
    }
}

#[test]
fn a_fault_that_the_namespace_owner_has_to_fix_is_never_final() {
    let old = stored("Reconciling", "NotGranted", "10:00:00");
    let base = || project([environment("prod", json!({ "status": { "conditions": old } }))]);
    let mut missing = base();
    missing.namespaces.clear();
    let mut terminating = base();
    let facts = NamespaceFacts { uid: "uid-shop-prod".into(), terminating: true };
    terminating.namespaces.insert(Location::home("shop-prod".into()), facts);
    let mut refused = base();
    refused.grants.insert("prod".into(), Grant::Missing(MissingConsent::default()));
    let mut shared = base();
    let other = EnvironmentId { project: "other".into(), environment: "prod".into() };
    shared.targets.insert(Location::home("shop-prod".into()), [other].into());
    // A fault of the spec is reported before one of the target.
    let mut both = unknown_environment("10:00:00", stored("Stalled", "UnknownEnvironment", "11:00:00"));
    both.namespaces.clear();
    for (project, expected) in [
        (missing, Some("NamespaceMissing")),
        (terminating, Some("NamespaceTerminating")),
        (refused, Some("NotGranted")),
        (shared, Some("SharedNamespace")),
        (both, None),
    ] {
        let decision = decided(project);
        let beginning = match expected {
            Some(reason) => format!("Ready=False {reason}, Reconciling=True {reason}: "),
            None => "Ready=False UnknownEnvironment, Stalled=True UnknownEnvironment: ".into(),
        };
        assert!(said(&decision).starts_with(&beginning), "{}", said(&decision));
        assert_eq!(decision.wake_at, expected.map(|_| at("12:00:10.75")));
    }
}

#[test]
fn work_in_progress_is_reported_before_a_failure_and_a_failure_before_a_gate() {
    let held =
        |application: &str| release(&format!("{application}-2.0.0"), json!({ "spec": { "hold": true } }));
    let failed = || of("b", "Failed", json!({ "message": "it crashed" }));
    let running = || of("c", "Promoting", json!({ "message": "writes" }));
    let ready = "Ready=True Verified: ";
    let working = "Ready=False Promoting, Reconciling=True Promoting: ";
    let broken = "Ready=False Failed, Reconciling=True Failed: ";
    let hold = "waits: Hold: spec.hold is true; set it to false or remove it to continue";
    for (objects, expected) in [
        (vec![], "Ready=True Idle: no release has been promoted here yet".to_owned()),
        (vec![of("d", "Verified", json!({}))], format!("{ready}the last verified revision is running")),
        (vec![held("a")], format!("Ready=True Idle: a-2.0.0 {hold}")),
        (vec![held("a"), of("d", "Verified", json!({}))], format!("{ready}a-2.0.0 {hold}")),
        (vec![held("a"), failed()], format!("{broken}prod-b-1.0.0-1: it crashed")),
        (vec![held("a"), failed(), running()], format!("{working}prod-c-1.0.0-1 is in progress")),
        (vec![held("a"), running()], format!("{working}prod-c-1.0.0-1 is in progress")),
        (vec![of("c", "Observing", json!({}))], format!("{working}prod-c-1.0.0-1 is in progress")),
        // The message of the first application by name is reported.
        (vec![held("b"), held("a")], format!("Ready=True Idle: a-2.0.0 {hold}")),
        (vec![failed(), of("a", "Failed", json!({}))], format!("{broken}prod-a-1.0.0-1: ")),
        (vec![running(), of("a", "Observing", json!({}))], format!("{working}prod-a-1.0.0-1 is in progress")),
        (vec![running(), release("d-2.0.0", json!({}))], format!("{working}prod-c-1.0.0-1 is in progress")),
        // A failure that a later revision followed is not reported.
        (
            vec![failed(), revision(2, "b-1.1.0", "Verified", json!({}))],
            format!("{ready}the last verified revision is running"),
        ),
        (
            vec![
                failed(),
                as_rollback(revision(2, "b-1.0.0", "Failed", json!({ "message": "both crashed" }))),
            ],
            format!("{broken}prod-b-1.0.0-2: both crashed"),
        ),
        // A promotion to another environment, and one that ended before it started, are not reported.
        (
            vec![promotion(
                "dev-d-1.0.0",
                "d-1.0.0",
                json!({
                    "spec": { "environment": "dev" },
                    "status": { "phase": "Verified", "revision": 1 },
                }),
            )],
            "Ready=True Idle: no release has been promoted here yet".to_owned(),
        ),
        (
            vec![pending("never", "d-1.0.0", json!({ "phase": "Cancelled", "application": "d" }))],
            "Ready=True Idle: no release has been promoted here yet".to_owned(),
        ),
    ] {
        // Without a release of its own, a promotion names the application.
        let objects = objects.into_iter().map(|mut object| {
            if object["kind"] == "Promotion" {
                let application = object["spec"]["release"].as_str().unwrap().split('-').next().unwrap();
                object["spec"]["application"] = json!(application);
            }
            object
        });
        let objects: Vec<Value> = objects.collect();
        assert_eq!(said(&with(objects.clone())), expected, "{objects:?}");
    }
}

#[test]
fn only_the_first_sign_of_trouble_becomes_an_event() {
    let faulty = |conditions: Value| unknown_environment("10:00:00", conditions);
    let failed = |conditions: Value| {
        let status = json!({ "status": { "conditions": conditions } });
        project([
            environment("prod", status),
            release("shop-1.0.0", json!({})),
            revision(1, "shop-1.0.0", "Failed", json!({})),
        ])
    };
    let starts = |conditions: Value| {
        let status = json!({ "status": { "conditions": conditions } });
        project([environment("prod", status), release("shop-1.0.0", json!({}))])
    };
    let idle =
        |conditions: Value| project([environment("prod", json!({ "status": { "conditions": conditions } }))]);
    for (project, reason) in [
        (faulty(json!([])), Some("UnknownEnvironment")),
        (faulty(json!([condition("Ready", "True", "Verified", "11:00:00")])), Some("UnknownEnvironment")),
        (faulty(stored("Reconciling", "NotGranted", "11:59:30")), Some("UnknownEnvironment")),
        (faulty(stored("Reconciling", "UnknownEnvironment", "11:59:30")), None),
        // It became final with the same reason, so there is no new Event.
        (faulty(stored("Reconciling", "UnknownEnvironment", "11:00:00")), None),
        (faulty(stored("Stalled", "OrderCycle", "11:00:00")), Some("UnknownEnvironment")),
        (failed(json!([])), Some("Failed")),
        (failed(stored("Reconciling", "Failed", "11:00:00")), None),
        (starts(json!([])), None),
        (starts(stored("Reconciling", "NotGranted", "11:59:30")), None),
        (idle(json!([])), None),
        (idle(stored("Reconciling", "NotGranted", "11:59:30")), None),
    ] {
        let conditions = the_environment(&project, "prod").status.clone().unwrap().conditions;
        let decision = decided(project);
        let found: Vec<_> =
            notes(&decision).into_iter().map(|(warning, reason, _)| (warning, reason)).collect();
        let expected: Vec<_> = reason.map(|reason| (true, reason.to_owned())).into_iter().collect();
        assert_eq!(found, expected, "{conditions:?}: {}", said(&decision));
    }
    let mut long = project([environment("prod", json!({}))]);
    let missing = MissingConsent { cluster_role: None, resources: vec!["x".repeat(5000)] };
    long.grants.insert("prod".into(), Grant::Missing(missing));
    let decision = decided(long);
    assert_eq!(notes(&decision)[0].2.len(), 900);
    let status = status(&decision);
    assert_eq!((status.message.unwrap().len(), status.conditions[0].message.len()), (4096, 4096));
}

#[test]
fn an_unchanged_status_is_not_written_again() {
    let mut world = world_of_prod(project([
        environment("prod", json!({})),
        release("shop-1.0.0", json!({ "spec": { "hold": true } })),
    ]));
    let first = decide(&world, noon());
    let mut environment = world.environment.as_ref().clone();
    environment.status = first.report;
    world.environment = Arc::new(environment);
    let second = decide(&world, at("13:00:00"));
    assert!(second.report.is_none() && second.notes.is_empty(), "{second:?}");

    // The same for a fault: its Event is not repeated either.
    let missing = missing_binding(&world.environment);
    let message = consent::message(&world.environment, &missing);
    world.project.grants.insert("prod".into(), Grant::Missing(missing));
    let third = decide(&world, at("13:00:00"));
    assert_eq!(notes(&third), [(true, "NotGranted".to_owned(), message)]);
    let mut environment = world.environment.as_ref().clone();
    environment.status = third.report;
    world.environment = Arc::new(environment);
    let fourth = decide(&world, at("13:00:10"));
    assert!(fourth.report.is_none() && fourth.notes.is_empty(), "{fourth:?}");
    assert_eq!(fourth.wake_at, Some(at("13:00:20")));
}

#[test]
fn overrides_that_wait_for_the_next_promotion_are_reported_once() {
    let overrides = json!({ "replicas": [{ "kind": "Deployment", "name": "web", "replicas": 3 }] });
    let now = overrides::digest(Some(&serde_json::from_value(overrides.clone()).unwrap()));
    let pending = stored_alarm("OverridesPending");
    for (applied, conditions, holds, is_news) in [
        (Some(now.clone()), json!([]), false, false),
        (Some(now), pending.clone(), false, false),
        (None, json!([]), false, false),
        (Some(overrides::digest(None)), json!([]), true, true),
        (Some(overrides::digest(None)), pending, true, false),
    ] {
        let changes = json!({ "spec": { "overrides": overrides }, "status": { "conditions": conditions } });
        let further = json!({ "overridesDigest": applied });
        let decision = decided(project([
            environment("prod", changes),
            release("shop-1.0.0", json!({})),
            revision(1, "shop-1.0.0", "Verified", further),
        ]));
        assert_eq!(alarm(&decision, "OverridesPending").is_some(), holds, "{applied:?} {conditions}");
        assert_eq!(notes(&decision).len(), usize::from(is_news), "{applied:?} {conditions}");
        assert_eq!(said(&decision), "Ready=True Verified: the last verified revision is running");
    }
}

#[test]
fn an_emergency_change_that_is_not_approved_in_time_is_reported_as_overdue() {
    let approved = |who: &str| crate::decide::fixture_tests::approval("one", person(who), json!({}));
    let overdue = "shop-1.1.0 started before it was approved, and its approval was due by 2026-11-02T11:30:00Z: has 0 of 1 approvals";
    let waiting = stored_alarm("ApprovalOverdue");
    for (due, approvals, conditions, message, wake_at, is_news) in [
        (Some("12:30:00"), vec![], json!([]), None, Some("12:30:00"), false),
        (Some("11:30:00"), vec![], json!([]), Some(overdue), None, true),
        (Some("11:30:00"), vec![], waiting, Some(overdue), None, false),
        (Some("11:30:00"), vec![approved("bob")], json!([]), None, None, false),
        (Some("12:30:00"), vec![approved("bob")], json!([]), None, None, false),
        (Some("11:30:00"), vec![approved("mallory")], json!([]), Some(overdue), None, true),
        (None, vec![], json!([]), None, None, false),
    ] {
        let report = json!({
            "of": {
                "release": { "name": "shop-1.1.0", "uid": "uid-shop-1.1.0" },
                "environment": { "name": "prod", "uid": "uid-prod" },
                "digest": digest(),
            },
            "required": 1,
            "due": due.map(stamp),
        });
        let spec = json!({ "approvals": { "required": 1, "emergencyWithin": "1h" } });
        let changes = json!({ "spec": spec, "status": { "conditions": conditions } });
        let objects = [
            environment("prod", changes),
            release("shop-1.1.0", json!({ "spec": { "change": { "type": "Emergency" } } })),
            revision(1, "shop-1.1.0", "Verified", json!({ "approvals": report })),
        ];
        let mut project = project(objects.into_iter().chain(approvals.clone()));
        answer(&mut project, Verb::Approve, "prod", &person("bob"), true);
        let decision = decided(project);
        let what = format!("{due:?} {approvals:?}");
        assert_eq!(alarm(&decision, "ApprovalOverdue").as_deref(), message, "{what}");
        assert_eq!(decision.wake_at, wake_at.map(at), "{what}");
        let urgent = message.map(|message| format!("; {message}")).unwrap_or_default();
        let expected = format!("Ready=True Verified: the last verified revision is running{urgent}");
        assert_eq!(said(&decision), expected, "{what}");
        assert_eq!(notes(&decision).len(), usize::from(is_news), "{what}");
    }
}

#[test]
fn an_overdue_approval_is_reported_only_while_it_can_be_acted_on() {
    let report = json!({
        "of": {
            "release": { "name": "shop-1.1.0", "uid": "uid-shop-1.1.0" },
            "environment": { "name": "prod", "uid": "uid-prod" },
            "digest": digest(),
        },
        "required": 1,
        "due": stamp("11:30:00"),
    });
    let unapproved = |phase: &str| revision(2, "shop-1.1.0", phase, json!({ "approvals": report.clone() }));
    let back = |phase: &str| as_rollback(revision(3, "shop-1.1.0", phase, json!({ "restores": 1 })));
    for (promotions, is_reported) in [
        (vec![unapproved("Verified")], true),
        (vec![unapproved("Promoting")], true),
        (vec![unapproved("Verified"), back("Promoting")], true),
        (vec![unapproved("Verified"), back("Verified")], false),
        (vec![unapproved("Failed"), back("Verified")], false),
        (vec![unapproved("Failed")], false),
        (vec![unapproved("Verified"), revision(3, "shop-1.2.0", "Verified", json!({}))], false),
        (vec![unapproved("Superseded"), revision(3, "shop-1.2.0", "Promoting", json!({}))], false),
    ] {
        let objects = [
            environment(
                "prod",
                json!({ "spec": { "approvals": { "required": 1, "emergencyWithin": "1h" } } }),
            ),
            release("shop-1.0.0", json!({})),
            release("shop-1.1.0", json!({ "spec": { "change": { "type": "Emergency" } } })),
            release("shop-1.2.0", json!({ "spec": { "hold": true } })),
            revision(1, "shop-1.0.0", "Verified", json!({})),
        ];
        let decision = decided(project(objects.into_iter().chain(promotions.clone())));
        assert_eq!(alarm(&decision, "ApprovalOverdue").is_some(), is_reported, "{promotions:?}");
    }
}

#[test]
fn a_freeze_that_names_an_environment_that_does_not_exist_is_reported_until_it_has_ended() {
    let freeze = |to: &str, environments: &[&str]| Freeze {
        name: "ChangeFreeze year-end".into(),
        from: at("13:00:00"),
        to: at(to),
        reason: "year-end".into(),
        environments: environments.iter().map(|name| (*name).into()).collect(),
        passes: Vec::new(),
    };
    let one = "ChangeFreeze year-end names prodd, which does not exist in this project";
    let two = "ChangeFreeze year-end names prodd and stage, which do not exist in this project";
    for (freezes, expected) in [
        (vec![], None),
        (vec![freeze("14:00:00", &[])], None),
        (vec![freeze("14:00:00", &["prod"])], None),
        (vec![freeze("14:00:00", &["prodd"])], Some(one)),
        (vec![freeze("14:00:00", &["prodd", "prod", "stage"])], Some(two)),
        (vec![freeze("12:00:00", &["prodd"])], None),
    ] {
        let mut project = project([environment("prod", json!({}))]);
        project.freezes = freezes.clone();
        let decision = decided(project);
        assert_eq!(alarm(&decision, "FreezeIneffective").as_deref(), expected, "{freezes:?}");
    }
}

fn stored_alarm(type_: &str) -> Value {
    json!([
        condition("Ready", "True", "Verified", "11:00:00"),
        condition(type_, "True", "Before", "11:00:00")
    ])
}

fn alarm(decision: &Decision<EnvironmentStatus>, type_: &str) -> Option<String> {
    let conditions = status(decision).conditions;
    conditions.into_iter().find(|condition| condition.type_ == type_).map(|condition| condition.message)
}
