//! What the record of a project shows: the report of a release, the delivery figures, and a promotion that was deleted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "it is how a test fails")]

use super::screens::{are_as_before, object};
use jiff::Timestamp;
use serde_json::{Value, json};
use towpath::api::{Promotion, RecordEntry, Release};
use towpath::view::record::{Objects, entries, log};
use towpath::view::report::delivery::{Delivery, delivery};
use towpath::view::report::{Report, report};

fn now() -> Timestamp {
    "2026-11-02T15:00:00Z".parse().unwrap()
}

fn promoted(name: &str, release: &str, spec: Value, status: Value) -> Promotion {
    let mut whole = json!({ "release": release, "environment": "prod", "application": "shop" });
    whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    let mut object = object("Promotion", name, &whole, &status);
    object["metadata"]["uid"] = name.into();
    object["metadata"]["creationTimestamp"] = status["startedAt"].clone();
    serde_json::from_value(object).unwrap()
}

/// Release 2.0.0 waited for a window and an approver, failed in prod and was rolled back. The promotion of 1.0.0 is deleted.
fn objects() -> Objects {
    let approved = json!({
        "of": { "release": { "name": "shop-2.0.0", "uid": "r" }, "environment": { "name": "prod", "uid": "e" }, "digest": "d" },
        "required": 1,
        "approved": [{ "by": "bob@example.com", "at": "2026-11-02T13:30:00Z", "comment": "looks good" }],
    });
    let first = promoted(
        "prod-shop-1.0.0",
        "shop-1.0.0",
        json!({ "requestedBy": { "username": "alice@example.com" }, "reason": "first release" }),
        json!({
            "phase": "Verified", "revision": 1, "version": "1.0.0", "message": "stayed healthy through the observe window",
            "startedAt": "2026-11-01T10:00:00Z", "rolledOutAt": "2026-11-01T10:00:20Z", "finishedAt": "2026-11-01T10:05:20Z",
            "tests": [{ "name": "smoke", "origin": "Environment", "result": "Passed" }],
            "checks": [{ "name": "error-ratio", "verdict": "Passed" }],
        }),
    );
    let failed = promoted(
        "prod-shop-2.0.0",
        "shop-2.0.0",
        json!({ "requestedBy": { "username": "alice@example.com" } }),
        json!({
            "phase": "Failed", "reason": "CheckFailed", "revision": 2, "version": "2.0.0", "approvals": approved,
            "message": "check error-ratio measured 0.21, and at most 0.05 is allowed; rolled back to revision 1",
            "startedAt": "2026-11-02T14:00:00Z", "finishedAt": "2026-11-02T14:02:05Z",
            "checks": [{ "name": "error-ratio", "verdict": "Failed" }],
        }),
    );
    let mut back = promoted(
        "prod-shop-2.0.0-rollback",
        "shop-2.0.0",
        json!({ "kind": "Rollback", "cause": "CheckFailed", "reason": "check error-ratio measured 0.21" }),
        json!({
            "phase": "Verified", "reason": "Restored", "revision": 3, "version": "1.0.0", "restores": 1, "replaces": 2,
            "message": "restored 1.0.0, and it is healthy",
            "startedAt": "2026-11-02T14:02:05Z", "finishedAt": "2026-11-02T14:02:31Z",
        }),
    );
    back.metadata.labels = Some([("towpath.dev/automatic".to_owned(), "true".to_owned())].into());
    let entry = RecordEntry::from(&first);
    let release = |version: &str, spec: Value, status: Value| -> Release {
        let mut whole = json!({
            "application": "shop", "version": version, "source": { "environment": { "name": "dev" } },
            "requestedBy": { "username": "alice@example.com" },
        });
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        serde_json::from_value(object("Release", &format!("shop-{version}"), &whole, &status)).unwrap()
    };
    let change = json!({ "change": { "summary": "A new checkout", "owner": "team-checkout", "risk": "High", "tickets": ["SHOP-1"] } });
    let line = json!({
        "name": "prod", "state": "RolledBack", "since": "2026-11-02T14:02:31Z", "revision": 2,
        "waits": [
            { "gate": "Window", "seconds": 43_200, "times": 2 }, { "gate": "Approval", "seconds": 5_400, "times": 1 },
        ],
    });
    let message = "prod: rolled back by prod-shop-2.0.0-rollback: CheckFailed";
    Objects {
        releases: vec![
            release("1.0.0", json!({}), json!({ "phase": "Verified", "record": { (entry.key()): entry } })),
            release(
                "2.0.0",
                change,
                json!({ "phase": "RolledBack", "message": message, "environments": [line] }),
            ),
        ],
        promotions: vec![failed, back],
        ..Objects::default()
    }
}

pub fn reported() -> Report {
    let objects = objects();
    report(&objects, &objects.releases[1], now())
}

pub fn delivered() -> Delivery {
    let mut objects = objects();
    objects.releases[0].status.as_mut().unwrap().record_dropped = Some(2);
    delivery(&objects, &[], 7, now())
}

#[test]
fn the_record_of_a_project_is_as_it_was() {
    let objects = objects();
    let entry = entries(&objects.releases, &objects.environments).next().unwrap().clone();
    are_as_before(&[
        ("report", Box::new(|layout| reported().lines(layout))),
        ("report-markdown", Box::new(|_| reported().markdown().lines().map(str::to_owned).collect())),
        ("delivery", Box::new(|layout| delivered().table().lines(layout))),
        ("log-recorded", Box::new(move |layout| log::log(&entry).lines(layout))),
    ]);
}
