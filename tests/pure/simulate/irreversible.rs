//! A release that cannot be rolled back: automation holds and says what a person has to do, and the person can.

use super::comparison;
use super::outcomes::{image, promotion};
use super::recalls::recall;
use super::rollbacks::{FIRST, back};
use super::run::{Event, Run};
use super::scenarios::{prod, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use serde_json::json;
use std::sync::Arc;
use towpath::api::PromotionPhase;

fn one_way(store: &mut Store, version: &str, image: &str, now: Timestamp) {
    shop(store, version, image, now);
    let release = Arc::make_mut(store.releases.get_mut(&format!("shop-{version}")).unwrap());
    release.spec.change = serde_json::from_value(json!({ "reversible": false })).unwrap();
}

fn said(run: &Run, promotion: &str) -> String {
    run.store.promotions[promotion].status.clone().unwrap().message.unwrap_or_default()
}

const CRASHES: Event =
    (1000, "release 2.0.0, irreversible, which crashes", |store, now| one_way(store, "2.0.0", "crash", now));
const WORKS: Event =
    (1000, "release 2.0.0, irreversible", |store, now| one_way(store, "2.0.0", "web-2", now));

#[test]
fn an_irreversible_release_that_fails_holds_the_lane_and_a_person_takes_it_back_by_naming_the_revision() {
    let third: Event = (2000, "release 3.0.0", |store, now| shop(store, "3.0.0", "web-3", now));
    let run = settled(prod, &[FIRST, CRASHES, third]);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed, "{log}");
    assert_eq!(image(&run, "web"), "crash", "{log}");
    assert!(!run.store.promotions.contains_key("prod-shop-3.0.0"), "automation went on:\n{log}");
    assert!(said(&run, "prod-shop-2.0.0").contains("shop-2.0.0 is irreversible"), "{log}");
    assert!(said(&run, "prod-shop-2.0.0").ends_with("kind: Rollback and toRevision: 1"), "{log}");
    comparison::same_after_a_crash("irreversible", prod, &[FIRST, CRASHES, third]);

    let unnamed: Event = (3000, "a person rolls back and names no revision", |store, now| {
        let spec = json!({ "release": "shop-2.0.0", "environment": "prod", "kind": "Rollback" });
        store.add_promotion("unnamed", serde_json::from_value(spec).unwrap(), now);
    });
    let named: Event = (4000, "and names it", |store, now| back(store, "named", "shop-2.0.0", 1, now));
    let run = settled(prod, &[FIRST, CRASHES, unnamed, named]);
    assert_eq!(promotion(&run, "unnamed"), PromotionPhase::Failed);
    let status = run.store.promotions["unnamed"].status.clone().unwrap();
    assert_eq!(status.reason.as_deref(), Some("Irreversible"));
    assert_eq!(promotion(&run, "named"), PromotionPhase::Verified);
    assert_eq!(image(&run, "web"), "web-1");
}

#[test]
fn a_failure_after_an_irreversible_release_goes_back_to_it_and_not_behind_it() {
    let third: Event =
        (2000, "release 3.0.0, which crashes", |store, now| shop(store, "3.0.0", "crash", now));
    let run = settled(prod, &[FIRST, WORKS, third]);
    assert_eq!(image(&run, "web"), "web-2", "{}", run.log.join("\n"));

    // 2.0.0 was replaced before it was verified: what failed would be rolled back behind it.
    let soon: Event = (1060, "release 3.0.0, which crashes", |store, now| shop(store, "3.0.0", "crash", now));
    let run = settled(prod, &[FIRST, WORKS, soon]);
    assert_eq!(image(&run, "web"), "crash", "{}", run.log.join("\n"));
    assert!(said(&run, "prod-shop-3.0.0").contains("shop-2.0.0 is irreversible"));
}

#[test]
fn a_recall_does_not_roll_back_behind_an_irreversible_release() {
    let recalled: Event = (2000, "2.0.0 is recalled", |store, now| recall(store, "second", &["2.0.0"], now));
    let events = [FIRST, WORKS, recalled];
    let run = settled(prod, &events);
    assert_eq!(image(&run, "web"), "web-2", "{}", run.log.join("\n"));
    let status = run.store.recalls["second"].status.clone().unwrap();
    assert_eq!(status.environments[0].state, "Irreversible");
    assert!(status.environments[0].message.ends_with("kind: Rollback and toRevision: 1"), "{status:?}");
    comparison::same_in_any_order("recalled", prod, &events);
    let named: Event = (3000, "a person names it", |store, now| back(store, "named", "shop-2.0.0", 1, now));
    let run = settled(prod, &[FIRST, WORKS, recalled, named]);
    assert_eq!(image(&run, "web"), "web-1");
    assert_eq!(run.store.recalls["second"].status.clone().unwrap().conditions[0].status, "True");
}
