//! What a rollback creates again, and what is replaced: it comes back as it was.

use super::comparison::same_after_a_crash;
use super::outcomes::{image, object, promotion};
use super::removals::{change, in_prod, plain};
use super::run::Event;
use super::scenarios::{app, deployment, prod, release, settled};
use super::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use towpath::api::{ChangeAction, PromotionPhase};
use towpath::content::ObjectKey;

fn scale(store: &mut Store, name: &str, replicas: i32, now: Timestamp) {
    let key = ObjectKey::new("apps/v1", "Deployment", name).unwrap();
    in_prod(store).set(&key, "/spec/replicas", json!(replicas), now);
}

#[test]
fn a_renamed_workload_comes_back_with_the_replicas_that_it_had() {
    let run = settled(
        prod,
        &[
            (0, "release 1.0.0", |store, now| {
                release(store, "1.0.0", vec![deployment("web", "web", None)], now)
            }),
            (500, "a person scales it", |store, now| scale(store, "web", 6, now)),
            (1000, "release 2.0.0 renames it, and fades", |store, now| {
                release(store, "2.0.0", vec![deployment("frontend", "fade", None)], now);
            }),
            (1002, "an autoscaler adds one while it rolls out", |store, now| scale(store, "web", 7, now)),
        ],
    );
    assert_eq!(object(&run, "prod", "Deployment web")["spec"]["replicas"], 7, "{}", run.log.join("\n"));
    assert!(object(&run, "prod", "Deployment frontend").is_null());
    let had = change(&run, "prod-shop-2.0.0", "Deployment web").unwrap().had.unwrap();
    assert_eq!(had.replicas, Some(7));
}

fn service(spec: Value) -> Value {
    plain("v1", "Service", "back", spec)
}

fn with_service(store: &mut Store, version: &str, services: Vec<Value>, image: &str, now: Timestamp) {
    let mut objects = vec![deployment("web", image, None)];
    objects.extend(services);
    release(store, version, objects, now);
}

fn allocated(store: &mut Store, now: Timestamp) {
    let key = ObjectKey::new("v1", "Service", "back").unwrap();
    in_prod(store).set(&key, "/spec/clusterIP", json!("10.0.0.7"), now);
    in_prod(store).set(&key, "/spec/clusterIPs", json!(["10.0.0.7"]), now);
}

#[test]
fn a_service_comes_back_with_its_address() {
    let run = settled(
        prod,
        &[
            (0, "release 1.0.0", |store, now| {
                with_service(store, "1.0.0", vec![service(json!({ "ports": [{ "port": 80 }] }))], "web", now);
            }),
            (500, "the API server allocates an address", allocated),
            (1000, "release 2.0.0 lacks it, and fades", |store, now| {
                with_service(store, "2.0.0", vec![], "fade", now);
            }),
        ],
    );
    let back = object(&run, "prod", "Service back");
    assert_eq!(back["spec"]["clusterIP"], "10.0.0.7", "{}", run.log.join("\n"));
}

#[test]
fn a_service_whose_address_is_taken_comes_back_with_another() {
    let run = settled(
        prod,
        &[
            (0, "release 1.0.0", |store, now| {
                with_service(store, "1.0.0", vec![service(json!({ "ports": [{ "port": 80 }] }))], "web", now);
            }),
            (500, "the API server allocates an address", allocated),
            (1000, "release 2.0.0 lacks it, and fades", |store, now| {
                with_service(store, "2.0.0", vec![], "fade", now);
            }),
            (1030, "another Service gets the address", |store, _| {
                in_prod(store).taken.insert("10.0.0.7".into());
            }),
        ],
    );
    assert_eq!(
        promotion(&run, "prod-shop-2.0.0-rollback"),
        PromotionPhase::Verified,
        "{}",
        run.log.join("\n")
    );
    assert!(object(&run, "prod", "Service back")["spec"]["clusterIP"].is_null());
}

#[test]
fn a_job_that_ran_is_not_run_again_by_a_rollback() {
    fn put(store: &mut Store, version: &str, web: &str, job: Value, now: Timestamp) {
        release(store, version, vec![deployment("web", web, None), job], now);
    }
    let run = settled(
        prod,
        &[
            (0, "release 1.0.0", |store, now| put(store, "1.0.0", "web", migration("one"), now)),
            (1000, "release 2.0.0, with another Job, fades", |store, now| {
                put(store, "2.0.0", "fade", migration("two"), now);
            }),
        ],
    );
    assert_eq!(image(&run, "web"), "web", "{}", run.log.join("\n"));
    for (key, counts) in
        run.store.namespaces["shop-prod"].counts.iter().filter(|(key, _)| key.kind() == "Job")
    {
        assert_eq!(counts.created, 1, "{key}\n{}", run.log.join("\n"));
    }
}

fn migration(image: &str) -> Value {
    let template = deployment("migrate", image, None)["spec"]["template"].clone();
    plain("batch/v1", "Job", "migrate", json!({ "template": template }))
}

#[test]
fn an_immutable_config_map_that_changes_is_replaced_and_its_readers_are_rolled_out() {
    fn put(store: &mut Store, version: &str, image: &str, now: Timestamp) {
        let mut objects = app(version, image);
        objects[0]["metadata"]["annotations"] = json!({ "towpath.dev/config": "InPlace" });
        objects[0]["immutable"] = json!(true);
        release(store, version, objects, now);
    }
    const EVENTS: [Event; 2] = [
        (0, "release 1.0.0", |store, now| put(store, "1.0.0", "web", now)),
        (1000, "release 2.0.0", |store, now| put(store, "2.0.0", "web", now)),
    ];
    let run = settled(prod, &EVENTS);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(object(&run, "prod", "ConfigMap web")["data"]["version"], "2.0.0");
    let replaced = change(&run, "prod-shop-2.0.0", "ConfigMap web").unwrap();
    assert_eq!(replaced.action, ChangeAction::Replace);
    assert!(replaced.message.unwrap().contains("immutable"));
    let web = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
    assert_eq!(
        run.store.namespaces["shop-prod"].counts[&web].template_changes, 1,
        "its readers are rolled out"
    );
    same_after_a_crash("replaced", prod, &EVENTS);
    let run = settled(
        prod,
        &[EVENTS[0], (1000, "release 2.0.0 fades", |store, now| put(store, "2.0.0", "fade", now))],
    );
    assert_eq!(object(&run, "prod", "ConfigMap web")["data"]["version"], "1.0.0", "{}", run.log.join("\n"));
    assert_eq!(promotion(&run, "prod-shop-2.0.0-rollback"), PromotionPhase::Verified);
}
