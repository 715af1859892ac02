//! What users of other release tools reported: windows that close under a promotion, older releases that do not stay, and releases that
//! are deleted while they wait.

use super::outcomes::{image, promotion, summary};
use super::run::Event;
use super::scenarios::{environment, hold, prod, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use serde_json::json;
use towpath::api::PromotionPhase;

const FIRST: Event = (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now));

/// A window of one minute, from the start of the run.
fn for_a_minute(store: &mut Store, now: Timestamp) {
    let windows = json!([{ "schedule": "0 9 * * *", "duration": "1m" }]);
    environment(store, "prod", json!({ "windows": windows }), now);
}

#[test]
fn what_started_in_its_window_is_finished_after_it_and_rolled_back_outside_of_it() {
    let run = settled(for_a_minute, &[FIRST]);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    let fades: Event = (30, "release 2.0.0, whose pods crash after a minute", |store, now| {
        shop(store, "2.0.0", "fade", now)
    });
    let quick: Event = (0, "release 1.0.0", |store, now| {
        let policy = towpath::api::RollbackPolicySpec {
            observe_window: std::time::Duration::from_secs(10).into(),
            ..Default::default()
        };
        store.policies.insert("quick".into(), policy);
        let environment = std::sync::Arc::make_mut(store.environments.get_mut("prod").unwrap());
        environment.spec.rollback_policy_ref = Some("quick".into());
        shop(store, "1.0.0", "web", now);
    });
    let patient: Event = (29, "prod is watched for longer", |store, _| {
        let environment = std::sync::Arc::make_mut(store.environments.get_mut("prod").unwrap());
        environment.spec.rollback_policy_ref = None;
    });
    let run = settled(for_a_minute, &[quick, patient, fades]);
    assert_eq!(
        promotion(&run, "prod-shop-2.0.0-rollback"),
        PromotionPhase::Verified,
        "{}",
        run.log.join("\n")
    );
    assert_eq!(image(&run, "web"), "web");
}

#[test]
fn an_older_release_that_a_person_promotes_again_stays() {
    let second: Event = (1000, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now));
    let again: Event = (2000, "a person promotes 1.0.0 again", |store, now| {
        let spec = json!({ "release": "shop-1.0.0", "environment": "prod" });
        store.add_promotion("again", serde_json::from_value(spec).unwrap(), now);
    });
    let run = settled(prod, &[FIRST, second, again]);
    assert_eq!(promotion(&run, "again"), PromotionPhase::Verified);
    assert!(summary(&run, "prod").starts_with("shop 1.0.0 (r3)"), "{}", run.log.join("\n"));
}

#[test]
fn deleting_the_newest_release_that_waits_lets_the_one_before_it_in() {
    let run = settled(
        prod,
        &[
            (0, "releases 1.0.0 and 2.0.0, held", |store, now| {
                for version in ["1.0.0", "2.0.0"] {
                    shop(store, version, &format!("web-{version}"), now);
                    hold(store, &format!("shop-{version}"), Some(true));
                }
            }),
            (100, "2.0.0 is deleted", |store, _| _ = store.releases.remove("shop-2.0.0")),
            (200, "1.0.0 is let go", |store, _| hold(store, "shop-1.0.0", None)),
        ],
    );
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(image(&run, "web"), "web-1.0.0");
}
