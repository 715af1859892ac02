//! Drift: another manager changes what a verified release wrote.

use super::comparison::{same_after_a_crash, same_in_any_order};
use super::outcomes::{promotion, summary};
use super::run::{Event, Run};
use super::scenarios::{Scenario, app, environment, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use towpath::api::{Environment, FIELD_MANAGER, PromotionPhase, PromotionStatus};
use towpath::content::ObjectKey;
use towpath::content::ownership::drift::drift;
use towpath::decide::needs::{is_compared, running, written};
use towpath::decide::world::{Drifted, Drifts, Project};

/// The drift of an environment, as `observe::drift` finds it.
pub fn drifts(store: &Store, project: &Project, environment: &Environment) -> Option<Drifts> {
    let namespace = &store.namespaces[environment.spec.namespace.as_str()];
    let found = |(application, project): (_, Project)| {
        let application: towpath::api::ApplicationName = application;
        let Some(running) = running(&project, environment, &application) else { return Vec::new() };
        let content = &store.contents[&running.content];
        let wrote = written(&project, environment, &application, running.revision, content);
        let workloads = wrote.into_iter().filter(|item| item.key.kind() == "Deployment");
        let compare = |item: towpath::content::Desired| {
            let fields = drift(namespace.live(&item.key).present()?, &item.object, FIELD_MANAGER, 20);
            (!fields.is_empty()).then(|| Drifted { key: item.key, application: application.clone(), fields })
        };
        workloads.filter_map(compare).collect::<Vec<_>>()
    };
    is_compared(project, environment).then(|| Drifts {
        found: project.by_application().into_iter().flat_map(found).collect(),
        ..Drifts::default()
    })
}

/// Removes a field from a field set, which has no empty nodes but those of fields.
fn lose(node: &mut Value, names: &[String]) {
    let (Some((first, rest)), Some(members)) = (names.split_first(), node.as_object_mut()) else { return };
    if let Some(inner) = members.get_mut(first).filter(|_| !rest.is_empty()) {
        lose(inner, rest);
    }
    if rest.is_empty() || members.get(first) == Some(&json!({})) {
        members.remove(first);
    }
}

/// Another manager changes a field, and owns it from then on.
fn edit(store: &mut Store, kind: (&str, &str), pointer: &str, value: &Value, now: Timestamp) {
    let key = ObjectKey::new(kind.0, kind.1, "web").unwrap();
    let namespace = store.namespaces.get_mut("shop-prod").unwrap();
    let live = namespace.live(&key).present().unwrap().clone();
    let names: Vec<String> = pointer.split('/').skip(1).map(|name| format!("f:{name}")).collect();
    let mut managers = live["metadata"]["managedFields"].as_array().unwrap().clone();
    managers.retain(|entry| entry["manager"] != "kubectl-edit");
    for entry in &mut managers {
        lose(&mut entry["fieldsV1"], &names);
    }
    let fields = names.iter().rev().fold(json!({}), |inner, name| json!({ name.as_str(): inner }));
    managers.push(json!({
        "manager": "kubectl-edit", "operation": "Update", "apiVersion": kind.0, "fieldsV1": fields, "time": now.to_string(),
    }));
    let patch = json!([
        { "op": "replace", "path": pointer, "value": value },
        { "op": "replace", "path": "/metadata/managedFields", "value": managers },
    ]);
    namespace.patch(&key, patch, now).unwrap();
}

const CONTAINERS: &str = "/spec/template/spec/containers";

fn set_image(store: &mut Store, image: &str, now: Timestamp) {
    let web = app("1.0.0", image).pop().unwrap();
    let live = store.namespaces["shop-prod"].live(&ObjectKey::of(&web).unwrap()).present().unwrap().clone();
    let mut containers = live.pointer(CONTAINERS).unwrap().clone();
    containers[0]["image"] = web.pointer(CONTAINERS).unwrap()[0]["image"].clone();
    edit(store, ("apps/v1", "Deployment"), CONTAINERS, &containers, now);
}

fn blocks(store: &mut Store, now: Timestamp) {
    environment(store, "prod", json!({ "drift": "Block", "adoptFrom": ["kubectl-edit"] }), now);
}

fn reports(store: &mut Store, now: Timestamp) {
    environment(store, "prod", json!({ "adoptFrom": ["kubectl-edit"] }), now);
}

const FIRST: Event = (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now));
const CHANGED: Event =
    (1800, "kubectl edit changes the image of web", |store, now| set_image(store, "web-2", now));
const SECOND: Event = (2400, "release 2.0.0", |store, now| shop(store, "2.0.0", "web", now));
const RESTORED: Event = (3000, "kubectl edit restores it", |store, now| set_image(store, "web", now));

pub const DRIFT: Scenario = Scenario {
    name: "drift",
    about: "An image is changed in prod. It is reported, keeps the second release from starting, and the release starts when the image is restored.",
    setting: blocks,
    events: &[FIRST, CHANGED, SECOND, RESTORED],
};

fn condition(run: &Run) -> Option<String> {
    let conditions = run.store.environments["prod"].status.clone().unwrap().conditions;
    conditions.into_iter().find(|condition| condition.type_ == "Drifted").map(|condition| condition.message)
}

fn status(run: &Run, name: &str) -> PromotionStatus {
    run.store.promotions[name].status.clone().unwrap()
}

#[test]
fn drift_is_reported_and_keeps_a_promotion_from_starting_until_the_field_is_restored() {
    let run = Run::of(blocks, DRIFT.events).until(2900);
    let found = run.store.environments["prod"].status.clone().unwrap().drift;
    assert_eq!((found.len(), found[0].manager.as_deref()), (1, Some("kubectl-edit")), "{found:?}");
    assert!(
        condition(&run).unwrap().starts_with("Deployment web: kubectl-edit changed "),
        "{:?}",
        condition(&run)
    );
    let waiting = status(&run, "prod-shop-2.0.0");
    let message = waiting.message.unwrap();
    assert_eq!(
        (waiting.phase, waiting.reason.as_deref()),
        (PromotionPhase::Pending, Some("Drift")),
        "{message}"
    );
    for word in
        ["Deployment web", "kubectl-edit", "restore it", "promote what runs in prod again", "gate Drift"]
    {
        assert!(message.contains(word), "{word}: {message}");
    }
    let waits =
        run.store.environments["prod"].status.clone().unwrap().applications[0].waiting.clone().unwrap();
    assert_eq!(waits.gate, "Drift");
    let run = DRIFT.run().settle();
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified);
    assert_eq!(condition(&run), None);
    assert!(run.store.environments["prod"].status.clone().unwrap().drift.is_empty());
}

#[test]
fn an_override_or_the_release_that_runs_passes_the_gate() {
    let overrides: Event = (3000, "a person overrides the gate", |store, now| {
        store.enforced = true;
        let spec = json!({
            "release": "shop-2.0.0", "environment": "prod", "requestedBy": { "username": "alice" },
            "override": { "gates": ["Drift"], "reason": "the hotfix is part of it" },
        });
        store.add_promotion("overridden", serde_json::from_value(spec).unwrap(), now);
    });
    let run = settled(blocks, &[FIRST, CHANGED, SECOND, overrides]);
    assert_eq!(promotion(&run, "overridden"), PromotionPhase::Verified);
    assert!(summary(&run, "prod").starts_with("shop 2.0.0"));
    let again: Event = (2400, "a person promotes what runs", |store, now| {
        let spec = json!({ "release": "shop-1.0.0", "environment": "prod" });
        store.add_promotion("again", serde_json::from_value(spec).unwrap(), now);
    });
    let run = settled(blocks, &[FIRST, CHANGED, again]);
    assert_eq!((promotion(&run, "again"), condition(&run)), (PromotionPhase::Verified, None));
}

#[test]
fn reported_drift_and_a_rollback_wait_for_nothing() {
    let run = settled(reports, &[FIRST, CHANGED]);
    assert!(condition(&run).is_some());
    let run = settled(reports, &[FIRST, CHANGED, SECOND]);
    let started = status(&run, "prod-shop-2.0.0");
    assert_eq!((started.phase, condition(&run)), (PromotionPhase::Verified, None));
    assert!(
        started.warnings.iter().any(|text| text.contains("drift") && text.contains("kubectl-edit")),
        "{started:?}"
    );
    let drifts: Event = (3600, "kubectl edit changes the image", |store, now| set_image(store, "web-2", now));
    let back: Event = (4200, "a person rolls back", |store, now| {
        let spec = json!({ "release": "shop-2.0.0", "environment": "prod", "kind": "Rollback" });
        store.add_promotion("back", serde_json::from_value(spec).unwrap(), now);
    });
    let second: Event = (1000, "release 2.0.0", SECOND.2);
    let run = settled(blocks, &[FIRST, second, drifts, back]);
    assert_eq!((promotion(&run, "back"), condition(&run)), (PromotionPhase::Verified, None));
    assert!(summary(&run, "prod").starts_with("shop 1.0.0"));
}

#[test]
fn a_kind_that_nothing_watches_is_compared_before_a_promotion_starts() {
    let port: Event = (1800, "kubectl edit changes a port of the Service", |store, now| {
        edit(store, ("v1", "Service"), "/spec/ports", &json!([{ "port": 81 }]), now);
    });
    let back: Event = (3000, "kubectl edit restores it", |store, now| {
        edit(store, ("v1", "Service"), "/spec/ports", &json!([{ "port": 80 }]), now);
    });
    let run = Run::of(blocks, &[FIRST, port, SECOND]).until(2900);
    let waiting = status(&run, "prod-shop-2.0.0");
    assert_eq!(waiting.reason.as_deref(), Some("Drift"), "{waiting:?}");
    assert!(waiting.message.unwrap().contains("Service web: kubectl-edit changed spec.ports"));
    assert_eq!(condition(&run), None, "nothing watches Services");
    let run = settled(blocks, &[FIRST, port, SECOND, back]);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified);
}

#[test]
fn crashes_and_the_order_of_passes_change_nothing_about_drift() {
    let (setting, events): (fn(&mut Store, Timestamp), &[Event]) = (reports, &[FIRST, CHANGED, SECOND]);
    same_after_a_crash("reported drift", setting, events);
    same_in_any_order("reported drift", setting, events);
}
