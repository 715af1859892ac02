//! Releases that are deleted and created again, as GitOps tools do: a version has one content, and what failed is not offered again.

use super::outcomes::{image, release as phase, summary};
use super::run::{Event, Run};
use super::scenarios::{app, prod, release, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use serde_json::json;
use towpath::api::{PromotionPhase, ReleasePhase};

const FIRST: Event = (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now));
const SECOND: Event = (1000, "release 2.0.0, which crashes", |store, now| shop(store, "2.0.0", "crash", now));
const PRUNED: Event = (2000, "2.0.0 is pruned", |store, _| _ = store.releases.remove("shop-2.0.0"));

fn started(run: &Run) -> Vec<String> {
    let started = run.store.promotions.values().filter(|promotion| promotion.revision().is_some());
    started.map(|promotion| promotion.metadata.name.clone().unwrap()).collect()
}

fn message(run: &Run, version: &str) -> String {
    run.store.releases[&format!("shop-{version}")].status.clone().unwrap().message.unwrap_or_default()
}

fn named(store: &mut Store, name: &str, version: &str, image: &str, now: Timestamp) {
    let spec =
        json!({ "application": "shop", "version": version, "source": { "manifests": app("2.0.0", image) } });
    store.add_release(name, serde_json::from_value(spec).unwrap(), now);
}

#[test]
fn a_version_that_history_holds_with_another_content_is_refused_by_name() {
    // The environment that it is captured from has moved on.
    let again: Event = (2010, "2.0.0 is added again", |store, now| {
        release(store, "2.0.0", app("2.0.0", "web-of-today"), now);
    });
    let run = settled(prod, &[FIRST, SECOND, PRUNED, again]);
    assert_eq!(phase(&run, "2.0.0"), ReleasePhase::Invalid, "{}", run.log.join("\n"));
    let message = message(&run, "2.0.0");
    for words in ["version 2.0.0 of shop", "prod-shop-2.0.0", "create a Release with another version"] {
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(started(&run), ["prod-shop-1.0.0", "prod-shop-2.0.0", "prod-shop-2.0.0-rollback"]);
    assert_eq!(image(&run, "web"), "web");
}

#[test]
fn a_version_is_refused_whatever_its_release_is_called() {
    let retried: Event = (2010, "the same version under another name", |store, now| {
        named(store, "retry", "2.0.0", "web-2", now)
    });
    let run = settled(prod, &[FIRST, SECOND, retried]);
    let status = run.store.releases["retry"].status.clone().unwrap();
    assert_eq!(status.phase, ReleasePhase::Invalid, "{}", run.log.join("\n"));
    assert_eq!(started(&run).len(), 3);
}

#[test]
fn a_person_who_promotes_a_refused_version_is_told_why_it_cannot_start() {
    let again: Event =
        (2010, "2.0.0 is added again", |store, now| release(store, "2.0.0", app("2.0.0", "web-2"), now));
    let asked: Event = (2020, "a person promotes it", |store, now| {
        let spec = json!({ "release": "shop-2.0.0", "environment": "prod" });
        store.add_promotion("manual", serde_json::from_value(spec).unwrap(), now);
    });
    let run = settled(prod, &[FIRST, SECOND, PRUNED, again, asked]);
    let status = run.store.promotions["manual"].status.clone().unwrap();
    let message = status.message.unwrap_or_default();
    assert!(message.contains("version 2.0.0 of shop was promoted to prod"), "{message}");
    assert_eq!(status.phase, PromotionPhase::Cancelled, "{message}");
}

#[test]
fn the_same_content_added_again_is_the_same_release() {
    let pruned: Event = (1000, "1.0.0 is pruned", |store, _| _ = store.releases.remove("shop-1.0.0"));
    let again: Event = (1010, "1.0.0 is added again", |store, now| shop(store, "1.0.0", "web", now));
    let run = settled(prod, &[FIRST, pruned, again]);
    assert_eq!(phase(&run, "1.0.0"), ReleasePhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(started(&run), ["prod-shop-1.0.0"]);
}

#[test]
fn what_failed_is_not_offered_again_under_another_name_until_a_person_asks() {
    let renamed: Event =
        (2010, "the same content as 2.0.1", |store, now| named(store, "shop-2.0.1", "2.0.1", "crash", now));
    let run = settled(prod, &[FIRST, SECOND, PRUNED, renamed]);
    assert_eq!(started(&run).len(), 3, "{}", run.log.join("\n"));
    assert_eq!(phase(&run, "2.0.1"), ReleasePhase::Waiting);
    let said = message(&run, "2.0.1");
    assert!(said.contains("the same content failed here as shop-2.0.0"), "{said}");

    let asked: Event = (2020, "a person promotes it", |store, now| {
        let spec = json!({ "release": "shop-2.0.1", "environment": "prod" });
        store.add_promotion("manual", serde_json::from_value(spec).unwrap(), now);
    });
    let run = settled(prod, &[FIRST, SECOND, PRUNED, renamed, asked]);
    assert!(started(&run).contains(&"manual".to_owned()), "{}", run.log.join("\n"));
}

#[test]
fn what_a_person_rolled_back_is_not_offered_again_under_another_name() {
    let second: Event = (1000, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now));
    let back: Event = (2000, "a person rolls it back", |store, now| {
        let spec = json!({ "release": "shop-2.0.0", "environment": "prod", "kind": "Rollback" });
        store.add_promotion("back", serde_json::from_value(spec).unwrap(), now);
    });
    let renamed: Event =
        (3000, "the same content as 2.0.1", |store, now| named(store, "shop-2.0.1", "2.0.1", "web-2", now));
    let run = settled(prod, &[FIRST, second, back, renamed]);
    assert_eq!(image(&run, "web"), "web", "{}", run.log.join("\n"));
    let said = message(&run, "2.0.1");
    assert!(said.contains("the same content was rolled back here as shop-2.0.0"), "{said}");
    // A revert makes content the newest again that was only replaced.
    let reverted: Event = (3000, "the content of 1.0.0 as 3.0.0", |store, now| {
        let spec = json!({ "application": "shop", "version": "3.0.0", "source": { "manifests": app("1.0.0", "web") } });
        store.add_release("shop-3.0.0", serde_json::from_value(spec).unwrap(), now);
    });
    let run = settled(prod, &[FIRST, second, reverted]);
    assert!(summary(&run, "prod").starts_with("shop 3.0.0"), "{}", run.log.join("\n"));
}

#[test]
fn a_release_that_always_has_the_same_name_is_promoted_with_its_next_version() {
    let run = settled(
        prod,
        &[
            (0, "shop 1.0.0", |store, now| named(store, "shop", "1.0.0", "web", now)),
            (1000, "shop 2.0.0, which crashes", |store, now| {
                store.releases.remove("shop");
                named(store, "shop", "2.0.0", "crash", now);
            }),
            (2000, "shop 3.0.0", |store, now| {
                store.releases.remove("shop");
                named(store, "shop", "3.0.0", "web-3", now);
            }),
        ],
    );
    assert!(summary(&run, "prod").starts_with("shop 3.0.0"), "{}", run.log.join("\n"));
    let status = run.store.releases["shop"].status.clone().unwrap();
    assert_eq!(status.phase, ReleasePhase::Verified, "{}", run.log.join("\n"));
}
