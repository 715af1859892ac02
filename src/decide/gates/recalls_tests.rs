use super::*;
use crate::decide::fixture_tests::{
    at, digest, environment, project, promotion, recall, release, stamp, the_environment, the_release,
};
use crate::decide::gates::{Requested, evaluate};
use serde_json::{Value, json};

/// A recall at noon and a verified promotion of what it names, with these changes.
fn recalled(changes: &Value, recall_changes: Value) -> Project {
    let mut whole = json!({
        "status": { "phase": "Verified", "revision": 1, "version": "1.1.0", "releaseDigest": digest(), "baselineHealthy": true },
    });
    json_patch::merge(&mut whole, changes);
    let mut at_noon = json!({ "metadata": { "creationTimestamp": stamp("12:00:00") } });
    json_patch::merge(&mut at_noon, &recall_changes);
    project([
        environment("prod", json!({})),
        release("shop-1.1.0", json!({})),
        promotion("prod-shop-1.1.0", "shop-1.1.0", whole),
        recall("lost-orders", at_noon),
    ])
}

fn over(created: &str, gate: &str) -> Value {
    let override_ = json!({ "gates": [gate], "reason": "1.0.0 is worse" });
    json!({ "metadata": { "creationTimestamp": stamp(created) }, "spec": { "override": override_ } })
}

#[test]
fn an_override_counts_for_the_recalls_that_its_author_knew() {
    for (changes, applies) in [
        (json!({}), true),
        // Without an override, a promotion that started after the recall did so on an older view.
        (json!({ "metadata": { "creationTimestamp": stamp("12:00:30") } }), true),
        (over("11:59:59", "Recall"), true),
        (over("12:00:00", "Recall"), false),
        (over("12:00:30", "Recall"), false),
        (over("12:00:30", "Window"), true),
    ] {
        let project = recalled(&changes, json!({}));
        let (prod, release) = (the_environment(&project, "prod"), the_release(&project, "shop-1.1.0"));
        let lane = Lane::of(&project, &prod, &"shop".into());
        let promotion = lane.current().unwrap();
        assert_eq!(lane.recalled_by(promotion).is_some(), applies, "{changes}");
        let gates = promotion.spec.override_.as_ref().map(|it| it.gates.clone()).unwrap_or_default();
        let known = known_overrides(&project, &lane, &release, promotion, &gates);
        assert_eq!(known.contains(&GateName::Recall), !applies, "{changes}");
        assert_eq!(
            staying(&project, &prod, &lane).is_some(),
            applies,
            "nothing is left to restore: {changes}"
        );
    }
}

#[test]
fn a_recall_closes_the_gate_of_its_application_and_an_undecodable_one_every_gate() {
    let gate = |project: &Project| {
        let (prod, release) = (the_environment(project, "prod"), the_release(project, "shop-1.1.0"));
        match evaluate(project, &prod, &release, Requested::ByPerson, &[], at("13:00:00")) {
            Gate::Closed { gate, message, .. } => format!("{gate}: {message}"),
            Gate::Open | Gate::Never { .. } => "open".to_owned(),
        }
    };
    let author = json!({ "spec": { "author": { "username": "carol" } } });
    assert_eq!(
        gate(&recalled(&json!({}), author)),
        "Recall: recalled by carol (Recall lost-orders): it loses orders; the gate opens when the Recall is deleted"
    );
    let other = json!({ "spec": { "application": "other" } });
    assert_eq!(gate(&recalled(&json!({}), other.clone())), "open");
    let mut undecodable = recalled(&json!({}), other);
    undecodable.undecodable.insert(("Recall".into(), "newer".into()), "unknown field".into());
    assert_eq!(gate(&undecodable), "Recall: Recall newer cannot be decoded: unknown field");
}
