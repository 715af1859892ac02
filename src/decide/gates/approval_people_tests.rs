//! Several decisions of one person, and decisions that were made before a rollback. It is noon.

use super::*;
use crate::decide::fixture_tests::promotion;

/// An approval that was given at this time.
fn given(name: &str, approver: Value, time: &str) -> Value {
    approval(name, approver, json!({ "metadata": { "creationTimestamp": stamp(time) } }))
}

fn with_uid(name: &str, uid: &str) -> Value {
    json!({ "username": name, "uid": uid })
}

/// What is said about each approval.
fn said(scene: &Scene) -> Vec<String> {
    let names: Vec<String> =
        scene.approvals.iter().map(|one| one["metadata"]["name"].as_str().unwrap().to_owned()).collect();
    let found = names.iter().map(|name| {
        scene.ask(|project, rules, case| {
            match crate::decide::gates::approvals::outcome(
                project,
                rules,
                case,
                &the_approval(project, name),
                at("12:00:00"),
            ) {
                Ok(_) => "counts".to_owned(),
                Err(why) => why,
            }
        })
    });
    found.collect()
}

#[test]
fn of_several_approvals_of_one_person_the_newest_counts_and_the_others_say_so() {
    let newer =
        |name: &str| format!("a person counts once, and the Approval {name} of the same person is newer");
    let (bob, robert) = (|| with_uid("bob", "1"), || with_uid("robert", "1"));
    for (approvals, expected) in [
        (
            vec![given("a", person("bob"), "10:00:00"), given("b", person("bob"), "11:00:00")],
            vec![newer("b"), "counts".into()],
        ),
        (
            vec![given("b", person("bob"), "10:00:00"), given("a", person("bob"), "11:00:00")],
            vec![newer("a"), "counts".into()],
        ),
        // One person under two user names, and one user name that was given to another person later.
        (
            vec![given("a", bob(), "11:00:00"), given("b", robert(), "10:00:00")],
            vec!["counts".into(), newer("a")],
        ),
        (
            vec![
                given("a", bob(), "10:00:00"),
                given("b", person("bob"), "10:30:00"),
                given("c", robert(), "11:00:00"),
            ],
            vec![newer("c"), newer("c"), "counts".into()],
        ),
        (
            vec![given("a", person("bob"), "10:00:00"), given("b", person("carol"), "10:00:00")],
            vec!["counts".into(), "counts".into()],
        ),
    ] {
        let people = expected.iter().filter(|said| *said == "counts").count();
        let scene = Scene {
            approvers: vec![person("bob"), bob(), robert(), person("carol")],
            ..scene(json!({ "required": 3 }))
        };
        let scene = scene.with(approvals.clone());
        assert_eq!(said(&scene), expected, "{approvals:?}");
        assert_eq!(scene.tally().report.approved.len(), people, "{approvals:?}");
    }
}

#[test]
fn an_approval_of_a_person_who_rejects_says_which_decision_counts() {
    let rejects = approval("no", person("bob"), json!({ "spec": { "decision": "Reject" } }));
    let scene = scene(one()).with([given("yes", person("bob"), "11:00:00"), rejects]);
    let expected = ["the Approval no of the same person rejects the release".to_owned(), "counts".to_owned()];
    assert_eq!(said(&scene), expected);
}

#[test]
fn the_expiry_of_an_approval_that_does_not_count_is_not_waited_for() {
    let expires = |name: &str, created: &str, at: &str| {
        let changes = json!({
            "metadata": { "creationTimestamp": stamp(created) }, "spec": { "expiresAt": stamp(at) },
        });
        approval(name, person("bob"), changes)
    };
    let scene =
        scene(one()).with([expires("a", "10:00:00", "12:30:00"), expires("b", "11:00:00", "13:00:00")]);
    assert_eq!(scene.tally().until, Some(at("13:00:00")));
}

#[test]
fn what_was_approved_before_a_rollback_does_not_count_again() {
    let before = "it was given before back rolled shop-1.1.0 back; approve it again".to_owned();
    let revision = |name: &str, number: i64, further: Value| {
        let mut found = promotion(
            name,
            "shop-1.1.0",
            json!({
                "metadata": { "creationTimestamp": stamp("11:00:00") },
                "status": { "revision": number, "phase": "Verified", "version": "1.1.0", "application": "shop" },
            }),
        );
        json_patch::merge(&mut found, &further);
        found
    };
    let ran = || revision("forth", 2, json!({}));
    let back = |further: Value| {
        let mut back =
            revision("back", 3, json!({ "spec": { "kind": "Rollback" }, "status": { "restores": 1 } }));
        json_patch::merge(&mut back, &further);
        back
    };
    let never_started = json!({ "status": { "revision": null, "restores": null, "phase": "Cancelled" } });
    for (promotions, created, decision, expected) in [
        (vec![ran(), back(json!({}))], "10:59:59", "Approve", before.clone()),
        (vec![ran(), back(json!({}))], "11:00:00", "Approve", before.clone()),
        (vec![ran(), back(json!({}))], "11:00:01", "Approve", "counts".into()),
        // History has forgotten the promotion.
        (vec![back(json!({}))], "10:59:59", "Approve", before.clone()),
        // A rejection stays, and so does an approval if nothing was rolled back.
        (vec![ran(), back(json!({}))], "10:59:59", "Reject", "counts".into()),
        (vec![ran()], "10:59:59", "Approve", "counts".into()),
        (vec![ran(), back(never_started)], "10:59:59", "Approve", "counts".into()),
        // It restored the release itself, and another environment was rolled back.
        (vec![ran(), back(json!({ "status": { "restores": 2 } }))], "10:59:59", "Approve", "counts".into()),
        (
            vec![ran(), back(json!({ "spec": { "environment": "dev" } }))],
            "10:59:59",
            "Approve",
            "counts".into(),
        ),
        // A rollback of another release to a revision before this one.
        (
            vec![ran(), back(json!({ "spec": { "release": "shop-1.2.0", "application": "shop" } }))],
            "10:59:59",
            "Approve",
            before.clone(),
        ),
    ] {
        let changes = json!({
            "metadata": { "creationTimestamp": stamp(created) }, "spec": { "decision": decision },
        });
        let scene = scene(one()).with([approval("one", person("bob"), changes)]);
        let found = scene.ask(|project, rules, case| {
            let mut project = project.clone();
            for promotion in &promotions {
                let name = promotion["metadata"]["name"].as_str().unwrap().to_owned();
                let promotion = serde_json::from_value(promotion.clone()).unwrap();
                project.promotions.insert(name, std::sync::Arc::new(promotion));
            }
            match counts(&project, rules, case, &the_approval(&project, "one"), at("12:00:00")) {
                Ok(_) => "counts".to_owned(),
                Err(why) => why,
            }
        });
        assert_eq!(found, expected, "{created} {decision} {promotions:?}");
    }
}
