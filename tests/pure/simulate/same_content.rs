//! What a rollback takes back is a content, under whatever name and however it came to run.

use super::comparison;
use super::outcomes::{image, promotion, release as phase};
use super::rollbacks::{FIRST, SECOND, back};
use super::run::Event;
use super::scenarios::{app, prod, release, settled};
use serde_json::json;
use towpath::api::{PromotionPhase, ReleasePhase};

const SAME_CONTENT: Event = (2000, "release 2.1.0, with the content of 2.0.0", |store, now| {
    release(store, "2.1.0", app("2.0.0", "web-2"), now);
});
const ROLLED_BACK_MANUALLY: Event = (3000, "a person rolls 2.1.0 back", |store, now| {
    let spec = json!({ "release": "shop-2.1.0", "environment": "prod", "kind": "Rollback" });
    store.add_promotion("back", serde_json::from_value(spec).unwrap(), now);
});

#[test]
fn the_same_content_under_another_name_is_no_target() {
    let events = [FIRST, SECOND, SAME_CONTENT, ROLLED_BACK_MANUALLY];
    let run = settled(prod, &events);
    assert_eq!(promotion(&run, "back"), PromotionPhase::Verified);
    assert_eq!(image(&run, "web"), "web-1", "{}", run.log.join("\n"));
    comparison::same_after_a_crash("same content", prod, &events);
}

#[test]
fn a_release_that_a_rollback_restored_can_be_rolled_back_itself() {
    let events: [Event; 4] = [
        FIRST,
        SECOND,
        (2000, "back to the first", |store, now| back(store, "hand-1", "shop-2.0.0", 1, now)),
        (3000, "the first is rolled back, to the second", |store, now| {
            back(store, "hand-2", "shop-1.0.0", 2, now)
        }),
    ];
    let run = settled(prod, &events);
    assert_eq!(image(&run, "web"), "web-2", "{}", run.log.join("\n"));
    assert_eq!(phase(&run, "1.0.0"), ReleasePhase::RolledBack, "{}", run.log.join("\n"));
    assert_eq!(phase(&run, "2.0.0"), ReleasePhase::Verified);
    comparison::same_in_any_order("restored and rolled back", prod, &events);
}
