//! Promotions that are refused before they write anything, and the release that is promoted once the cause is fixed.

use super::outcomes::{promotion, release, summary};
use super::run::{Event, Run};
use super::scenarios::{environment, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use serde_json::json;
use towpath::api::{PromotionPhase, ReleasePhase};
use towpath::content::ObjectKey;

fn staging_and_prod(store: &mut Store, now: Timestamp) {
    environment(store, "staging", json!({}), now);
    environment(store, "prod", json!({ "after": ["staging"] }), now);
    refuse_services(store, true);
}

fn refuse_services(store: &mut Store, refused: bool) {
    let key = ObjectKey::new("v1", "Service", "web").unwrap();
    let namespace = store.namespaces.get_mut("shop-staging").unwrap();
    match refused {
        true => _ = namespace.refused.insert(key, "no Services here".into()),
        false => _ = namespace.refused.remove(&key),
    }
}

fn manual(store: &mut Store, name: &str, environment: &str, now: Timestamp) {
    let spec = json!({ "release": "shop-1.0.0", "environment": environment });
    store.add_promotion(name, serde_json::from_value(spec).unwrap(), now);
}

const FIRST: Event = (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now));
const ALLOWED: Event = (1000, "Services are allowed", |store, _| refuse_services(store, false));
const MANUALLY: Event = (1010, "a person promotes it", |store, now| manual(store, "again", "staging", now));

fn condition(run: &Run, type_: &str) -> Option<(String, String)> {
    let conditions = run.store.releases["shop-1.0.0"].status.clone().unwrap().conditions;
    let found = conditions.into_iter().find(|condition| condition.type_ == type_);
    found.map(|condition| (condition.status, condition.reason))
}

#[test]
fn a_release_that_was_refused_and_then_promoted_is_verified() {
    let run = settled(staging_and_prod, &[FIRST]);
    assert_eq!(promotion(&run, "staging-shop-1.0.0"), PromotionPhase::Failed);
    assert_eq!(release(&run, "1.0.0"), ReleasePhase::Failed);

    let run = settled(staging_and_prod, &[FIRST, ALLOWED, MANUALLY]);
    assert_eq!(promotion(&run, "again"), PromotionPhase::Verified);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified);
    assert_eq!(release(&run, "1.0.0"), ReleasePhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(condition(&run, "Verified"), Some(("True".into(), "Verified".into())));
    assert_eq!(condition(&run, "Stalled"), None);
}

#[test]
fn a_refusal_to_promote_again_what_runs_here_does_not_change_the_release() {
    let refused: Event = (3000, "Services are refused again", |store, _| refuse_services(store, true));
    let again: Event =
        (3010, "a person promotes it again", |store, now| manual(store, "once-more", "staging", now));
    let run = settled(staging_and_prod, &[FIRST, ALLOWED, MANUALLY, refused, again]);
    assert_eq!(promotion(&run, "once-more"), PromotionPhase::Failed, "{}", run.log.join("\n"));
    assert_eq!(release(&run, "1.0.0"), ReleasePhase::Verified);
    assert_eq!(summary(&run, "staging"), "shop 1.0.0 (r1)");
}
