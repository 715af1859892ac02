use super::*;
use crate::api::EnvironmentStatus;
use crate::decide::environment::decide;
use crate::decide::fixture_tests::{
    at, environment, project, promotion, release, the_environment, world_of_prod,
};
use crate::decide::world::{Drifted, Drifts};
use serde_json::{Value, json};

fn verified(number: i64, more: Value) -> Value {
    let mut status = json!({
        "revision": number, "phase": "Verified", "version": "1.0.0", "content": format!("content-{number}"),
        "application": "shop", "namespaceUid": "uid-shop-prod",
    });
    status.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    promotion(&format!("prod-shop-{number}"), "shop-1.0.0", json!({ "status": status }))
}

fn lanes(promotions: Vec<Value>) -> Project {
    let objects = [environment("prod", json!({})), release("shop-1.0.0", json!({}))];
    project(objects.into_iter().chain(promotions))
}

#[test]
fn only_a_verified_revision_that_towpath_wrote_is_compared() {
    let rollback = |restores: i64| json!({ "restores": restores });
    for (what, promotions, expected) in [
        ("nothing ran", vec![], None),
        ("verified", vec![verified(1, json!({}))], Some(1)),
        ("in progress", vec![verified(1, json!({})), verified(2, json!({ "phase": "Promoting" }))], None),
        ("failed and held", vec![verified(1, json!({})), verified(2, json!({ "phase": "Failed" }))], None),
        ("inconclusive", vec![verified(1, json!({ "phase": "Inconclusive" }))], None),
        (
            "a rollback",
            vec![verified(1, json!({})), verified(2, json!({})), verified(3, rollback(1))],
            Some(3),
        ),
        ("revision 0", vec![verified(1, json!({})), verified(2, rollback(0))], None),
        (
            "revision 0 once more",
            vec![verified(1, json!({})), verified(2, rollback(0)), verified(3, rollback(2))],
            None,
        ),
    ] {
        let project = lanes(promotions);
        let found =
            running(&project, &the_environment(&project, "prod"), &"shop".into()).map(|it| it.revision);
        assert_eq!(found, expected, "{what}");
    }
}

fn image(by: &str) -> Drift {
    let since = Some(at("11:00:00"));
    Drift { field: "spec.image".into(), is_removed: false, manager: Some(by.into()), since }
}

fn web() -> ObjectKey {
    ObjectKey::new("apps/v1", "Deployment", "web").unwrap()
}

fn of(fields: Vec<Drift>) -> Drifts {
    let found = vec![Drifted { key: web(), application: "shop".into(), fields }];
    Drifts { found, ..Drifts::default() }
}

/// The world of prod with what is stored and what is observed.
fn world(spec: Value, phase: &str, stored: &[DriftedField], drift: Option<Drifts>) -> EnvironmentWorld {
    let project = project([
        environment("prod", json!({ "spec": spec, "status": { "drift": stored } })),
        release("shop-1.0.0", json!({})),
        verified(1, json!({ "phase": phase })),
    ]);
    EnvironmentWorld { drift, ..world_of_prod(project) }
}

fn status(
    spec: Value,
    phase: &str,
    stored: &[DriftedField],
    drift: Option<Drifts>,
) -> Option<EnvironmentStatus> {
    decide(&world(spec, phase, stored, drift), at("12:00:00")).report
}

#[test]
fn drift_is_shown_with_object_field_and_manager_until_it_is_gone() {
    let by = field_of(&web(), &"shop".into(), &image("kubectl-set"));
    let stored = std::slice::from_ref(&by);
    let unread = Drifts { unread: [web()].into(), ..Drifts::default() };
    for (what, phase, stored, drift, expected) in [
        ("found", "Verified", &[][..], Some(of(vec![image("kubectl-set")])), stored),
        ("not compared now", "Verified", stored, None, stored),
        ("unreadable now", "Verified", stored, Some(unread), stored),
        ("gone", "Verified", stored, Some(Drifts::default()), &[]),
        ("a promotion is in progress", "Promoting", stored, None, &[]),
    ] {
        let status = status(json!({}), phase, stored, drift).unwrap();
        assert_eq!(status.drift, expected, "{what}");
        let condition = status.conditions.iter().find(|condition| condition.type_ == "Drifted");
        assert_eq!(condition.is_some(), !expected.is_empty(), "{what}");
    }
    let observed = json!({ "delivery": "Observed" });
    let found = status(observed, "Verified", stored, Some(of(vec![image("kubectl-set")]))).unwrap();
    assert!(found.drift.is_empty(), "another tool writes there");
}

#[test]
fn what_may_have_changed_and_what_could_not_be_read_is_compared_again() {
    let unread = Drifts { unread: [web()].into(), ..Drifts::default() };
    for (what, drift, expected) in [
        ("nothing drifted", Drifts::default(), None),
        ("drift that was compared", of(vec![image("kubectl-set")]), None),
        ("read a second ago", Drifts { is_recent: true, ..Drifts::default() }, Some(at("12:00:02"))),
        ("unreadable", unread, Some(at("12:01:00"))),
    ] {
        let mut world = world(json!({}), "Verified", &[], Some(drift));
        let decision = decide(&world, at("12:00:00"));
        assert_eq!(decision.wake_at, expected, "{what}");
        Arc::make_mut(&mut world.environment).status = decision.report;
        assert_eq!(decide(&world, at("12:00:00")).report, None, "{what}: is reported once");
    }
}

#[test]
fn the_condition_says_what_to_do_and_the_list_is_bounded() {
    let many = |count: usize| {
        (0..count).map(|nth| Drift { field: format!("spec.f{nth:02}"), ..image("kubectl-edit") })
    };
    for (spec, count, expected) in [
        (
            json!({}),
            1,
            "Deployment web: kubectl-edit changed spec.f00; restore it, or promote what runs in prod again, which takes over \
             fields of the managers in spec.adoptFrom",
        ),
        (
            json!({ "drift": "Block" }),
            30,
            "Deployment web: kubectl-edit changed spec.f00, and 19 more in status.drift; restore it, or promote what runs in prod \
             again, which takes over fields of the managers in spec.adoptFrom; until then, the gate Drift keeps the next \
             promotion from starting",
        ),
    ] {
        let status = status(spec, "Verified", &[], Some(of(many(count).collect()))).unwrap();
        let condition = status.conditions.iter().find(|condition| condition.type_ == "Drifted").unwrap();
        assert_eq!((condition.reason.as_str(), condition.message.as_str()), ("FieldsChanged", expected));
        assert_eq!(status.drift.len(), count.min(20));
        assert!(status.message.unwrap().contains(expected), "on-call sees it");
    }
}

#[test]
fn a_change_without_a_manager_and_a_removed_field_are_told_as_well() {
    for (is_removed, manager, expected) in [
        (false, None, "Deployment web: another manager changed spec.image"),
        (true, None, "Deployment web: another manager removed spec.image"),
        (true, Some("helm"), "Deployment web: spec.image was removed, and helm changed the object last"),
    ] {
        let drift = Drift { is_removed, manager: manager.map(str::to_owned), ..image("") };
        assert_eq!(field_of(&web(), &"shop".into(), &drift).sentence(), expected);
    }
}
