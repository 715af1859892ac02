//! Recalls: what runs recalled content comes back everywhere, whatever the rules say, and nothing else does.

use super::comparison;
use super::outcomes::{image, object, promotion, release as phase, summary};
use super::rollbacks::{FIRST, SECOND};
use super::run::{Event, Run, start};
use super::scenarios::{Scenario, environment, prod, settled, shop};
use super::store::Store;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::sync::Arc;
use towpath::api::{
    Budget, Delivery, Environment, FailureAction, PromotionPhase, READY, ReleasePhase, RollbackPolicySpec,
};
use towpath::decide::world::Freeze;

/// The content of these versions is recalled by carol.
pub fn recall(store: &mut Store, name: &str, versions: &[&str], now: Timestamp) {
    let digest = |version: &&str| store.releases[&format!("shop-{version}")].status.clone().unwrap().digest;
    let digests: Vec<_> = versions.iter().map(digest).collect();
    let spec = json!({
        "application": "shop", "digests": digests, "reason": "it loses orders",
        "author": { "username": "carol" },
    });
    store.add_recall(name, serde_json::from_value(spec).unwrap(), now);
}

fn observed(store: &mut Store, name: &str) {
    let environment: &mut Environment = Arc::make_mut(store.environments.get_mut(name).unwrap());
    environment.spec.delivery = Delivery::Observed;
}

/// `(status of Ready, reason, message)` of a recall.
fn ready(run: &Run, name: &str) -> (String, String, String) {
    let status = run.store.recalls[name].status.clone().unwrap();
    let ready = status.conditions.into_iter().find(|condition| condition.type_ == READY).unwrap();
    (ready.status, ready.reason, ready.message)
}

fn promote(store: &mut Store, name: &str, more: serde_json::Value, now: Timestamp) {
    let mut spec = json!({ "environment": "prod", "requestedBy": { "username": "alice" } });
    json_patch::merge(&mut spec, &more);
    store.add_promotion(name, serde_json::from_value(spec).unwrap(), now);
}

fn said(run: &Run, promotion: &str) -> String {
    run.store.promotions[promotion].status.clone().unwrap().message.unwrap_or_default()
}

fn in_environment(run: &Run, environment: &str) -> String {
    let web = object(run, environment, "Deployment web");
    web["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap_or_default().to_owned()
}

pub const RECALLED: Scenario = Scenario {
    name: "recalled",
    about: "A verified release is recalled. Three environments run it: in dev a rollback restored it, prod is frozen and its policy would \
            hold. All three go back at once. Another tool deploys to qa, which is reported.",
    setting: |store, now| {
        let budget = Budget { rollbacks: 0, ..Budget::default() };
        let hold =
            RollbackPolicySpec { action: FailureAction::Hold, budget, ..RollbackPolicySpec::default() };
        store.policies.insert("careful".into(), hold);
        environment(store, "dev", json!({}), now);
        environment(store, "qa", json!({}), now);
        environment(store, "staging", json!({ "after": ["dev"] }), now);
        let rules = json!({ "after": ["staging"], "rollbackPolicyRef": "careful" });
        environment(store, "prod", rules, now);
    },
    events: &[
        (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web-1", now)),
        (1800, "release 1.1.0", |store, now| shop(store, "1.1.0", "web-2", now)),
        (3600, "qa becomes Observed", |store, _| observed(store, "qa")),
        (3700, "release 1.2.0, which crashes", |store, now| shop(store, "1.2.0", "crash", now)),
        (4000, "prod is frozen", |store, now| {
            let to = now + SignedDuration::from_hours(24);
            let (name, reason) = ("ChangeFreeze sale".into(), "sale".into());
            let (environments, passes) = (vec!["prod".into()], Vec::new());
            store.freezes.push(Freeze { name, from: now, to, reason, environments, passes });
        }),
        (4200, "1.1.0 is recalled", |store, now| recall(store, "lost-orders", &["1.1.0"], now)),
    ],
};

pub const RECALLED_IN_PROGRESS: Scenario = Scenario {
    name: "recalled-in-progress",
    about: "A release is recalled while it rolls out, and a release that a rollback is restoring is recalled: both end, and what was \
            verified before comes back.",
    setting: prod,
    events: &[
        (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web-1", now)),
        (1000, "release 2.0.0, which is slow", |store, now| shop(store, "2.0.0", "slow", now)),
        (2000, "release 3.0.0, which crashes", |store, now| shop(store, "3.0.0", "crash", now)),
        (2020, "2.0.0 is recalled while it is restored", |store, now| {
            recall(store, "second", &["2.0.0"], now)
        }),
        (3000, "release 4.0.0, which is slow", |store, now| shop(store, "4.0.0", "slow", now)),
        (3020, "4.0.0 is recalled while it rolls out", |store, now| recall(store, "fourth", &["4.0.0"], now)),
    ],
};

#[test]
fn every_environment_that_runs_recalled_content_comes_back_and_an_observed_one_is_reported() {
    let run = RECALLED.run().settle();
    for environment in ["dev", "staging", "prod"] {
        assert!(
            in_environment(&run, environment).contains("web-1"),
            "{environment}:\n{}",
            run.log.join("\n")
        );
        assert!(summary(&run, environment).starts_with("shop 1.0.0"), "{}", summary(&run, environment));
    }
    assert!(in_environment(&run, "qa").contains("web-2"));
    let created: Vec<&str> = ["prod", "staging", "dev"]
        .into_iter()
        .map(|name| {
            run.store.environments[name].status.as_ref().unwrap().applications[0].history[0]
                .promotion
                .as_str()
        })
        .collect();
    assert!(created.iter().all(|name| name.ends_with("-recalled")), "{created:?}");
    let (status, reason, message) = ready(&run, "lost-orders");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "Observed"), "{message}");
    assert!(
        message.starts_with("prod: rolled back to 1.0.0; staging: rolled back to 1.0.0; qa: another tool"),
        "{message}"
    );
    assert_eq!(phase(&run, "1.1.0"), ReleasePhase::RolledBack);
}

#[test]
fn what_was_recalled_in_progress_ends_as_recalled() {
    let run = RECALLED_IN_PROGRESS.run().settle();
    let log = run.log.join("\n");
    for name in ["prod-shop-3.0.0-rollback", "prod-shop-4.0.0"] {
        let status = run.store.promotions[name].status.clone().unwrap();
        assert_eq!(
            (status.phase, status.reason.as_deref()),
            (PromotionPhase::Failed, Some("Recalled")),
            "{log}"
        );
    }
    assert_eq!(image(&run, "web"), "web-1", "{log}");
    assert_eq!(ready(&run, "second").0, "True", "{log}");
    assert_eq!(ready(&run, "fourth").0, "True", "{log}");
    assert_eq!(phase(&run, "3.0.0"), ReleasePhase::RolledBack, "{log}");
}

const ONLY: [Event; 3] = [
    FIRST,
    (1000, "1.0.0 is recalled", |store, now| recall(store, "only", &["1.0.0"], now)),
    (1500, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now)),
];

#[test]
fn without_verified_content_nothing_is_written_and_the_command_is_printed() {
    let run = settled(prod, &ONLY);
    let log = run.log.join("\n");
    assert_eq!(image(&run, "web"), "web-1", "{log}");
    let (status, reason, message) = ready(&run, "only");
    assert_eq!((status.as_str(), reason.as_str()), ("False", "NoTarget"), "{message}");
    let command = message.split("echo '").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    let shown: serde_json::Value = serde_json::from_str(command).unwrap();
    assert_eq!(shown["spec"]["toRevision"], 0, "{message}");
    assert_eq!(shown["spec"]["release"], "shop-1.0.0", "{message}");
    assert!(!run.store.promotions.contains_key("prod-shop-2.0.0"), "automation went on:\n{log}");
    let environment = run.store.environments["prod"].status.clone().unwrap();
    let waiting = environment.applications[0].waiting.clone().unwrap();
    assert_eq!(waiting.gate, "FailureHold", "{log}");
    assert!(
        environment.message.unwrap().contains("recalled by carol (Recall only): it loses orders"),
        "{log}"
    );
    assert_eq!(phase(&run, "1.0.0"), ReleasePhase::Failed);
    comparison::same_after_a_crash("the only verified release", prod, &ONLY);
}

#[test]
fn after_the_printed_command_automation_goes_on() {
    let [first, recalled, second] = ONLY;
    let back: Event = (2000, "the command is run", |store, now| {
        let spec = json!({ "kind": "Rollback", "release": "shop-1.0.0", "toRevision": 0 });
        promote(store, "to-revision-0", spec, now);
    });
    let run = settled(prod, &[first, recalled, second, back]);
    assert_eq!(promotion(&run, "to-revision-0"), PromotionPhase::Verified);
    assert_eq!(image(&run, "web"), "web-2", "{}", run.log.join("\n"));
    assert_eq!(ready(&run, "only").0, "True");
}

#[test]
fn a_failure_does_not_restore_recalled_content() {
    let third: Event =
        (3000, "release 3.0.0, which crashes", |store, now| shop(store, "3.0.0", "crash", now));
    let recalled: Event = (2900, "1.0.0 and 2.0.0 are recalled", |store, now| {
        recall(store, "first-two", &["1.0.0", "2.0.0"], now);
    });
    let safe: Event = (2000, "release 2.5.0", |store, now| shop(store, "2.5.0", "web-25", now));
    let run = settled(prod, &[FIRST, SECOND, safe, recalled, third]);
    assert_eq!(image(&run, "web"), "web-25", "{}", run.log.join("\n"));
    // Only recalled content was verified before: what failed stays, and the lane is held.
    let early: Event = (1500, "1.0.0 is recalled", |store, now| recall(store, "first", &["1.0.0"], now));
    let both = |store: &mut Store, now| recall(store, "second", &["2.0.0"], now);
    let late: Event = (3001, "2.0.0 is recalled", both);
    let run = settled(prod, &[FIRST, SECOND, early, third, late]);
    let said = said(&run, "prod-shop-3.0.0");
    assert!(
        said.contains("no verified content that was not recalled or rolled back is left"),
        "{said}\n{}",
        run.log.join("\n")
    );
    comparison::same_after_a_crash("late", prod, &[FIRST, SECOND, early, third, late]);
}

#[test]
fn a_lifted_recall_lets_a_person_promote_the_content_again() {
    let recalled: Event = (2000, "2.0.0 is recalled", |store, now| recall(store, "second", &["2.0.0"], now));
    let again: Event = (2500, "a person promotes 2.0.0", |store, now| {
        promote(store, "again", json!({ "release": "shop-2.0.0" }), now);
    });
    let lifted: Event = (3000, "the recall is deleted", |store, _| _ = store.recalls.remove("second"));
    let run = settled(prod, &[FIRST, SECOND, recalled, again]);
    assert_eq!(image(&run, "web"), "web-1");
    assert!(said(&run, "again").starts_with("recalled by carol (Recall second)"), "{}", said(&run, "again"));
    assert_eq!(run.store.promotions["again"].status.as_ref().unwrap().reason.as_deref(), Some("Recall"));
    let events = [FIRST, SECOND, recalled, again, lifted];
    let run = settled(prod, &events);
    assert_eq!(promotion(&run, "again"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(image(&run, "web"), "web-2");
    comparison::same_in_any_order("lifted", prod, &events);
}

#[test]
fn an_override_runs_recalled_content_until_the_next_recall() {
    fn enforced(store: &mut Store, now: Timestamp) {
        store.enforced = true;
        prod(store, now);
    }
    fn asked(store: &mut Store, version: &str, image: &str, now: Timestamp) {
        shop(store, version, image, now);
        let release = Arc::make_mut(store.releases.get_mut(&format!("shop-{version}")).unwrap());
        release.spec.requested_by = serde_json::from_value(json!({ "username": "alice" })).unwrap();
    }
    let first: Event = (0, "release 1.0.0", |store, now| asked(store, "1.0.0", "web-1", now));
    let second: Event = (1000, "release 2.0.0", |store, now| asked(store, "2.0.0", "web-2", now));
    let recalled: Event = (2000, "2.0.0 is recalled", |store, now| recall(store, "second", &["2.0.0"], now));
    let over: Event = (2500, "a person promotes 2.0.0 all the same", |store, now| {
        let override_ = json!({ "gates": ["Recall"], "reason": "1.0.0 is worse" });
        promote(store, "again", json!({ "release": "shop-2.0.0", "override": override_ }), now);
    });
    let run = Run::of(enforced, &[first, second, recalled, over]).until(4000);
    assert_eq!(promotion(&run, "again"), PromotionPhase::Verified, "{}", run.log.join("\n"));
    assert_eq!(image(&run, "web"), "web-2");
    let more: Event =
        (4000, "and is recalled once more", |store, now| recall(store, "more", &["2.0.0"], now));
    let run = Run::of(enforced, &[first, second, recalled, over, more]).until(6000);
    assert_eq!(image(&run, "web"), "web-1", "{}", run.log.join("\n"));
}

#[test]
fn a_person_cannot_roll_back_to_recalled_content_by_accident() {
    let recalled: Event = (2500, "1.0.0 is recalled", |store, now| recall(store, "first", &["1.0.0"], now));
    let back: Event = (3000, "a person rolls back to it", |store, now| {
        let spec = json!({ "kind": "Rollback", "release": "shop-2.0.0", "toRevision": 1 });
        promote(store, "back", spec, now);
    });
    let run = settled(prod, &[FIRST, SECOND, recalled, back]);
    assert_eq!(promotion(&run, "back"), PromotionPhase::Failed);
    assert!(said(&run, "back").contains("override the gate Recall"), "{}", said(&run, "back"));
    assert_eq!(image(&run, "web"), "web-2");
    assert!(start() < run.now);
}

#[test]
fn the_shortest_history_holds_what_a_recall_restores() {
    fn shortest(store: &mut Store, now: Timestamp) {
        environment(store, "prod", json!({ "historyLimit": 1 }), now);
    }
    let third: Event = (2000, "release 3.0.0", |store, now| shop(store, "3.0.0", "web-3", now));
    let fourth: Event = (4000, "release 4.0.0", |store, now| shop(store, "4.0.0", "web-4", now));
    let early: Event = (1900, "2.0.0 is recalled", |store, now| recall(store, "second", &["2.0.0"], now));
    let late: Event = (6000, "4.0.0 is recalled", |store, now| recall(store, "fourth", &["4.0.0"], now));
    let run = settled(shortest, &[FIRST, SECOND, early, third, fourth, late]);
    assert_eq!(image(&run, "web"), "web-3", "{}", run.log.join("\n"));
}
