//! When a failure after the verification counts, and which rules of the policy and of the lane hold its rollback.

use super::*;
use crate::decide::fixture_tests::recall;

#[test]
fn a_failure_counts_for_a_time_in_a_managed_environment_while_nothing_else_is_in_progress() {
    let cases: [(&str, Alteration, bool); 12] = [
        ("in time", |_| {}, true),
        ("ignored", |case| case.policy(json!({ "afterVerified": { "action": "Ignore" } })), false),
        ("at the end", |case| case.now = at("12:49:59"), true),
        ("expired", |case| case.now = at("12:50:00"), false),
        ("Observed", |case| case.environment = json!({ "spec": { "delivery": "Observed" } }), false),
        ("never verified", |case| case.status(json!({ "phase": "Failed" })), false),
        (
            "a newer one runs",
            |case| {
                let newer = json!({ "status": { "phase": "Promoting", "finishedAt": null } });
                case.revisions.push(revision(3, "shop-1.2.0", "c", "11:59:00", newer));
            },
            false,
        ),
        (
            "a newer one waits at a gate",
            |case| {
                let status = json!({ "phase": "Pending", "reason": "Approval", "application": "shop" });
                case.revisions.push(promotion("prod-shop-1.2.0", "shop-1.2.0", json!({ "status": status })));
            },
            true,
        ),
        (
            "a person rolls back",
            |case| {
                let spec = json!({ "kind": "Rollback", "application": "shop" });
                case.revisions.push(promotion("back", "shop-1.1.0", json!({ "spec": spec })));
            },
            false,
        ),
        ("the namespace was recreated", |case| case.status(json!({ "namespaceUid": "another" })), false),
        (
            "it is recalled",
            |case| {
                let spec = json!({ "application": "shop", "digests": ["b".repeat(64)] });
                case.recalls.push(recall("bad", json!({ "spec": spec })));
            },
            false,
        ),
        (
            "it was promoted again and changed nothing",
            |case| {
                let again = json!({ "status": { "changes": [] } });
                case.revisions.push(revision(3, "shop-1.1.0", "b", "11:52:00", again));
                case.revisions[2]["metadata"]["name"] = "again".into();
            },
            true,
        ),
    ];
    for (what, change, fails) in cases {
        let mut case = Case::new();
        crashes(&mut case);
        change(&mut case);
        let (created, alarm) = case.outcome();
        assert_eq!((created.is_some(), alarm.is_some()), (fails, fails), "{what}: {created:?} {alarm:?}");
        assert!(created.is_none_or(|created| created.ends_with("-rollback to 1")), "{what}");
    }
}

#[test]
fn what_holds_the_rollback_of_a_failed_promotion_holds_this_one_and_is_said() {
    let cases: [(&str, Alteration, &str); 12] = [
        (
            "Notify",
            |case| case.policy(json!({ "afterVerified": { "action": "Notify" } })),
            "afterVerified.action: Notify",
        ),
        (
            "action: Hold",
            |case| case.policy(json!({ "action": "Hold" })),
            "the rollback policy has action: Hold",
        ),
        (
            "action: Notify",
            |case| case.policy(json!({ "action": "Notify" })),
            "the rollback policy has action: Notify",
        ),
        (
            "no budget",
            |case| case.policy(json!({ "budget": { "rollbacks": 0 } })),
            "the budget of 0 rollbacks",
        ),
        (
            "irreversible",
            |case| {
                case.status(json!({ "change": { "type": "Normal", "reversible": false } }));
            },
            "shop-1.1.0 is irreversible",
        ),
        ("no other revision", |case| _ = case.revisions.remove(0), "no verified revision with other content"),
        (
            "a healthy baseline",
            |case| {
                _ = case.revisions.remove(0);
                let baseline = json!({ "status": { "baseline": "content-0", "baselineHealthy": true } });
                json_patch::merge(&mut case.revisions[0], &baseline);
            },
            "no verified revision with other content",
        ),
        (
            "the only other one has the same content",
            |case| {
                case.revisions[0] = revision(1, "shop-1.0.0", "b", "10:30:00", json!({}));
            },
            "no verified revision with other content",
        ),
        (
            "the only other one failed",
            |case| {
                json_patch::merge(&mut case.revisions[0], &json!({ "status": { "phase": "Failed" } }));
            },
            "no verified revision with other content",
        ),
        (
            "the only other one is recalled",
            |case| {
                let spec = json!({ "application": "shop", "digests": ["a".repeat(64)] });
                case.recalls.push(recall("bad", json!({ "spec": spec })));
            },
            "no verified content that was not recalled or rolled back is left",
        ),
        (
            "a rollback restored it",
            |case| {
                let labels = json!({ "labels": { crate::api::mark::AUTOMATIC: "true" } });
                let more = json!({ "metadata": labels, "spec": { "kind": "Rollback" }, "status": { "restores": 1, "replaces": 1 } });
                case.revisions[1] = revision(2, "shop-1.1.0", "b", "11:50:00", more);
            },
            "shop-1.0.0, which prod-shop-1.1.0 restored, fails after it was verified: Deployment web: CrashLoopBackOff; what a rollback restored is not rolled back",
        ),
        (
            "its workload cannot be read",
            |case| {
                case.live.insert(web(), Live::Refused("forbidden".into()));
            },
            "Deployment web cannot be read: forbidden",
        ),
    ];
    for (what, change, said) in cases {
        let mut case = Case::new();
        crashes(&mut case);
        change(&mut case);
        let (created, alarm) = case.outcome();
        assert_eq!(created, None, "{what}");
        let (reason, message) = alarm.expect(what);
        assert_eq!(reason, "CrashLoopBackOff", "{what}");
        assert!(message.contains(said) && message.contains("Deployment web"), "{what}: {message}");
    }
}

#[test]
fn the_rollback_follows_once_what_held_it_is_lifted() {
    let mut case = Case::new();
    crashes(&mut case);
    case.policy(json!({ "action": "Hold" }));
    assert_eq!(case.outcome().0, None);
    case.policy(json!({ "action": "Rollback" }));
    assert_eq!(case.outcome().0.as_deref(), Some("prod-shop-1.1.0-rollback to 1"));
}

/// The rollback of 1.1.0, in this state.
fn rollback(status: Value) -> Value {
    let labels = json!({ "labels": { crate::api::mark::AUTOMATIC: "true" } });
    let spec =
        json!({ "kind": "Rollback", "application": "shop", "toRevision": 1, "cause": "CrashLoopBackOff" });
    promotion(
        "prod-shop-1.1.0-rollback",
        "shop-1.1.0",
        json!({ "metadata": labels, "spec": spec, "status": status }),
    )
}

#[test]
fn nothing_is_rolled_back_twice_and_nothing_newer_is_rolled_back() {
    let cases: [(&str, Alteration, Option<&str>); 7] = [
        (
            "its rollback was just created",
            |case| case.revisions.push(rollback(Value::Null)),
            Some("prod-shop-1.1.0-rollback restores revision 1"),
        ),
        (
            "its rollback waits",
            |case| case.revisions.push(rollback(json!({ "phase": "Pending", "reason": "Refused" }))),
            Some("prod-shop-1.1.0-rollback restores revision 1"),
        ),
        (
            "its rollback could not start",
            |case| {
                let status = json!({ "phase": "Failed", "reason": "Refused", "message": "a quota" });
                case.revisions.push(rollback(status));
            },
            Some("prod-shop-1.1.0-rollback did not start: a quota"),
        ),
        (
            "its rollback runs",
            |case| {
                let status = json!({ "phase": "Promoting", "revision": 3, "restores": 1, "replaces": 2 });
                case.revisions.push(rollback(status));
            },
            Some("prod-shop-1.1.0-rollback restores revision 1"),
        ),
        (
            "its rollback failed",
            |case| {
                let status = json!({ "phase": "Failed", "revision": 3, "restores": 1, "replaces": 2 });
                case.revisions.push(rollback(status));
            },
            None,
        ),
        (
            "a newer one was verified and writes another workload",
            |case| {
                let change = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "api", "action": "Update" });
                let newer = json!({ "status": { "changes": [change] } });
                case.revisions.push(revision(3, "shop-1.2.0", "c", "11:52:00", newer));
            },
            None,
        ),
        (
            "a newer one failed and holds the lane",
            |case| {
                let newer = json!({ "status": { "phase": "Failed" } });
                case.revisions.push(revision(3, "shop-1.2.0", "c", "11:52:00", newer));
            },
            None,
        ),
    ];
    for (what, change, said) in cases {
        let mut case = Case::new();
        crashes(&mut case);
        change(&mut case);
        let (created, alarm) = case.outcome();
        assert_eq!((&created, alarm.is_some()), (&None, said.is_some()), "{what}: {alarm:?}");
        let message = alarm.map(|(_, message)| message).unwrap_or_default();
        assert!(message.contains(said.unwrap_or_default()), "{what}: {message}");
    }
}

#[test]
fn the_disruption_of_a_run_is_recorded_while_its_pod_is_seen() {
    let mut case = Case::new();
    let change = json!({ "apiVersion": "batch/v1", "kind": "CronJob", "name": "report", "action": "Create" });
    case.status(json!({ "changes": [change] }));
    let disruption = |job: &str| Disruption {
        job: format!("uid-{job}"),
        pod: format!("{job}-x"),
        message: "EvictionByEvictionAPI".into(),
    };
    let run = |name: &str, created: &str| Run {
        name: name.into(),
        created: Some(at(created)),
        failed: Some("exit code 1".into()),
        disruptions: vec![disruption(name)],
        disrupted: Some(format!("pod {name}-x was disrupted")),
    };
    // The first run is older than the verification.
    let mut runs = vec![run("report-1", "11:45:00"), run("report-2", "11:55:00")];
    let mut recorded = |runs: &[Run], known: &[Disruption]| {
        let report = Workload { runs: runs.to_vec(), ..Workload::default() };
        case.workloads.insert(key("CronJob", "report"), report);
        case.environment = json!({ "status": { "disruptions": known } });
        let decision = case.decided();
        assert!(decision.actions.is_empty(), "{:?}", decision.actions);
        decision.memory.map(|status| status.disruptions)
    };
    let second = vec![disruption("report-2")];
    assert_eq!(recorded(&runs, &[]), Some(second.clone()));
    assert_eq!(recorded(&runs, &second), None, "it is recorded");
    runs.push(run("report-3", "11:58:00"));
    assert_eq!(recorded(&runs, &second), Some(vec![disruption("report-2"), disruption("report-3")]));
    assert_eq!(recorded(&runs[2..], &second), Some(vec![disruption("report-3")]), "the second Job is gone");
    assert_eq!(recorded(&[], &second), None, "nothing is new");
}
