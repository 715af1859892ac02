//! The shortest history that an environment can have still holds what a rollback needs.

use super::comparison;
use super::outcomes::{image, promotion, summary};
use super::run::Event;
use super::scenarios::{environment, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use serde_json::json;
use towpath::api::{PromotionPhase, Record};

fn shortest(store: &mut Store, now: Timestamp) {
    environment(store, "prod", json!({ "historyLimit": 1 }), now);
}

fn again(store: &mut Store, name: &str, now: Timestamp) {
    let spec = json!({ "release": "shop-5.0.0", "environment": "prod" });
    store.add_promotion(name, serde_json::from_value(spec).unwrap(), now);
}

const VERIFIED: [Event; 5] = [
    (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web-1", now)),
    (1000, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now)),
    (2000, "release 3.0.0", |store, now| shop(store, "3.0.0", "web-3", now)),
    (3000, "release 4.0.0", |store, now| shop(store, "4.0.0", "web-4", now)),
    (4000, "release 5.0.0", |store, now| shop(store, "5.0.0", "web-5", now)),
];
const AGAIN: Event = (5000, "5.0.0 is promoted again", |store, now| again(store, "again", now));
const ONCE_MORE: Event = (6000, "and once more", |store, now| again(store, "once-more", now));
const ROLLED_BACK_MANUALLY: Event = (7000, "a person rolls 5.0.0 back", |store, now| {
    let spec = json!({ "release": "shop-5.0.0", "environment": "prod", "kind": "Rollback" });
    store.add_promotion("back", serde_json::from_value(spec).unwrap(), now);
});

#[test]
fn what_is_promoted_again_does_not_push_the_version_before_it_out_of_history() {
    let [first, second, third, fourth, fifth] = VERIFIED;
    let events = [first, second, third, fourth, fifth, AGAIN, ONCE_MORE, ROLLED_BACK_MANUALLY];
    let run = settled(shortest, &events);
    assert_eq!(promotion(&run, "back"), PromotionPhase::Verified);
    assert_eq!(image(&run, "web"), "web-4", "{}", run.log.join("\n"));
    assert!(summary(&run, "prod").starts_with("shop 4.0.0"), "{}", summary(&run, "prod"));
    comparison::same_after_a_crash("shortest history", shortest, &events);
}

#[test]
fn the_same_release_with_other_overrides_does_not_push_the_version_before_it_out() {
    let [first, second, third, fourth, fifth] = VERIFIED;
    let overridden: Event = (4900, "prod gets other overrides", |store, _| {
        let environment = std::sync::Arc::make_mut(store.environments.get_mut("prod").unwrap());
        let variable = json!([{ "name": "LOG", "value": "debug" }]);
        let variables = json!([{ "kind": "Deployment", "name": "web", "variables": variable }]);
        environment.spec.overrides = serde_json::from_value(json!({ "env": variables })).unwrap();
    });
    let run =
        settled(shortest, &[first, second, third, fourth, fifth, overridden, AGAIN, ROLLED_BACK_MANUALLY]);
    assert_eq!(promotion(&run, "back"), PromotionPhase::Verified);
    assert_eq!(image(&run, "web"), "web-4", "{}", run.log.join("\n"));
}

#[test]
fn a_release_that_fails_after_the_same_one_ran_twice_goes_back_to_that_one() {
    let [first, second, third, fourth, fifth] = VERIFIED;
    let sixth: Event =
        (7000, "release 6.0.0, which crashes", |store, now| shop(store, "6.0.0", "crash", now));
    let back: Event = (8000, "a person rolls 5.0.0 back, too", ROLLED_BACK_MANUALLY.2);
    let run = settled(shortest, &[first, second, third, fourth, fifth, AGAIN, sixth, back]);
    assert_eq!(promotion(&run, "prod-shop-6.0.0-rollback"), PromotionPhase::Verified);
    assert_eq!(image(&run, "web"), "web-4", "{}", run.log.join("\n"));
}

/// Release 2.0.0 is pruned, as GitOps tools do when the next one takes its place in the repository.
#[test]
fn what_history_forgets_stays_in_the_record() {
    let [first, second, third, fourth, fifth] = VERIFIED;
    let pruned: Event =
        (1900, "release 2.0.0 is pruned", |store, _| drop(store.releases.remove("shop-2.0.0")));
    let events = [first, second, pruned, third, fourth, fifth];
    let run = settled(shortest, &events);
    let recorded = |record: Record| -> Vec<String> {
        record.into_values().map(|entry| format!("{} {}", entry.promotion, entry.phase)).collect()
    };
    let environment = run.store.environments["prod"].status.clone().unwrap();
    assert_eq!(recorded(environment.record), ["prod-shop-2.0.0 Verified"]);
    let of_release = |version: &str| {
        let release = run.store.releases[&format!("shop-{version}")].status.clone().unwrap();
        recorded(release.record)
    };
    assert_eq!(of_release("3.0.0"), ["prod-shop-3.0.0 Verified"]);
    for version in ["1.0.0", "4.0.0", "5.0.0"] {
        let name = format!("prod-shop-{version}");
        assert!(
            run.store.promotions.contains_key(&name),
            "{name} is a rollback target\n{}",
            run.log.join("\n")
        );
        assert!(of_release(version).is_empty(), "{name}");
    }
    comparison::same_after_a_crash("the record", shortest, &events);
    comparison::same_in_any_order("the record", shortest, &events);
}
