//! Releases that fail after they were verified: what the policy says follows, once, and never because of what began before.

use super::comparison;
use super::outcomes::{image, promotion, release as phase, summary};
use super::rollbacks::FIRST;
use super::run::{Event, Run};
use super::scenarios::{Scenario, environment, settled, shop};
use super::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use towpath::api::{Condition, PromotionPhase, Reason, ReleasePhase, RollbackPolicySpec};
use towpath::content::ObjectKey;

fn policy(store: &mut Store, spec: Value) {
    let spec: RollbackPolicySpec = serde_json::from_value(spec).unwrap();
    store.policies.insert("watch".into(), spec);
}

fn prod(store: &mut Store, action: &str, now: Timestamp) {
    policy(store, json!({ "afterVerified": { "action": action } }));
    environment(store, "prod", json!({ "rollbackPolicyRef": "watch" }), now);
}

fn rolls_back(store: &mut Store, now: Timestamp) {
    prod(store, "Rollback", now);
}

fn notifies(store: &mut Store, now: Timestamp) {
    prod(store, "Notify", now);
}

/// The pods of web crash from now on, in one environment.
fn crash(store: &mut Store, environment: &str, now: Timestamp) {
    let web = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
    store.namespaces.get_mut(&format!("shop-{environment}")).unwrap().break_pods(&web, now);
}

const SECOND: Event = (1800, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now));
const CRASH: Event = (3000, "the pods of web crash", |store, now| crash(store, "prod", now));

fn alarm(run: &Run, environment: &str) -> Option<Condition> {
    let status = run.store.environments[environment].status.clone().unwrap();
    let is_it = |it: &Condition| it.type_ == Reason::FailingAfterVerification.as_str();
    status.conditions.into_iter().find(is_it)
}

fn raised(run: &Run) -> Condition {
    alarm(run, "prod").unwrap_or_else(|| panic!("no alarm:\n{}", run.log.join("\n")))
}

fn rollbacks(run: &Run) -> usize {
    run.store.promotions.keys().filter(|name| name.ends_with("-rollback")).count()
}

pub const AFTER_VERIFIED: Scenario = Scenario {
    name: "after-verified",
    about: "The second release is verified, and its pods crash a quarter of an hour later: it is rolled back. What was restored crashes as \
            well, and is not rolled back. A third release, which is sound, ends it.",
    setting: rolls_back,
    events: &[
        FIRST,
        SECOND,
        CRASH,
        (3600, "what was restored crashes as well", |store, now| crash(store, "prod", now)),
        (4800, "release 3.0.0", |store, now| shop(store, "3.0.0", "web-3", now)),
    ],
};

#[test]
fn a_release_that_fails_after_it_was_verified_is_rolled_back_once() {
    let run = settled(rolls_back, &[FIRST, SECOND, CRASH]);
    let log = run.log.join("\n");
    assert_eq!(image(&run, "web"), "web-1", "{log}");
    assert_eq!(summary(&run, "prod"), "shop 1.0.0 (r3)");
    let rollback = &run.store.promotions["prod-shop-2.0.0-rollback"];
    assert_eq!(rollback.spec.cause.as_deref(), Some("CrashLoopBackOff"), "{log}");
    assert!(
        rollback.spec.reason.as_deref().unwrap().starts_with("failed after it was verified: Deployment web")
    );
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "the record stays");
    assert_eq!(phase(&run, "2.0.0"), ReleasePhase::RolledBack);
    let release = run.store.releases["shop-2.0.0"].status.clone().unwrap();
    let verified = release.conditions.iter().find(|it| it.type_ == towpath::api::VERIFIED).unwrap();
    assert_eq!((verified.status.as_str(), verified.reason.as_str()), ("False", "RolledBack"), "{verified:?}");
    let line = release.environments[0].message.clone().unwrap();
    assert!(
        line.contains("prod-shop-2.0.0-rollback: CrashLoopBackOff: failed after it was verified"),
        "{line}"
    );
    assert_eq!((alarm(&run, "prod"), rollbacks(&run)), (None, 1));
}

#[test]
fn what_a_rollback_restored_is_reported_and_a_newer_release_ends_it() {
    let events = AFTER_VERIFIED.events;
    let run = Run::of(rolls_back, &events[..4]).until(4000);
    let message = raised(&run).message;
    assert!(message.contains("shop-1.0.0, which prod-shop-2.0.0-rollback restored, fails"), "{message}");
    let run = AFTER_VERIFIED.run().settle();
    assert_eq!((alarm(&run, "prod"), rollbacks(&run)), (None, 1), "{}", run.log.join("\n"));
    assert_eq!(summary(&run, "prod"), "shop 3.0.0 (r4)");
}

#[test]
fn a_failure_that_is_only_reported_changes_nothing_and_is_forgotten_after_the_time() {
    let run = Run::of(notifies, &[FIRST, SECOND, CRASH]).until(4000);
    let found = raised(&run);
    assert_eq!((found.status.as_str(), found.reason.as_str()), ("True", "CrashLoopBackOff"));
    assert!(found.message.contains("Deployment web: CrashLoopBackOff"), "{}", found.message);
    let run = settled(notifies, &[FIRST, SECOND, CRASH]);
    assert_eq!((alarm(&run, "prod"), rollbacks(&run)), (None, 0), "{}", run.log.join("\n"));
    assert_eq!((image(&run, "web").as_str(), phase(&run, "2.0.0")), ("web-2", ReleasePhase::Verified));
}

#[test]
fn nothing_happens_by_default_and_after_the_time() {
    let late: Event = (6000, "the pods of web crash", |store, now| crash(store, "prod", now));
    let ignores = |store: &mut Store, now| prod(store, "Ignore", now);
    for run in [settled(ignores, &[FIRST, SECOND, CRASH]), settled(rolls_back, &[FIRST, SECOND, late])] {
        assert_eq!((alarm(&run, "prod"), rollbacks(&run)), (None, 0), "{}", run.log.join("\n"));
        assert_eq!(image(&run, "web"), "web-2");
    }
}

#[test]
fn the_first_release_stays_because_nothing_else_was_verified() {
    let early: Event = (1000, "the pods of web crash", |store, now| crash(store, "prod", now));
    let run = Run::of(rolls_back, &[FIRST, early]).until(1200);
    let message = raised(&run).message;
    assert!(message.contains("no verified revision with other content to roll back to"), "{message}");
    assert_eq!((image(&run, "web").as_str(), rollbacks(&run)), ("web-1", 0));
}

#[test]
fn a_failure_counts_from_the_moment_at_which_the_policy_asks_for_it_and_its_hold_is_lifted() {
    let asks: Event = (3300, "the policy asks", |store, _| {
        policy(store, json!({ "afterVerified": { "action": "Rollback" }, "action": "Hold" }))
    });
    let lifted: Event = (3600, "the hold is lifted", |store, _| {
        policy(store, json!({ "afterVerified": { "action": "Rollback" } }))
    });
    let ignores = |store: &mut Store, now| prod(store, "Ignore", now);
    let run = Run::of(ignores, &[FIRST, SECOND, CRASH, asks]).until(3500);
    assert!(raised(&run).message.contains("has action: Hold"));
    let run = settled(ignores, &[FIRST, SECOND, CRASH, asks, lifted]);
    assert_eq!((image(&run, "web").as_str(), rollbacks(&run)), ("web-1", 1), "{}", run.log.join("\n"));
}

/// Others promote onwards what failed again after it was verified.
#[test]
fn a_release_that_failed_after_it_was_verified_does_not_move_on() {
    fn both(store: &mut Store, now: Timestamp) {
        policy(store, json!({ "afterVerified": { "action": "Rollback" } }));
        environment(store, "dev", json!({ "rollbackPolicyRef": "watch" }), now);
        environment(store, "prod", json!({ "after": ["dev"], "soak": "30m" }), now);
    }
    let second: Event = (4800, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now));
    let fails: Event = (5700, "the pods of dev crash", |store, now| crash(store, "dev", now));
    let again: Event = (9000, "release 2.0.1 with the same content", |store, now| {
        let same = store.releases["shop-2.0.0"].spec.clone();
        let spec = towpath::api::ReleaseSpec { version: "2.0.1".into(), ..same };
        store.add_release("shop-2.0.1", spec, now);
    });
    let events = [FIRST, second, fails, again];
    let run = settled(both, &events);
    let log = run.log.join("\n");
    for environment in ["dev", "prod"] {
        assert!(summary(&run, environment).starts_with("shop 1.0.0"), "{environment}:\n{log}");
    }
    assert_eq!(phase(&run, "2.0.0"), ReleasePhase::RolledBack, "{log}");
    assert_eq!(rollbacks(&run), 1, "{log}");
    comparison::same_after_a_crash("moving on", both, &events);
}

#[test]
fn a_budget_that_becomes_free_lets_the_rollback_follow() {
    fn strict(store: &mut Store, now: Timestamp) {
        let budget = json!({ "rollbacks": 1, "period": "30m" });
        policy(store, json!({ "afterVerified": { "action": "Rollback", "for": "2h" }, "budget": budget }));
        environment(store, "prod", json!({ "rollbackPolicyRef": "watch" }), now);
    }
    let bad: Event = (1000, "release 1.5.0, which crashes", |store, now| shop(store, "1.5.0", "crash", now));
    let early: Event = (2300, "the pods of web crash", |store, now| crash(store, "prod", now));
    let run = Run::of(strict, &[FIRST, bad, SECOND, early]).until(2400);
    assert!(raised(&run).message.contains("the budget of 1 rollbacks"));
    let run = settled(strict, &[FIRST, bad, SECOND, early]);
    assert_eq!(image(&run, "web"), "web-1", "{}", run.log.join("\n"));
}

#[test]
fn what_pods_went_through_before_the_verification_is_recorded() {
    let flaky: Event = (0, "release 1.0.0, whose pods are restarted once", |store, now| {
        shop(store, "1.0.0", "flaky", now);
    });
    let run = settled(rolls_back, &[flaky]);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{log}");
    let status = run.store.promotions["prod-shop-1.0.0"].status.clone().unwrap();
    let found: Vec<(String, i32)> =
        status.exits_before.into_iter().map(|it| (it.container, it.exits)).collect();
    assert!(!found.is_empty() && found.iter().all(|it| *it == ("main".to_owned(), 1)), "{found:?}\n{log}");
}
