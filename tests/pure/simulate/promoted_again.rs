//! What already runs is promoted again, and fails then.

use super::comparison;
use super::outcomes::{image, promotion};
use super::run::Event;
use super::scenarios::{app, prod, release, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use serde_json::json;
use towpath::api::PromotionPhase;
use towpath::content::ObjectKey;

fn again(store: &mut Store, release: &str, now: Timestamp) {
    let spec = json!({ "release": release, "environment": "prod" });
    store.add_promotion("again", serde_json::from_value(spec).unwrap(), now);
}

fn crash(store: &mut Store, now: Timestamp) {
    let key = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
    store.namespaces.get_mut("shop-prod").unwrap().break_pods(&key, now);
}

#[test]
fn a_content_that_was_verified_before_is_told_as_a_failure_after_verification() {
    let run = settled(
        prod,
        &[
            (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web-1", now)),
            (1000, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now)),
            (2000, "2.0.0 is promoted again", |store, now| again(store, "shop-2.0.0", now)),
            (2060, "its pods crash", crash),
        ],
    );
    assert_eq!(promotion(&run, "again"), PromotionPhase::Failed, "{}", run.log.join("\n"));
    let status = run.store.promotions["again"].status.clone().unwrap();
    let message = status.message.unwrap_or_default();
    assert!(message.contains("verified before as revision 2"), "{message}");
    assert!(!run.store.promotions.contains_key("again-rollback"));
    assert_eq!(image(&run, "web"), "web-2");
}

const NEVER_VERIFIED: [Event; 4] = [
    (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web-1", now)),
    (1000, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now)),
    (1060, "release 2.1.0, with the same content, before 2.0.0 is verified", |store, now| {
        release(store, "2.1.0", app("2.0.0", "web-2"), now);
    }),
    (1120, "its pods crash", crash),
];

#[test]
fn a_content_that_was_never_verified_is_rolled_back_to_the_last_verified_one() {
    let run = settled(prod, &NEVER_VERIFIED);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Superseded, "{}", run.log.join("\n"));
    assert_eq!(promotion(&run, "prod-shop-2.1.0"), PromotionPhase::Failed);
    assert_eq!(promotion(&run, "prod-shop-2.1.0-rollback"), PromotionPhase::Verified);
    assert_eq!(image(&run, "web"), "web-1");
    comparison::same_after_a_crash("promoted again", prod, &NEVER_VERIFIED);
}
