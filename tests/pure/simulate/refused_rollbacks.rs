//! Rollbacks that are refused hold no promotion up, and say nothing about what runs.

use super::outcomes::{image, promotion, release as phase};
use super::rollbacks::{FADES, FIRST, SECOND, TAKEN, back, service_of};
use super::run::{Event, Run, start};
use super::scenarios::{app, deployment, pair, prod, release, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use serde_json::json;
use std::sync::Arc;
use towpath::api::{Delivery, PromotionPhase, ReleasePhase};
use towpath::content::ObjectKey;

const NONE_THERE_IS: Event =
    (2000, "back to none there is", |store, now| back(store, "manual", "shop-2.0.0", 9, now));

/// Nothing goes back to 1.0.0 from second 1900 on: another owns an object of it.
const WITH_LEGACY: Event = (0, "release 1.0.0 with the Service legacy", |store, now| {
    let mut objects = app("1.0.0", "web-1");
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "legacy" }, "spec": { "ports": [] } });
    objects.push(service);
    release(store, "1.0.0", objects, now);
});
const LEGACY_IS_TAKEN: Event = (1900, "legacy is another's", |store, now| {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "spec": { "ports": [{ "port": 80 }] },
        "metadata": { "name": "legacy", "namespace": "shop-prod", "annotations": { "towpath.dev/owner": "other.prod.app" } },
    });
    store.namespaces.get_mut("shop-prod").unwrap().place(service, "a-user", now);
});
const A_PERSON_WANTS_IT_BACK: Event =
    (2030, "back to the first", |store, now| back(store, "manual", "shop-3.0.0", 1, now));

fn ends(events: &[Event], version: &str, expected: ReleasePhase) -> Run {
    let run = settled(prod, events);
    assert_eq!(phase(&run, version), expected, "{}", run.log.join("\n"));
    run
}

#[test]
fn a_verified_release_stays_verified() {
    ends(&[FIRST, SECOND, NONE_THERE_IS], "2.0.0", ReleasePhase::Verified);
}

#[test]
fn a_release_that_was_rolled_back_stays_rolled_back() {
    ends(&[FIRST, FADES, NONE_THERE_IS], "2.0.0", ReleasePhase::RolledBack);
}

#[test]
fn a_release_that_another_rollback_restored_is_verified() {
    let events: [Event; 4] = [
        FIRST,
        SECOND,
        (2000, "back to the first", |store, now| back(store, "hand-1", "shop-2.0.0", 1, now)),
        (3000, "to the second again", |store, now| back(store, "hand-2", "shop-1.0.0", 2, now)),
    ];
    let run = ends(&events, "2.0.0", ReleasePhase::Verified);
    assert_eq!(image(&run, "web"), "web-2");
}

#[test]
fn a_release_that_a_person_rolled_back_after_the_automatic_one_was_refused_is_rolled_back() {
    let events: [Event; 5] = [
        FIRST,
        FADES,
        TAKEN,
        (2000, "the Service is ours again", |store, now| service_of(store, "shop", now)),
        (2100, "back to the first", |store, now| back(store, "manual", "shop-2.0.0", 1, now)),
    ];
    let run = ends(&events, "2.0.0", ReleasePhase::RolledBack);
    assert_eq!(image(&run, "web"), "web-1");
}

#[test]
fn a_release_that_recovers_while_its_rollback_is_refused_is_verified() {
    fn repair(store: &mut Store, now: Timestamp) {
        let key = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
        let image = &deployment("web", "web-2", None)["spec"]["template"]["spec"]["containers"][0]["image"];
        let path = "/spec/template/spec/containers/0/image";
        let patch = json!([{ "op": "replace", "path": path, "value": image }]);
        store.namespaces.get_mut("shop-prod").unwrap().patch(&key, patch, now).unwrap();
    }
    let events: [Event; 4] = [FIRST, FADES, TAKEN, (1500, "a user repairs the image", repair)];
    let run = ends(&events, "2.0.0", ReleasePhase::Verified);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified);
}

#[test]
fn an_automatic_one_ends_and_its_promotion_with_it() {
    let run = settled(prod, &[FIRST, FADES, TAKEN]);
    for name in ["prod-shop-2.0.0", "prod-shop-2.0.0-rollback"] {
        assert_eq!(promotion(&run, name), PromotionPhase::Failed, "{name}\n{}", run.log.join("\n"));
    }
}

#[test]
fn an_automatic_one_ends_when_its_environment_is_only_observed_from_now_on() {
    let observed: Event = (1120, "prod is only observed", |store, _| {
        Arc::make_mut(store.environments.get_mut("prod").unwrap()).spec.delivery = Delivery::Observed;
    });
    let run = settled(prod, &[FIRST, FADES, TAKEN, observed]);
    let mut promotions = run.store.promotions.values();
    assert!(promotions.all(|promotion| promotion.phase().is_final()), "{}", run.log.join("\n"));
}

#[test]
fn a_persons_keeps_no_failure_from_being_rolled_back() {
    let fades: Event = (2000, "release 3.0.0, whose pods crash after a minute", |store, now| {
        shop(store, "3.0.0", "fade", now)
    });
    let run = settled(prod, &[WITH_LEGACY, SECOND, LEGACY_IS_TAKEN, fades, A_PERSON_WANTS_IT_BACK]);
    let status = run.store.promotions["prod-shop-3.0.0"].status.clone().unwrap();
    let ended = status.finished_at.unwrap().0.duration_since(start()).as_secs();
    assert!(ended < 2100, "it ended at second {ended}:\n{}", run.log.join("\n"));
    assert_eq!(image(&run, "web"), "web-2");
}

#[test]
fn a_persons_keeps_no_healthy_promotion_from_going_on() {
    let waves: Event = (2000, "release 3.0.0 in two waves", |store, now| {
        let mut objects = pair("slow", "web-3");
        objects[1]["metadata"]["annotations"] = json!({ "towpath.dev/wave": "1" });
        release(store, "3.0.0", objects, now);
    });
    let run = settled(prod, &[WITH_LEGACY, SECOND, LEGACY_IS_TAKEN, waves, A_PERSON_WANTS_IT_BACK]);
    assert_eq!(promotion(&run, "prod-shop-3.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
}
