//! The window is over, and the promotion is not: as long as a person or a test is awaited, checks go on.

use super::checks::measured;
use super::outcomes::{promotion, release};
use super::run::{Event, Run, start};
use super::scenarios::{environment, settled, shop};
use super::store::Store;
use super::tests_of_releases::of_prod;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use towpath::api::{CheckReport, PromotionPhase, ReleasePhase, Verdict};
use towpath::content::ObjectKey;

/// The window is five minutes, and the rollout takes seconds.
const FIRST: Event = (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now));
const LATER: Event =
    (1800, "release 2.0.0, whose errors rise ten minutes after its rollout", |store, now| {
        shop(store, "2.0.0", "later", now);
    });
const GOOD: Event = (1800, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now));
const HELD: Event = (
    1850,
    "a pod comes back at the old revision, kept there by a partition that a person set",
    |store, now| {
        partition(store, json!({ "rollingUpdate": { "partition": 1 } }), now);
    },
);
const FREED: Event =
    (9000, "and the person removes the partition", |store, now| partition(store, Value::Null, now));

fn partition(store: &mut Store, strategy: Value, now: Timestamp) {
    let web = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
    store.namespaces.get_mut("shop-prod").unwrap().set(&web, "/spec/updateStrategy", strategy, now);
}

fn report(run: &Run) -> CheckReport {
    run.store.promotions["prod-shop-2.0.0"]
        .status
        .clone()
        .unwrap()
        .checks
        .first()
        .cloned()
        .unwrap_or_default()
}

#[test]
fn errors_that_rise_while_a_person_is_awaited_after_the_window_fail_the_release() {
    let waits = Run::of(measured, &[FIRST, LATER, HELD]).until(2300);
    let status = waits.store.promotions["prod-shop-2.0.0"].status.clone().unwrap();
    assert_eq!(status.reason.as_deref(), Some("Partition"), "{}", waits.log.join("\n"));
    let run = Run::of(measured, &[FIRST, LATER, HELD]).until(2600);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed, "{text}");
    assert_eq!(report(&run).verdict, Some(Verdict::Failed), "{text}");
    assert!(run.store.promotions.contains_key("prod-shop-2.0.0-rollback"), "{text}");
    let run = settled(measured, &[FIRST, LATER, HELD, FREED]);
    assert_eq!(release(&run, "2.0.0"), ReleasePhase::RolledBack, "{}", run.log.join("\n"));
}

#[test]
fn a_release_that_waited_for_a_person_is_verified_by_a_measurement_after_the_wait() {
    let run = settled(measured, &[FIRST, GOOD, HELD, FREED]);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "{text}");
    let report = report(&run);
    let freed = start() + SignedDuration::from_secs(9000);
    assert!(report.at.clone().is_some_and(|at| at.0 > freed), "{report:?} {freed}\n{text}");
    assert!(report.passed >= 200, "every 30 s in two hours: {report:?}");
}

/// Whatever passes is measured again after a crash, so the wait costs no writes.
#[test]
fn a_long_wait_with_passing_checks_costs_no_writes() {
    let statuses = |until| {
        let run = Run::of(measured, &[FIRST, GOOD, HELD]).until(until);
        run.log.iter().filter(|line| line.contains("remembers") || line.contains("reports")).count()
    };
    assert_eq!(statuses(8_900), statuses(2_300));
}

fn with_test(store: &mut Store, now: Timestamp) {
    measured(store, now);
    let tests = json!([of_prod("smoke", "endless", json!({ "timeout": "20m" }))]);
    environment(store, "prod", json!({ "rollbackPolicyRef": "measured", "tests": tests }), now);
}

#[test]
fn errors_that_rise_while_a_test_runs_on_after_the_window_fail_the_release() {
    let run =
        settled(with_test, &[(0, "release 2.0.0, whose errors rise ten minutes after its rollout", LATER.2)]);
    let text = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed, "{text}");
    assert_eq!(report(&run).verdict, Some(Verdict::Failed), "{text}");
}
