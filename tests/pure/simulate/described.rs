//! What a release says about its change stays in the record, and costs no write.

use super::run::{Event, Run};
use super::scenarios::{prod, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use serde_json::json;
use std::sync::Arc;

fn described(store: &mut Store, now: Timestamp) {
    shop(store, "1.0.0", "web-1", now);
    let release = Arc::make_mut(store.releases.get_mut("shop-1.0.0").unwrap());
    let change = json!({
        "owner": "team-checkout", "risk": "High", "summary": "A new color", "tickets": ["SHOP-1"],
        "links": [{ "title": "Pull request", "url": "https://git.example.com/1" }], "stakeholders": ["marketing"],
    });
    release.spec.change = serde_json::from_value(change).unwrap();
}

#[test]
fn the_description_of_a_change_outlives_the_release_and_costs_no_write() {
    let gone: Event = (1000, "the release is deleted", |store, _| _ = store.releases.remove("shop-1.0.0"));
    let back: Event = (2000, "a person rolls it back", |store, now| {
        super::rollbacks::back(store, "back", "shop-1.0.0", 0, now);
    });
    let run = settled(prod, &[(0, "release 1.0.0", described), gone, back]);
    let record = |run: &Run, name: &str| {
        serde_json::to_value(run.store.promotions[name].status.clone().unwrap().change).unwrap()
    };
    let change = record(&run, "prod-shop-1.0.0");
    assert_eq!((&change["owner"], &change["risk"]), (&json!("team-checkout"), &json!("High")), "{change}");
    assert_eq!(change["links"][0]["url"], "https://git.example.com/1");
    assert!(record(&run, "back").is_null(), "a rollback is another change");
    let plain: Event = (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web-1", now));
    assert_eq!(run.writes, settled(prod, &[plain, gone, back]).writes);
}
