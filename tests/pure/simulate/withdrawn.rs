//! Releases that are deleted on their way: what is in flight ends as if they were there, and nothing new starts from them.

use super::outcomes::{image, promotion, summary};
use super::run::Event;
use super::scenarios::{environment, hold, prod, settled, shop};
use serde_json::json;
use towpath::api::{FailureAction, PromotionPhase, RollbackPolicySpec};

const FIRST: Event = (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now));
const SECOND_FADES: Event =
    (1800, "release 2.0.0, whose pods crash after a minute", |store, now| shop(store, "2.0.0", "fade", now));
const SECOND_DELETED: Event =
    (1820, "release 2.0.0 is deleted", |store, _| _ = store.releases.remove("shop-2.0.0"));

fn reason(run: &super::run::Run, name: &str) -> String {
    run.store.promotions[name].status.clone().unwrap().reason.unwrap_or_default()
}

#[test]
fn a_deleted_release_that_fails_is_rolled_back_for_its_failure() {
    let run = settled(prod, &[FIRST, SECOND_FADES, SECOND_DELETED]);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed);
    assert_eq!(reason(&run, "prod-shop-2.0.0"), "CrashLoopBackOff", "{}", run.log.join("\n"));
    assert_eq!(summary(&run, "prod"), "shop 1.0.0 (r3)");
}

#[test]
fn deleting_a_release_takes_nothing_back_that_the_policy_would_leave() {
    let run = settled(
        |store, now| {
            let hold = RollbackPolicySpec { action: FailureAction::Hold, ..RollbackPolicySpec::default() };
            store.policies.insert("hold".into(), hold);
            environment(store, "prod", json!({ "rollbackPolicyRef": "hold" }), now);
        },
        &[FIRST, SECOND_FADES, SECOND_DELETED],
    );
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed);
    assert!(!run.store.promotions.contains_key("prod-shop-2.0.0-rollback"), "{}", run.log.join("\n"));
    assert_eq!(image(&run, "web"), "fade");
}

#[test]
fn deleting_a_release_does_not_let_an_older_one_in_that_waited() {
    const HELD: Event = (0, "release 1.0.0, held", |store, now| {
        shop(store, "1.0.0", "web", now);
        hold(store, "shop-1.0.0", Some(true));
    });
    const LET_GO: Event = (1830, "1.0.0 is let go", |store, _| hold(store, "shop-1.0.0", None));
    const SECOND: Event =
        (1800, "release 2.0.0, which is slow", |store, now| shop(store, "2.0.0", "slow", now));
    let run = settled(prod, &[HELD, SECOND, SECOND_DELETED, LET_GO]);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified);
    assert_eq!(summary(&run, "prod"), "shop 2.0.0 (r1)", "{}", run.log.join("\n"));
    // A Git revert adds the older version again: it was created later, so it is the newer release.
    let again: Event = (4000, "release 1.0.0 is created again", |store, now| {
        store.releases.remove("shop-1.0.0");
        shop(store, "1.0.0", "web", now);
    });
    let run = settled(prod, &[HELD, SECOND, SECOND_DELETED, LET_GO, again]);
    assert_eq!(summary(&run, "prod"), "shop 1.0.0 (r2)", "{}", run.log.join("\n"));
}

#[test]
fn a_greater_version_that_waited_follows_a_deleted_older_one() {
    let run = settled(
        |store, now| environment(store, "prod", json!({ "promotion": "Manual" }), now),
        &[
            (0, "releases 1.0.0 and 2.0.0", |store, now| {
                shop(store, "1.0.0", "slow", now);
                shop(store, "2.0.0", "web", now);
            }),
            (10, "a person promotes 1.0.0", |store, now| {
                let spec = json!({ "release": "shop-1.0.0", "environment": "prod" });
                store.add_promotion("manual", serde_json::from_value(spec).unwrap(), now);
            }),
            (20, "1.0.0 is deleted", |store, _| _ = store.releases.remove("shop-1.0.0")),
            (1000, "prod becomes Automatic", |store, _| {
                let environment = std::sync::Arc::make_mut(store.environments.get_mut("prod").unwrap());
                environment.spec.promotion = towpath::api::PromotionMode::Automatic;
            }),
        ],
    );
    assert_eq!(promotion(&run, "manual"), PromotionPhase::Verified);
    assert_eq!(summary(&run, "prod"), "shop 2.0.0 (r2)", "{}", run.log.join("\n"));
}
