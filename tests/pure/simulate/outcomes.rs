//! How each scenario ends, in words.

use super::run::Run;
use super::scenarios::{
    BUDGET, DELETED, FADING, HEALTHY, HELD, HOOKS, NEW_NAMESPACE, ROLLED_BACK_MANUALLY, SECOND_WORKLOAD,
    SUPERSEDED,
};
use serde_json::Value;
use towpath::api::{PromotionPhase, ReleasePhase};

#[test]
fn a_healthy_release_runs_everywhere_with_what_each_environment_overrides() {
    let run = HEALTHY.run().settle();
    for environment in ["dev", "staging", "prod"] {
        assert_eq!(promotion(&run, &format!("{environment}-shop-1.0.0")), PromotionPhase::Verified);
        assert_eq!(summary(&run, environment), "shop 1.0.0 (r1)");
    }
    assert_eq!(release(&run, "1.0.0"), ReleasePhase::Verified);
    assert_eq!(object(&run, "staging", "Deployment web")["spec"]["replicas"], 1);
    assert_eq!(object(&run, "prod", "Deployment web")["spec"]["replicas"], 3);
    let soaked = run.store.promotions["prod-shop-1.0.0"].metadata.creation_timestamp.clone().unwrap().0;
    let verified = run.store.promotions["staging-shop-1.0.0"].status.clone().unwrap().finished_at.unwrap().0;
    assert_eq!(soaked.duration_since(verified).as_secs(), 600, "it soaks as long as prod says and no longer");
}

#[test]
fn a_release_that_fails_in_prod_is_gone_from_there_and_only_from_there() {
    let run = ROLLED_BACK_MANUALLY.run().settle();
    assert_eq!(release(&run, "2.0.0"), ReleasePhase::RolledBack);
    assert_eq!(
        (summary(&run, "dev"), summary(&run, "prod")),
        ("shop 2.0.0 (r2)".into(), "shop 1.0.0 (r3)".into())
    );
    assert!(
        object(&run, "prod", "Service extra").is_null() && !object(&run, "dev", "Service extra").is_null()
    );
    let template =
        |environment: &str| object(&run, environment, "Deployment web")["spec"]["template"].clone();
    let first = HEALTHY.run().settle();
    assert_eq!(
        template("prod"),
        object(&first, "prod", "Deployment web")["spec"]["template"],
        "config and code of 1.0.0"
    );
    assert_ne!(template("prod"), template("dev"));
}

#[test]
fn a_release_that_loses_its_pods_while_it_is_watched_is_rolled_back() {
    let run = FADING.run().settle();
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed);
    assert_eq!(summary(&run, "prod"), "shop 1.0.0 (r3)");
}

#[test]
fn a_newer_release_goes_ahead_and_the_older_one_never_follows() {
    let run = SUPERSEDED.run().settle();
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Superseded);
    assert_eq!(release(&run, "1.0.0"), ReleasePhase::Superseded);
    assert_eq!(summary(&run, "prod"), "shop 1.1.0 (r2)");
    assert_eq!(run.store.promotions.len(), 2);
}

#[test]
fn a_first_release_that_fails_leaves_what_was_there_before() {
    let run = SECOND_WORKLOAD.run().settle();
    assert_eq!(promotion(&run, "prod-shop-1.0.0-rollback"), PromotionPhase::Verified);
    assert!(object(&run, "prod", "Deployment worker").is_null());
    let api = object(&run, "prod", "Deployment api");
    assert_eq!(api["spec"]["replicas"], 3);
    let image = api["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap();
    assert!(image.contains("/api@"), "{image}");
    assert!(api["metadata"].get("annotations").is_none_or(|marks| marks == &serde_json::json!({})), "{api}");
}

#[test]
fn a_release_deleted_on_its_way_is_finished_where_it_is_and_starts_nowhere_else() {
    let run = DELETED.run().settle();
    assert_eq!(promotion(&run, "dev-shop-2.0.0"), PromotionPhase::Verified);
    assert_eq!(summary(&run, "dev"), "shop 2.0.0 (r2)");
    assert!(!run.store.promotions.contains_key("prod-shop-2.0.0"), "{}", run.log.join("\n"));
    assert_eq!(summary(&run, "prod"), "shop 1.0.0 (r1)");
}

#[test]
fn a_held_release_waits_and_then_goes_on() {
    let run = HELD.run().settle();
    assert_eq!(release(&run, "1.0.0"), ReleasePhase::Verified);
    let started = run.store.promotions["prod-shop-1.0.0"].metadata.creation_timestamp.clone().unwrap().0;
    assert_eq!(started.duration_since(super::run::start()).as_secs(), 900);
}

#[test]
fn a_spent_budget_stops_automation_until_a_person_asks() {
    let run = BUDGET.run().settle();
    assert_eq!(release(&run, "2.0.0"), ReleasePhase::RolledBack);
    assert!(!run.store.promotions.contains_key("prod-shop-3.0.0-rollback"));
    assert!(!run.store.promotions.contains_key("prod-shop-4.0.0"), "automation went on");
    assert_eq!(promotion(&run, "manual"), PromotionPhase::Verified);
    assert_eq!(summary(&run, "prod"), "shop 4.0.0 (r5)");
}

#[test]
fn a_migration_that_fails_stops_the_release_before_its_workloads() {
    let run = HOOKS.run().settle();
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed);
    let changes = |(key, counts): (&towpath::content::ObjectKey, &super::cluster::Counts)| {
        (key.to_string() == "Deployment web").then_some(counts.template_changes)
    };
    let changed = run.store.namespaces["shop-prod"].counts.iter().find_map(changes);
    assert_eq!(changed, Some(0), "{}", run.log.join("\n"));
}

#[test]
fn a_namespace_that_was_created_again_gets_the_release_again() {
    let run = NEW_NAMESPACE.run().settle();
    assert_eq!(summary(&run, "prod"), "shop 1.0.0 (r2)");
    assert!(!object(&run, "prod", "Deployment web").is_null());
}

pub fn promotion(run: &Run, name: &str) -> PromotionPhase {
    run.store.promotions.get(name).unwrap_or_else(|| panic!("no {name}:\n{}", run.log.join("\n"))).phase()
}

pub fn release(run: &Run, version: &str) -> ReleasePhase {
    run.store.releases[&format!("shop-{version}")].status.clone().unwrap().phase
}

pub fn summary(run: &Run, environment: &str) -> String {
    run.store.environments[environment].status.clone().unwrap().summary.unwrap_or_default()
}

pub fn object(run: &Run, environment: &str, name: &str) -> Value {
    run.store.namespaces[&format!("shop-{environment}")].shown().remove(name).unwrap_or_default()
}

/// What a container of a Deployment in prod runs: the name of its image, or nothing.
pub fn image(run: &Run, deployment: &str) -> String {
    let object = object(run, "prod", &format!("Deployment {deployment}"));
    let image = object.pointer("/spec/template/spec/containers/0/image").and_then(Value::as_str);
    let name = image.and_then(|image| image.split('@').next()).and_then(|name| name.rsplit('/').next());
    name.unwrap_or_default().to_owned()
}
