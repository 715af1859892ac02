//! Which release is promoted to prod next, what is reported about it, and when its promotion is created. It is noon.

use super::*;
use crate::api::{ApplicationStatus, RECONCILING, RevisionRef, STALLED};
use crate::decide::consent;
use crate::decide::consent::missing_binding;
use crate::decide::decision::Action;
use crate::decide::fixture_tests::{
    answer, at, digest, environment, person, project, promotion, release, stamp, the_environment,
    world_of_prod,
};
use crate::decide::world::{Admission, Freeze, Grant, Verb};
use serde_json::{Value, json};

/// Not a whole second, as on a real clock.
fn noon() -> Timestamp {
    at("12:00:00.75")
}

fn decided(project: Project) -> Decision<EnvironmentStatus> {
    decide(&world_of_prod(project), noon())
}

/// The decision about prod with these objects.
fn with(objects: impl IntoIterator<Item = Value>) -> Decision<EnvironmentStatus> {
    decided(project([environment("prod", json!({}))].into_iter().chain(objects)))
}

fn status(decision: &Decision<EnvironmentStatus>) -> EnvironmentStatus {
    decision.report.clone().expect("a report")
}

/// The conditions that kstatus reads, and the message.
fn said(decision: &Decision<EnvironmentStatus>) -> String {
    let status = status(decision);
    let flags = [crate::api::READY, RECONCILING, STALLED];
    let shown = status.conditions.iter().filter(|condition| flags.contains(&condition.type_.as_str()));
    let shown: Vec<String> = shown.map(|it| format!("{}={} {}", it.type_, it.status, it.reason)).collect();
    format!("{}: {}", shown.join(", "), status.message.unwrap_or_default())
}

/// Name and release of each promotion that is created.
fn created_promotions(decision: &Decision<EnvironmentStatus>) -> Vec<(String, String)> {
    let actions = decision.actions.iter().filter_map(|action| {
        let Action::CreatePromotion { name, spec, .. } = action else { return None };
        Some((name.to_string(), spec.release.to_string()))
    });
    actions.collect()
}

fn entry_of<'a>(status: &'a EnvironmentStatus, application: &str) -> &'a ApplicationStatus {
    status.applications.iter().find(|entry| entry.name == application).expect("the application")
}

/// Gate and `until` of what waits.
fn waits(decision: &Decision<EnvironmentStatus>) -> Option<(String, Option<Timestamp>)> {
    let waiting = entry_of(&status(decision), "shop").waiting.clone()?;
    assert_eq!(waiting.release, "shop-1.1.0");
    Some((waiting.gate, waiting.until.map(|until| until.0)))
}

fn freeze(to: &str, reason: &str) -> Freeze {
    Freeze {
        name: "ChangeFreeze sale".into(),
        from: at("11:00:00"),
        to: at(to),
        reason: reason.into(),
        environments: Vec::new(),
        passes: Vec::new(),
    }
}

/// A promotion that started, with this number, phase and further fields of its status.
fn revision(number: i64, release: &str, phase: &str, further: Value) -> Value {
    let mut status = json!({
        "revision": number,
        "phase": phase,
        "version": release.split_once('-').unwrap().1,
        "finishedAt": stamp("11:00:00"),
        "namespaceUid": "uid-shop-prod",
        "releaseDigest": digest(),
    });
    json_patch::merge(&mut status, &further);
    promotion(&format!("prod-{release}-{number}"), release, json!({ "status": status }))
}

/// A promotion that did not start, with these fields of its status.
fn pending(name: &str, release: &str, status: Value) -> Value {
    promotion(name, release, json!({ "status": status }))
}

fn as_rollback(mut promotion: Value) -> Value {
    json_patch::merge(&mut promotion, &json!({ "spec": { "kind": "Rollback" } }));
    promotion
}

#[test]
fn the_gate_that_the_next_release_waits_at_is_reported_with_the_time_at_which_it_opens() {
    let change = |change: Value| json!({ "spec": { "change": change } });
    let not_before = |time: &str| json!([{ "environment": "prod", "at": stamp(time) }]);
    let weekly = json!({ "windows": [{ "schedule": "30 13 * * *", "duration": "1h" }] });
    // (environment, release, gate and until, wake_at)
    for (spec, release_changes, gate, wake_at) in [
        (json!({ "promotion": "Manual" }), json!({}), Some(("Manual", None)), None),
        (
            json!({ "promotion": "Manual" }),
            change(json!({ "deadline": stamp("15:00:00") })),
            Some(("Manual", None)),
            Some("15:00:00"),
        ),
        (json!({}), json!({ "spec": { "hold": true } }), Some(("Hold", None)), None),
        (json!({}), change(json!({ "deadline": stamp("11:00:00") })), Some(("Deadline", None)), None),
        (
            json!({}),
            change(json!({ "notBefore": not_before("14:00:00") })),
            Some(("NotBefore", Some("14:00:00"))),
            Some("14:00:00"),
        ),
        (
            json!({}),
            change(json!({ "notBefore": not_before("14:00:00"), "deadline": stamp("13:00:00") })),
            Some(("NotBefore", Some("14:00:00"))),
            Some("13:00:00"),
        ),
        (
            json!({}),
            change(json!({ "notBefore": not_before("14:00:00.5"), "deadline": stamp("15:00:00") })),
            Some(("NotBefore", Some("14:00:00"))),
            Some("14:00:00.5"),
        ),
        (weekly, json!({}), Some(("Window", Some("13:30:00"))), Some("13:30:00")),
        (json!({ "after": ["dev"] }), json!({}), Some(("Order", None)), None),
        // Not reported: the content is captured within seconds, and no user can open that gate.
        (json!({}), json!({ "status": { "content": null } }), None, None),
        // Not for this environment.
        (json!({ "after": ["dev"] }), json!({ "spec": { "until": "dev" } }), None, None),
    ] {
        let objects = [
            environment("dev", json!({})),
            environment("prod", json!({ "spec": spec })),
            release("shop-1.1.0", release_changes.clone()),
        ];
        let decision = decided(project(objects));
        let what = format!("{spec} {release_changes}");
        let gate = gate.map(|(gate, until): (&str, Option<&str>)| (gate.to_owned(), until.map(at)));
        assert_eq!(waits(&decision), gate, "{what}");
        assert_eq!(decision.wake_at, wake_at.map(at), "{what}");
        assert_eq!(created_promotions(&decision), [], "{what}");
        let message = match gate {
            Some((gate, _)) => format!("Ready=True Idle: shop-1.1.0 waits: {gate}: "),
            None => "Ready=True Idle: no release has been promoted here yet".to_owned(),
        };
        assert!(said(&decision).starts_with(&message), "{what}: {}", said(&decision));
    }
}

#[test]
fn rights_are_checked_again_after_ten_seconds_or_at_an_earlier_deadline() {
    for (deadline, wake_at) in
        [(None, "12:00:10.75"), (Some("12:00:05"), "12:00:05"), (Some("12:00:30"), "12:00:10.75")]
    {
        let change = deadline.map(|deadline| json!({ "deadline": stamp(deadline) }));
        let spec = json!({ "spec": { "change": change, "requestedBy": person("alice") } });
        let mut project = project([environment("prod", json!({})), release("shop-1.1.0", spec)]);
        project.admission = Admission::Enforced;
        answer(&mut project, Verb::Promote, "prod", &person("alice"), false);
        let decision = decided(project);
        assert_eq!(waits(&decision), Some(("Requester".to_owned(), None)));
        assert_eq!(decision.wake_at, Some(at(wake_at)), "{deadline:?}");
    }
}

#[test]
fn a_message_is_cut_where_the_status_has_no_room_for_it() {
    let mut project = project([environment("prod", json!({})), release("shop-1.1.0", json!({}))]);
    project.freezes = vec![freeze("14:00:00", &"x".repeat(5000))];
    let found = status(&decided(project));
    let waiting = entry_of(&found, "shop").waiting.clone().unwrap();
    assert_eq!((waiting.message.len(), waiting.until.map(|it| it.0)), (2048, Some(at("14:00:00"))));
    assert_eq!(found.message.unwrap().len(), 4096);

    let long = json!({ "reason": "Hold", "message": "x".repeat(3000) });
    let decision = with([release("shop-1.1.0", json!({})), pending("first", "shop-1.1.0", long)]);
    let waiting = entry_of(&status(&decision), "shop").waiting.clone().unwrap();
    assert_eq!(waiting.message.len(), 2048);
}

#[test]
fn the_environment_is_reconciled_at_the_earliest_time_that_any_of_its_applications_waits_for() {
    let at_time = |application: &str, time: &str| {
        let not_before = json!([{ "environment": "prod", "at": stamp(time) }]);
        release(&format!("{application}-1.1.0"), json!({ "spec": { "change": { "notBefore": not_before } } }))
    };
    for times in [["13:00:00", "14:00:00"], ["14:00:00", "13:00:00"]] {
        let decision = with([at_time("cart", times[0]), at_time("shop", times[1])]);
        assert_eq!(decision.wake_at, Some(at("13:00:00")), "{times:?}");
        // The message of the first application by name is reported.
        let message = format!("cart-1.1.0 waits: NotBefore: spec.change.notBefore is {}", stamp(times[0]));
        assert_eq!(said(&decision), format!("Ready=True Idle: {message}"));
    }
}

#[test]
fn the_gate_of_a_waiting_promotion_is_reported_for_its_application() {
    let mut project = project([
        environment("prod", json!({})),
        release("shop-1.1.0", json!({})),
        pending("first", "shop-1.1.0", json!({ "reason": "Hold", "message": "an older one" })),
        pending("second", "shop-1.1.0", json!({ "reason": "Freeze", "message": "a sale" })),
        pending(
            "third",
            "shop-1.1.0",
            json!({ "phase": "Cancelled", "reason": "Freeze", "message": "over" }),
        ),
    ]);
    project.freezes = vec![freeze("14:00:00.5", "sale")];
    let decision = decided(project.clone());
    assert_eq!(waits(&decision), Some(("Freeze".into(), Some(at("14:00:00")))));
    assert_eq!(said(&decision), "Ready=True Idle: shop-1.1.0 waits: Freeze: a sale");
    assert_eq!(entry_of(&status(&decision), "shop").active, None);
    assert_eq!((created_promotions(&decision), decision.wake_at), (vec![], None));

    // The gate is open already; the promotion is reconciled next and reports it.
    project.freezes.clear();
    assert_eq!(waits(&decided(project)), Some(("Freeze".into(), None)));
}

#[test]
fn a_promotion_that_waits_for_something_missing_is_in_progress() {
    let blocked =
        |message: Value| pending("second", "shop-1.1.0", json!({ "reason": "Lane", "message": message }));
    for (message, expected) in
        [(json!("another one runs"), "second: another one runs"), (Value::Null, "second is in progress")]
    {
        let decision = with([release("shop-1.1.0", json!({})), blocked(message)]);
        assert_eq!(said(&decision), format!("Ready=False Promoting, Reconciling=True Promoting: {expected}"));
        let status = status(&decision);
        let entry = entry_of(&status, "shop");
        assert_eq!((entry.active.as_deref(), &entry.waiting), (Some("second"), &None));
    }
}

#[test]
fn the_newest_release_that_may_be_promoted_becomes_a_promotion() {
    let decision = with([release("shop-1.0.0", json!({})), release("shop-1.1.0", json!({}))]);
    let [Action::CreatePromotion { name, application, spec, owner }] = decision.actions.as_slice() else {
        panic!("{:?}", decision.actions);
    };
    assert_eq!((name.to_string(), application.to_string()), ("prod-shop-1.1.0".into(), "shop".into()));
    let expected = json!({
        "release": "shop-1.1.0",
        "environment": "prod",
        "application": "shop",
        "kind": "Promote",
    });
    assert_eq!(serde_json::to_value(spec).unwrap(), expected);
    let owner = (owner.kind, owner.name.to_string(), owner.uid.to_string());
    assert_eq!(owner, ("Environment", "prod".into(), "uid-prod".into()));

    let said = said(&decision);
    assert_eq!(said, "Ready=False Promoting, Reconciling=True Promoting: prod-shop-1.1.0 is in progress");
    let status = status(&decision);
    assert_eq!(entry_of(&status, "shop").active.as_deref(), Some("prod-shop-1.1.0"));
    assert_eq!((status.observed_generation, status.summary.as_deref()), (3, Some("shop -")));
    assert_eq!(decision.wake_at, None);
}

#[test]
fn a_newer_release_that_waits_is_reported_only_when_no_older_one_is_promoted() {
    let held = json!({ "spec": { "hold": true } });
    let decision = with([release("shop-1.0.0", json!({})), release("shop-1.1.0", held)]);
    assert_eq!(created_promotions(&decision), [("prod-shop-1.0.0".into(), "shop-1.0.0".into())]);
    assert_eq!(entry_of(&status(&decision), "shop").waiting, None);
}

#[test]
fn a_promotion_is_created_before_its_gate_of_time_opens_if_people_have_to_approve_it() {
    let spec = json!({ "approvals": { "required": 1 }, "windows": [{ "schedule": "30 13 * * *", "duration": "1h" }] });
    let decision =
        decided(project([environment("prod", json!({ "spec": spec })), release("shop-1.1.0", json!({}))]));
    assert_eq!(created_promotions(&decision).len(), 1);
    assert_eq!((waits(&decision), decision.wake_at), (None, None));
}

#[test]
fn no_promotion_is_created_while_the_environment_has_a_fault() {
    let mut project = project([environment("prod", json!({})), release("shop-1.1.0", json!({}))]);
    let missing = missing_binding(&the_environment(&project, "prod"));
    project.grants.insert("prod".into(), Grant::Missing(missing.clone()));
    let decision = decided(project.clone());
    let message = consent::message(&the_environment(&project, "prod"), &missing);
    let expected = format!("Ready=False NotGranted, Reconciling=True NotGranted: {message}");
    assert_eq!(said(&decision), expected);
    assert_eq!(status(&decision).missing_consent, Some(missing));
    assert_eq!(
        (created_promotions(&decision), entry_of(&status(&decision), "shop").active.clone()),
        (vec![], None)
    );

    project.grants.insert("prod".into(), Grant::Granted);
    let decision = decided(project);
    assert_eq!(created_promotions(&decision).len(), 1);
    assert_eq!(status(&decision).missing_consent, None);
}

#[test]
fn no_promotion_is_created_while_a_rollback_of_the_application_has_not_ended() {
    let deleting = json!({ "metadata": { "deletionTimestamp": stamp("11:59:00") } });
    let with_changes = |mut promotion: Value, changes: &Value| {
        json_patch::merge(&mut promotion, changes);
        promotion
    };
    let cancelled = || pending("back", "shop-1.0.0", json!({ "phase": "Cancelled" }));
    let running = || revision(2, "shop-1.0.0", "Promoting", json!({ "restores": 0 }));
    for (other, is_created) in [
        (as_rollback(pending("back", "shop-1.0.0", json!({}))), false),
        (as_rollback(with_changes(pending("back", "shop-1.0.0", json!({})), &deleting)), true),
        (as_rollback(cancelled()), true),
        (as_rollback(running()), false),
        (as_rollback(with_changes(running(), &deleting)), true),
        (as_rollback(revision(2, "shop-1.0.0", "Observing", json!({ "restores": 0 }))), false),
        (as_rollback(revision(2, "shop-1.0.0", "Verified", json!({ "restores": 0 }))), true),
        (as_rollback(pending("back", "cart-1.0.0", json!({ "application": "cart" }))), true),
        (pending("forth", "shop-1.0.0", json!({})), true),
        (running(), true),
    ] {
        let objects = [
            release("cart-1.0.0", json!({ "spec": { "hold": true } })),
            release("shop-1.0.0", json!({})),
            release("shop-1.1.0", json!({ "status": { "digest": "b".repeat(64) } })),
            revision(1, "shop-1.0.0", "Verified", json!({})),
            other.clone(),
        ];
        let decision = with(objects);
        let expected: &[_] =
            if is_created { &[("prod-shop-1.1.0".into(), "shop-1.1.0".into())] } else { &[] };
        assert_eq!(created_promotions(&decision), expected, "{other}");
    }
}

#[test]
fn a_promotion_whose_name_is_taken_gets_the_number_of_the_next_revision() {
    // The release was deleted and recreated with another version.
    let before = json!({ "releaseDigest": "b".repeat(64), "version": "1.0.9" });
    let first = |number: i64| {
        let mut first = revision(number, "shop-1.1.0", "Verified", before.clone());
        first["metadata"]["name"] = json!("prod-shop-1.1.0");
        first
    };
    let decision = with([release("shop-1.1.0", json!({})), first(7)]);
    assert_eq!(created_promotions(&decision), [("prod-shop-1.1.0-8".into(), "shop-1.1.0".into())]);

    // The name is taken by a promotion of another application, too.
    let other = pending("prod-shop-1.1.0", "cart-1.0.0", json!({ "application": "cart" }));
    let decision = with([release("shop-1.1.0", json!({})), other.clone()]);
    assert_eq!(created_promotions(&decision), [("prod-shop-1.1.0-1".into(), "shop-1.1.0".into())]);

    // Promotions that ended before they started have no revision, and hold their names.
    let ended =
        pending("prod-shop-1.1.0-1", "cart-1.0.1", json!({ "application": "cart", "phase": "Cancelled" }));
    let decision = with([release("shop-1.1.0", json!({})), other, ended]);
    assert_eq!(created_promotions(&decision), [("prod-shop-1.1.0-2".into(), "shop-1.1.0".into())]);
}

#[test]
fn a_release_that_was_promoted_here_once_is_not_promoted_again() {
    for phase in ["Promoting", "Observing", "Verified", "Failed", "Superseded"] {
        let decision = with([release("shop-1.1.0", json!({})), revision(1, "shop-1.1.0", phase, json!({}))]);
        assert_eq!(created_promotions(&decision), [], "{phase}");
    }
    for status in [json!({}), json!({ "phase": "Cancelled" })] {
        let decision =
            with([release("shop-1.1.0", json!({})), pending("mine", "shop-1.1.0", status.clone())]);
        assert_eq!(created_promotions(&decision), [], "{status}");
    }
}

#[test]
fn nothing_is_decided_about_an_environment_that_is_being_deleted() {
    let deleting = json!({ "metadata": { "deletionTimestamp": stamp("11:59:00") } });
    let decision = decided(project([environment("prod", deleting), release("shop-1.1.0", json!({}))]));
    let is_empty = decision.actions.is_empty() && decision.report.is_none() && decision.notes.is_empty();
    assert!(is_empty && decision.wake_at.is_none(), "{decision:?}");
}

#[path = "record_tests.rs"]
mod record_tests;
#[path = "state_tests.rs"]
mod state_tests;

/// A user pastes the line with the command.
#[test]
fn what_follows_a_command_is_on_another_line() {
    let command = "consent is missing; to consent, run:\nkubectl create rolebinding towpath".to_owned();
    let joined = |parts: &[&str]| super::joined(&parts.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
    assert_eq!(joined(&[&command, "spec.notify names hook"]), format!("{command}\nspec.notify names hook"));
    assert_eq!(joined(&["", "a", "b"]), "a; b");
}
