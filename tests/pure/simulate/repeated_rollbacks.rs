//! Back, and back again, with a crash after any write: what a rollback did and could not record is known to the next one.

use super::comparison;
use super::outcomes::image;
use super::recalls::recall;
use super::rollbacks::{FIRST, SECOND, back};
use super::run::{Event, Run};
use super::scenarios::{app, deployment, environment, pair, prod, release, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use towpath::api::PromotionPhase;

const SLOW_SECOND: Event = (1000, "release 2.0.0 with a worker that starts slowly", |store, now| {
    release(store, "2.0.0", pair("web-2", "long"), now);
});
const THIRD: Event = (2000, "release 3.0.0", |store, now| shop(store, "3.0.0", "web-3", now));
const BACK_TO_THE_SECOND: Event =
    (3000, "back to the second", |store, now| back(store, "hand-1", "shop-3.0.0", 2, now));

const BACK_AND_FORTH: [Event; 4] = [
    (0, "release 1.0.0 with a worker", |store, now| release(store, "1.0.0", pair("web-1", "worker"), now)),
    (1000, "release 2.0.0 without", |store, now| {
        release(store, "2.0.0", vec![deployment("web", "web-2", None)], now)
    }),
    (2000, "back to the first", |store, now| back(store, "hand-1", "shop-2.0.0", 1, now)),
    (3000, "and to the second again", |store, now| back(store, "hand-2", "shop-2.0.0", 2, now)),
];

fn same(what: &str, setting: fn(&mut Store, Timestamp), events: &[Event]) {
    comparison::same_in_any_order(what, setting, events);
    comparison::same_after_a_crash(what, setting, events);
}

#[test]
fn to_a_revision_and_forth_again() {
    let run = settled(prod, &BACK_AND_FORTH);
    assert_eq!((image(&run, "web"), image(&run, "worker")), ("web-2".into(), String::new()));
    same("back and forth", prod, &BACK_AND_FORTH);
}

#[test]
fn to_the_baseline_and_forth_and_back_again() {
    fn with_api(store: &mut Store, now: Timestamp) {
        environment(store, "prod", json!({ "adoptFrom": ["kubectl"] }), now);
        let mut api = deployment("api", "api", None);
        api["spec"]["replicas"] = 3.into();
        api["metadata"]["namespace"] = "shop-prod".into();
        store.namespaces.get_mut("shop-prod").unwrap().place(api, "kubectl", now);
    }
    let events: [Event; 4] = [
        (10, "release 1.0.0 takes the api over", |store, now| {
            let objects = vec![deployment("api", "api-1", None), deployment("worker", "worker", None)];
            release(store, "1.0.0", objects, now);
        }),
        (1000, "back to the baseline", |store, now| back(store, "hand-1", "shop-1.0.0", 0, now)),
        (2000, "and to the first again", |store, now| back(store, "hand-2", "shop-1.0.0", 1, now)),
        (3000, "and to the baseline again", |store, now| back(store, "hand-3", "shop-1.0.0", 0, now)),
    ];
    let run = settled(with_api, &events);
    assert_eq!((image(&run, "api"), image(&run, "worker")), ("api".into(), String::new()));
    same("the baseline", with_api, &events);
}

#[test]
fn with_hooks_around_the_rollback() {
    fn hooked(version: &str, image: &str, moment: &str) -> Vec<Value> {
        let template = deployment("migrate", "web", None)["spec"]["template"].clone();
        let mut objects = app(version, image);
        objects.push(json!({
            "apiVersion": "batch/v1", "kind": "Job", "spec": { "template": template },
            "metadata": { "name": "migrate", "annotations": { "towpath.dev/hook": moment } },
        }));
        objects
    }
    let before: [Event; 2] = [
        (0, "release 1.0.0", |store, now| {
            release(store, "1.0.0", hooked("1.0.0", "web", "pre-rollback"), now)
        }),
        (1000, "release 2.0.0, which crashes", |store, now| {
            release(store, "2.0.0", hooked("2.0.0", "crash", "pre-rollback"), now)
        }),
    ];
    let after: [Event; 2] = [
        (0, "release 1.0.0", |store, now| {
            release(store, "1.0.0", hooked("1.0.0", "web", "post-rollback"), now)
        }),
        (1000, "release 2.0.0, which crashes", |store, now| {
            release(store, "2.0.0", hooked("2.0.0", "crash", "post-rollback"), now)
        }),
    ];
    for (moment, events) in [("pre-rollback", before), ("post-rollback", after)] {
        assert_eq!(image(&settled(prod, &events), "web"), "web", "{moment}");
        same(moment, prod, &events);
    }
}

#[test]
fn to_none_there_is_and_to_one_after_the_other() {
    let events: [Event; 6] = [
        FIRST,
        SECOND,
        (2000, "release 3.0.0, which is slow", |store, now| shop(store, "3.0.0", "slow", now)),
        (2020, "to none there is", |store, now| back(store, "hand-1", "shop-3.0.0", 9, now)),
        (2021, "back to the first", |store, now| back(store, "hand-2", "shop-3.0.0", 1, now)),
        (3021, "back to the second", |store, now| back(store, "hand-3", "shop-3.0.0", 2, now)),
    ];
    assert_eq!(image(&settled(prod, &events), "web"), "web-2");
    same("one after the other", prod, &events);
}

/// On call names the wrong revision, and sees it: the next rollback does not wait until the first one has ended.
#[test]
fn to_another_revision_while_the_first_rollback_runs() {
    let events: [Event; 5] = [
        FIRST,
        SLOW_SECOND,
        THIRD,
        BACK_TO_THE_SECOND,
        (3030, "back to the first", |store, now| back(store, "hand-2", "shop-3.0.0", 1, now)),
    ];
    let run = settled(prod, &events);
    let phase = |name: &str| run.store.promotions[name].phase();
    assert_eq!((image(&run, "web"), image(&run, "worker")), ("web-1".into(), String::new()));
    assert_eq!((phase("hand-1"), phase("hand-2")), (PromotionPhase::Superseded, PromotionPhase::Verified));
    let ended = run.store.promotions["hand-2"].status.clone().unwrap().finished_at.unwrap();
    let began = run.store.promotions["hand-1"].status.clone().unwrap().started_at.unwrap();
    assert!(ended.0.duration_since(began.0).as_secs() < 80, "{}", run.log.join("\n"));
    same("another revision", prod, &events);
}

/// A rollback to the wrong revision that has not started yet does not start after the correction.
#[test]
fn a_rollback_that_waits_ends_when_a_later_one_has_started() {
    let events: [Event; 6] = [
        FIRST,
        SLOW_SECOND,
        THIRD,
        BACK_TO_THE_SECOND,
        (3010, "and once more", |store, now| back(store, "hand-2", "shop-3.0.0", 2, now)),
        (3030, "back to the first", |store, now| back(store, "hand-3", "shop-3.0.0", 1, now)),
    ];
    let run = settled(prod, &events);
    let phases = ["hand-1", "hand-2", "hand-3"].map(|name| run.store.promotions[name].phase());
    assert_eq!(phases, [PromotionPhase::Superseded, PromotionPhase::Cancelled, PromotionPhase::Verified]);
    assert_eq!((image(&run, "web"), image(&run, "worker")), ("web-1".into(), String::new()));
    same("one that waits", prod, &events);
}

/// The same revision again is no correction: one rollback at a time.
#[test]
fn to_the_same_revision_while_the_first_rollback_runs() {
    let events: [Event; 4] = [
        FIRST,
        SECOND,
        (2000, "back to the first", |store, now| back(store, "hand-1", "shop-2.0.0", 1, now)),
        (2001, "back to the first", |store, now| back(store, "hand-2", "shop-2.0.0", 1, now)),
    ];
    let run = settled(prod, &events);
    let phase = |name: &str| run.store.promotions[name].phase();
    assert_eq!((phase("hand-1"), phase("hand-2")), (PromotionPhase::Verified, PromotionPhase::Verified));
    assert_eq!(image(&run, "web"), "web-1");
    same("the same revision", prod, &events);
}

/// On call goes back twice: the second time not to what the first one took away.
#[test]
fn a_second_rollback_does_not_bring_back_what_the_first_one_took_away() {
    fn undo(store: &mut Store, name: &str, release: &str, now: Timestamp) {
        let spec = json!({ "release": release, "environment": "prod", "kind": "Rollback" });
        store.add_promotion(name, serde_json::from_value(spec).unwrap(), now);
    }
    const ONCE: Event = (3000, "back", |store, now| undo(store, "hand-1", "shop-3.0.0", now));
    const TWICE: Event = (4000, "back again", |store, now| undo(store, "hand-2", "shop-2.0.0", now));
    const ONCE_MORE: Event = (5000, "and once more", |store, now| undo(store, "hand-3", "shop-1.0.0", now));
    let events = [FIRST, SECOND, THIRD, ONCE, TWICE, ONCE_MORE];
    assert_eq!(image(&settled(prod, &events[..4]), "web"), "web-2");
    assert_eq!(image(&settled(prod, &events[..5]), "web"), "web-1");
    let run = settled(prod, &events);
    let status = run.store.promotions["hand-3"].status.clone().unwrap();
    assert_eq!((image(&run, "web"), status.reason.as_deref()), ("web-1".into(), Some("NoTarget")));
    assert!(status.message.unwrap().contains("name one with spec.toRevision"));
    // What a person restores by its name makes what ran before it a target again.
    let forth: Event =
        (6000, "to the second again", |store, now| back(store, "hand-4", "shop-1.0.0", 2, now));
    let undone: Event = (7000, "back", |store, now| undo(store, "hand-5", "shop-2.0.0", now));
    let run = settled(prod, &[events.as_slice(), &[forth, undone]].concat());
    assert_eq!(image(&run, "web"), "web-1", "{}", run.log.join("\n"));
    let recalled: Event = (7000, "it is recalled", |store, now| recall(store, "second", &["2.0.0"], now));
    let run = settled(
        prod,
        &[
            FIRST,
            SECOND,
            (3000, "back", |store, now| undo(store, "hand-1", "shop-2.0.0", now)),
            (6000, "to the second again", |store, now| back(store, "hand-4", "shop-1.0.0", 2, now)),
            recalled,
        ],
    );
    assert_eq!(image(&run, "web"), "web-1", "a recall: {}", run.log.join("\n"));
    // What is promoted after that is a target again.
    let fourth: Event = (6000, "release 4.0.0", |store, now| shop(store, "4.0.0", "web-4", now));
    let fifth: Event = (7000, "release 5.0.0", |store, now| shop(store, "5.0.0", "web-5", now));
    let undone: Event = (8000, "back", |store, now| undo(store, "hand-4", "shop-5.0.0", now));
    let run = settled(prod, &[events.as_slice(), &[fourth, fifth, undone]].concat());
    assert_eq!(image(&run, "web"), "web-4", "{}", run.log.join("\n"));
    same("back twice", prod, &events);
}

/// A crash may come between what the automatic rollback writes and the record that it began; its number is free till then.
#[test]
fn two_rollbacks_at_once_end_at_what_the_last_one_restores() {
    fn asks(store: &mut Store, now: Timestamp) {
        if store.promotions.contains_key("prod-shop-3.0.0-rollback") {
            back(store, "manual", "shop-3.0.0", 1, now);
        }
    }
    fn asks_instead(store: &mut Store, now: Timestamp) {
        if store.promotions.remove("prod-shop-3.0.0-rollback").is_some() {
            back(store, "manual", "shop-3.0.0", 1, now);
        }
    }
    let crashes: Event =
        (2000, "release 3.0.0, which crashes", |store, now| shop(store, "3.0.0", "crash", now));
    for (what, event) in [("beside", asks as fn(&mut Store, Timestamp)), ("instead", asks_instead)] {
        let mut run = Run::of(prod, &[FIRST, SECOND, crashes]);
        run.while_down = Some(event);
        let mut seen = 0;
        run.crash_everywhere(|writes, run| {
            if !run.store.promotions.contains_key("manual") {
                return;
            }
            seen += 1;
            let text =
                format!("{what} the automatic one, a crash after write {writes}:\n{}", run.log.join("\n"));
            let last = run.store.promotions.values().max_by_key(|promotion| promotion.revision()).unwrap();
            let restored = match last.status.as_ref().unwrap().restores {
                Some(1) => "web-1",
                Some(2) => "web-2",
                other => panic!("restores {other:?}, {text}"),
            };
            assert_eq!(last.phase(), PromotionPhase::Verified, "{text}");
            assert_eq!(image(&run, "web"), restored, "{text}");
            let manual = run.store.promotions["manual"].phase();
            assert_eq!(manual == PromotionPhase::Verified, restored == "web-1", "{manual:?} {text}");
        });
        assert!(seen > 0, "nothing asked {what} the automatic one");
    }
}
