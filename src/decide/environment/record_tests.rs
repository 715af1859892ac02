//! What the status records for each application: the current and previous revision, and how every promotion ended.

use super::*;

/// The entry of the application shop with these promotions.
fn shop(promotions: impl IntoIterator<Item = Value>) -> (ApplicationStatus, String) {
    let releases = ["shop-1.0.0", "shop-1.1.0", "shop-1.2.0"]
        .map(|name| release(name, json!({ "spec": { "hold": true } })));
    let status = status(&with(releases.into_iter().chain(promotions)));
    (entry_of(&status, "shop").clone(), status.summary.unwrap())
}

/// `2 shop-1.1.0 1.1.0`.
fn shown(reference: &Option<RevisionRef>) -> String {
    let Some(reference) = reference else { return "-".into() };
    let release = reference.release.as_deref().unwrap_or("-");
    format!("{} {release} {}", reference.revision, reference.version.as_deref().unwrap_or("-"))
}

fn rollback(number: i64, release: &str, phase: &str, restores: Option<i64>) -> Value {
    as_rollback(revision(number, release, phase, json!({ "restores": restores, "version": "rollback" })))
}

#[test]
fn the_current_previous_and_last_verified_revision_are_read_from_the_promotions() {
    let first = || revision(1, "shop-1.0.0", "Verified", json!({}));
    let second = |phase: &str| revision(2, "shop-1.1.0", phase, json!({}));
    let third = |phase: &str| revision(3, "shop-1.2.0", phase, json!({}));
    for (promotions, current, previous, verified, summary) in [
        (vec![], "-", "-", "-", "shop -"),
        (vec![second("Promoting")], "-", "-", "-", "shop -"),
        (vec![first()], "1 shop-1.0.0 1.0.0", "-", "1 shop-1.0.0 1.0.0", "shop 1.0.0 (r1)"),
        (
            vec![first(), second("Observing")],
            "1 shop-1.0.0 1.0.0",
            "-",
            "1 shop-1.0.0 1.0.0",
            "shop 1.0.0 (r1)",
        ),
        (
            vec![first(), second("Failed")],
            "2 shop-1.1.0 1.1.0",
            "1 shop-1.0.0 1.0.0",
            "1 shop-1.0.0 1.0.0",
            "shop 1.1.0 (r2)",
        ),
        (
            vec![first(), second("Superseded"), third("Verified")],
            "3 shop-1.2.0 1.2.0",
            "2 shop-1.1.0 1.1.0",
            "3 shop-1.2.0 1.2.0",
            "shop 1.2.0 (r3)",
        ),
        // After a rollback, the restored release is current.
        (
            vec![first(), second("Failed"), rollback(3, "shop-1.1.0", "Verified", Some(1))],
            "3 shop-1.0.0 1.0.0",
            "2 shop-1.1.0 1.1.0",
            "3 shop-1.0.0 1.0.0",
            "shop 1.0.0 (r3)",
        ),
        (
            vec![
                first(),
                rollback(2, "shop-1.1.0", "Verified", Some(1)),
                rollback(3, "shop-1.2.0", "Failed", Some(2)),
            ],
            "3 shop-1.0.0 1.0.0",
            "2 shop-1.0.0 1.0.0",
            "2 shop-1.0.0 1.0.0",
            "shop 1.0.0 (r3)",
        ),
        // The objects before the first promotion have no version.
        (
            vec![
                revision(1, "shop-1.0.0", "Failed", json!({})),
                rollback(2, "shop-1.0.0", "Verified", Some(0)),
            ],
            "2 - -",
            "1 shop-1.0.0 1.0.0",
            "2 - -",
            "shop baseline (r2)",
        ),
        // A rollback that failed before it recorded what it restores is no baseline.
        (
            vec![first(), rollback(2, "shop-1.0.0", "Failed", None)],
            "2 - -",
            "1 shop-1.0.0 1.0.0",
            "1 shop-1.0.0 1.0.0",
            "shop unknown (r2)",
        ),
        // History has forgotten the restored revision.
        (vec![rollback(5, "shop-1.1.0", "Failed", Some(3))], "5 - rollback", "-", "-", "shop rollback (r5)"),
    ] {
        let (entry, found_summary) = shop(promotions.clone());
        let found = [&entry.current, &entry.previous, &entry.last_verified].map(shown);
        assert_eq!(found, [current, previous, verified], "{promotions:?}");
        assert_eq!(found_summary, summary, "{promotions:?}");
    }
}

#[test]
fn a_revision_in_a_namespace_that_was_recreated_since_is_history_and_not_current() {
    let before = json!({ "namespaceUid": "uid-before" });
    let (entry, summary) = shop([revision(1, "shop-1.0.0", "Verified", before)]);
    assert_eq!([&entry.current, &entry.previous, &entry.last_verified].map(shown), ["-", "-", "-"]);
    assert_eq!((entry.history.len(), summary.as_str()), (1, "shop -"));
}

#[test]
fn the_history_records_how_every_promotion_ended_newest_first() {
    let (entry, _) = shop([
        revision(1, "shop-1.0.0", "Verified", json!({ "startedAt": stamp("10:30:00"), "digest": digest() })),
        revision(2, "shop-1.1.0", "Failed", json!({})),
        rollback(3, "shop-1.1.0", "Verified", Some(1)),
        rollback(4, "shop-1.1.0", "Failed", None),
        rollback(5, "shop-1.1.0", "Superseded", Some(0)),
        revision(6, "shop-1.2.0", "Superseded", json!({ "finishedAt": null })),
        revision(7, "shop-1.2.0", "Promoting", json!({})),
        pending("ended", "shop-1.1.0", json!({ "phase": "Cancelled" })),
    ]);
    let outcomes: Vec<(i64, &str)> =
        entry.history.iter().map(|record| (record.revision, record.outcome.as_str())).collect();
    let expected = [
        (6, "Superseded"),
        (5, "Rollback to 0: Superseded"),
        (4, "Rollback: Failed"),
        (3, "Rollback to 1: Verified"),
        (2, "Failed"),
        (1, "Verified"),
    ];
    assert_eq!(outcomes, expected);
    let record = json!({
        "revision": 1,
        "promotion": "prod-shop-1.0.0-1",
        "release": "shop-1.0.0",
        "digest": digest(),
        "outcome": "Verified",
        "startedAt": stamp("10:30:00"),
        "finishedAt": stamp("11:00:00"),
    });
    assert_eq!(serde_json::to_value(&entry.history[5]).unwrap(), record);
    assert_eq!(entry.history[0].finished_at, None);
    assert_eq!(entry.active.as_deref(), Some("prod-shop-1.2.0-7"));
}

#[test]
fn the_history_holds_the_newest_sixty() {
    let all = |last: i64| (1..=last).map(|number| revision(number, "shop-1.0.0", "Verified", json!({})));
    let numbers =
        |last: i64| -> Vec<i64> { shop(all(last)).0.history.iter().map(|record| record.revision).collect() };
    assert_eq!(numbers(60), (1..=60).rev().collect::<Vec<_>>());
    assert_eq!(numbers(61), (2..=61).rev().collect::<Vec<_>>());
}

#[test]
fn an_application_is_listed_while_it_has_a_release_or_a_promotion_here() {
    let deleting = json!({ "metadata": { "deletionTimestamp": stamp("11:59:00") } });
    let elsewhere = json!({ "spec": { "environment": "dev" } });
    let of = |name: &str, further: &Value| {
        let mut promotion =
            pending(name, "cart-1.0.0", json!({ "application": "cart", "phase": "Cancelled" }));
        json_patch::merge(&mut promotion, further);
        promotion
    };
    let names = |objects: Vec<Value>| -> Vec<String> {
        status(&with(objects)).applications.iter().map(|entry| entry.name.to_string()).collect()
    };
    assert_eq!(names(vec![]), [""; 0]);
    assert_eq!(names(vec![release("cart-1.0.0", json!({}))]), ["cart"]);
    assert_eq!(names(vec![release("cart-1.0.0", deleting.clone())]), [""; 0]);
    assert_eq!(names(vec![of("here", &json!({}))]), ["cart"], "the release was deleted");
    assert_eq!(names(vec![of("here", &elsewhere)]), [""; 0]);
    assert_eq!(names(vec![of("here", &json!({})), release("cart-1.0.0", deleting)]), ["cart"]);
    let two = vec![release("shop-1.0.0", json!({})), release("cart-1.0.0", json!({}))];
    assert_eq!(names(two.clone()), ["cart", "shop"]);
    assert_eq!(status(&with(two)).summary.as_deref(), Some("cart -, shop -"));
    assert_eq!(status(&with([])).summary, None);
}

#[test]
fn applications_beyond_the_limit_of_the_status_are_promoted_as_well() {
    let releases =
        |last: usize| (1..=last).map(|number| release(&format!("application{number:03}-1.0.0"), json!({})));
    for (number, listed) in [(100, 100), (101, 100)] {
        let decision = with(releases(number));
        let status = status(&decision);
        assert_eq!((status.applications.len(), created_promotions(&decision).len()), (listed, number));
        assert_eq!(status.applications[99].name.to_string(), "application100");
        let summary = status.summary.unwrap();
        assert_eq!((summary.len(), &summary[1021..]), (1024, "..."));
    }
}

#[test]
fn promotions_beyond_the_history_limit_are_deleted() {
    let revisions =
        (1..=5).map(|number| revision(number, "shop-1.0.0", "Verified", json!({ "baseline": "b" })));
    let objects =
        [environment("prod", json!({ "spec": { "historyLimit": 3 } })), release("shop-1.0.0", json!({}))];
    let decision = decided(project(objects.into_iter().chain(revisions)));
    let [Action::DeletePromotion { environment, name, uid }] = decision.actions.as_slice() else {
        panic!("{:?}", decision.actions);
    };
    // The first one holds the baseline.
    let found = (environment.to_string(), name.to_string(), uid.to_string());
    let name = "prod-shop-1.0.0-2";
    assert_eq!(found, ("prod".into(), name.into(), format!("uid-{name}")));
}

/// A promotion with an override stays, and so does the rollback that says what became of it.
#[test]
fn a_rollback_stays_while_a_promotion_of_its_release_does() {
    let override_ = json!({ "spec": { "override": { "gates": ["Freeze"], "reason": "urgent" } } });
    let rolled_back = |more: Value| -> Vec<String> {
        let mut second = revision(2, "shop-1.1.0", "Verified", json!({}));
        json_patch::merge(&mut second, &more);
        let promotions = [
            revision(1, "shop-1.0.0", "Verified", json!({ "baseline": "b" })),
            second,
            rollback(3, "shop-1.1.0", "Verified", Some(1)),
        ];
        let later = (4..=6).map(|number| revision(number, "shop-1.2.0", "Verified", json!({})));
        let objects = [
            environment("prod", json!({ "spec": { "historyLimit": 2 } })),
            release("shop-1.0.0", json!({})),
            release("shop-1.1.0", json!({})),
            release("shop-1.2.0", json!({})),
        ];
        let decision = decided(project(objects.into_iter().chain(promotions).chain(later)));
        let deleted = decision.actions.into_iter().filter_map(|action| {
            let Action::DeletePromotion { name, .. } = action else { return None };
            Some(name)
        });
        deleted.collect()
    };
    assert_eq!(rolled_back(override_), ["prod-shop-1.2.0-4"]);
    assert_eq!(rolled_back(json!({})), ["prod-shop-1.1.0-2", "prod-shop-1.1.0-3", "prod-shop-1.2.0-4"]);
}
