//! Checks in whole releases: metrics decide where pods look healthy, and what cannot be measured is neither good nor bad.

use super::comparison::{same_after_a_crash, same_in_any_order};
use super::outcomes::{object, promotion, release, summary};
use super::run::{Event, Run};
use super::scenarios::{Scenario, environment, settled, shop};
use super::store::Store;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use towpath::api::{CheckReport, PromotionPhase, ReleasePhase, RollbackPolicySpec, Verdict};
use towpath::decide::decision::Question;
use towpath::decide::world::{Alerts, Answer, Queried, Replied, Unmeasured};

/// The ratio of errors of what runs: `errors` has some from two minutes after its template was written, `silent` has no data,
/// `later` from ten minutes after it, `dark` cannot be measured, and `busy` has twice as many as anything else.
pub fn gauge(
    question: &Question,
    running: Option<(Timestamp, String)>,
    now: Timestamp,
) -> Result<Answer, Unmeasured> {
    let (since, image) = running.unwrap_or((now, "web".to_owned()));
    let is_late = now >= since + SignedDuration::from_secs(125);
    let is_later = now >= since + SignedDuration::from_secs(600);
    let value = match image.as_str() {
        "later" if is_later => Some(0.2),
        "errors" if is_late => Some(0.2),
        "silent" if is_late => None,
        "silent" => Some(f64::NAN),
        "dark" => {
            return Err(Unmeasured { message: "cannot connect to metrics".into(), ..Unmeasured::default() });
        }
        "busy" => Some(0.02),
        _ => Some(0.01),
    };
    Ok(answer(question, value))
}

/// How each kind of question shows a ratio of errors. None and NaN say nothing.
fn answer(question: &Question, value: Option<f64>) -> Answer {
    let known = value.filter(|value| value.is_finite());
    let state = |value: f64| json!({ "state": if value > 0.05 { "bad" } else { "good" } });
    match question {
        Question::Query { query, .. } => {
            assert!(query.contains("namespace=\"shop-prod\""), "the parameters are replaced: {query}");
            let series = value.into_iter().map(|value| (String::new(), value)).collect();
            Answer::Query(Queried { series, ..Queried::default() })
        }
        Question::Alerts { labels, .. } => {
            assert_eq!(labels["namespace"], "shop-prod");
            let alert = BTreeMap::from([("alertname".to_owned(), "ErrorsHigh".to_owned())]);
            let active: Vec<_> = known.filter(|value| *value > 0.05).map(|_| alert).into_iter().collect();
            let firing = active.clone();
            Answer::Alerts(Alerts {
                before: true,
                now: known.is_some(),
                rules: 1,
                active,
                firing,
                ..Alerts::default()
            })
        }
        Question::Provider { provider, .. } => Answer::Http(vec![Replied {
            from: provider.clone(),
            status: 200,
            json: known.map(|value| Arc::new(state(value))),
            ..Replied::default()
        }]),
        Question::Objects { .. } => {
            let object = |value| {
                let metadata = json!({ "name": "state", "uid": "1", "resourceVersion": "7" });
                Arc::new(json!({ "metadata": metadata, "data": state(value) }))
            };
            Answer::Objects(known.into_iter().map(object).collect())
        }
        Question::Pods { .. } => panic!("the pods of the toy cluster have no address"),
    }
}

fn policy(more: Value, limits: Value) -> RollbackPolicySpec {
    let mut query = json!({ "provider": "metrics", "query": "errors{namespace=\"$namespace\"}" });
    query.as_object_mut().unwrap().append(&mut limits.as_object().unwrap().clone());
    let mut check = json!({ "name": "errors", "prometheus": query });
    check.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    serde_json::from_value(json!({ "checks": [check] })).unwrap()
}

fn with_policy(store: &mut Store, policy: RollbackPolicySpec, now: Timestamp) {
    store.gauge = Some(gauge);
    store.policies.insert("measured".into(), policy);
    environment(store, "prod", json!({ "rollbackPolicyRef": "measured" }), now);
}

pub fn measured(store: &mut Store, now: Timestamp) {
    with_policy(store, policy(json!({}), json!({ "max": 0.05 })), now);
}

fn report(run: &Run, name: &str) -> CheckReport {
    run.store.promotions[name].status.clone().unwrap().checks.first().cloned().unwrap_or_default()
}

fn message(run: &Run, name: &str) -> String {
    run.store.promotions[name].status.clone().unwrap().message.unwrap()
}

pub const METRIC: Scenario = Scenario {
    name: "metric",
    about: "The pods of the second release stay healthy, and its errors rise two minutes after the rollout: it is rolled back.",
    setting: measured,
    events: &LATE_ERRORS,
};

pub const NO_DATA: Scenario = Scenario {
    name: "no-data",
    about: "The metric of the second release has no data: it is neither verified nor rolled back.",
    setting: measured,
    events: &SILENT,
};

const FIRST: Event = (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now));
pub const LATE_ERRORS: [Event; 2] = [
    FIRST,
    (1800, "release 2.0.0, whose errors rise two minutes after its rollout", |store, now| {
        shop(store, "2.0.0", "errors", now)
    }),
];

#[test]
fn a_release_whose_errors_rise_after_the_rollout_is_rolled_back_and_the_record_says_why() {
    let run = settled(measured, &LATE_ERRORS);
    assert_eq!(release(&run, "2.0.0"), ReleasePhase::RolledBack);
    assert_eq!(summary(&run, "prod"), "shop 1.0.0 (r3)");
    let first = settled(measured, &[FIRST]);
    let template = |run: &Run| object(run, "prod", "Deployment web")["spec"]["template"].clone();
    assert_eq!(template(&run), template(&first), "code and config came back");
    let passed = report(&run, "prod-shop-1.0.0");
    assert_eq!((passed.verdict, passed.failed), (Some(Verdict::Passed), 0));
    assert!(passed.passed >= 8, "every 30 s in five minutes: {passed:?}");
    let failed = report(&run, "prod-shop-2.0.0");
    assert_eq!(
        (failed.verdict, failed.failed, failed.value.as_deref()),
        (Some(Verdict::Failed), 1, Some("0.2"))
    );
    assert_eq!(failed.query.as_deref(), Some("errors{namespace=\"shop-prod\"}"));
    assert!(
        message(&run, "prod-shop-2.0.0").contains("check errors: 0.2 is greater than 0.05"),
        "{failed:?}"
    );
    assert!(run.store.promotions["prod-shop-2.0.0-rollback"].status.clone().unwrap().checks.is_empty());
}

#[test]
fn crashes_and_the_order_of_passes_change_nothing_about_checks() {
    same_after_a_crash("errors that rise", measured, &LATE_ERRORS);
    same_in_any_order("errors that rise", measured, &LATE_ERRORS);
    same_after_a_crash("no data", measured, &SILENT);
}

/// A window that is too short to be written itself: the failing measurement, which is written, says that the rollout was complete.
#[test]
fn a_check_that_fails_in_a_window_of_two_seconds_leaves_the_same_record_after_a_crash() {
    fn brief(store: &mut Store, now: Timestamp) {
        let mut policy = policy(json!({ "window": "1s" }), json!({ "max": 0.015 }));
        policy.observe_window = "2s".parse().unwrap();
        with_policy(store, policy, now);
    }
    const BUSY: Event =
        (1800, "release 2.0.0, which has more errors", |store, now| shop(store, "2.0.0", "busy", now));
    let steps = |run: &Run| -> Vec<String> {
        let status = run.store.promotions["prod-shop-2.0.0"].status.clone().unwrap();
        status.steps.iter().map(|step| format!("{} {:?}", step.name, step.result)).collect()
    };
    let run = settled(brief, &[FIRST, BUSY]);
    assert_eq!(release(&run, "2.0.0"), ReleasePhase::RolledBack, "{}", run.log.join("\n"));
    let expected = steps(&run);
    assert_eq!(expected.last().map(String::as_str), Some("Observe Failed"), "{expected:?}");
    Run::of(brief, &[FIRST, BUSY]).crash_everywhere(|writes, run| {
        assert_eq!(steps(&run), expected, "a crash after write {writes}\n{}", run.log.join("\n"));
    });
    same_after_a_crash("a brief window", brief, &[FIRST, BUSY]);
}

pub const SILENT: [Event; 2] =
    [FIRST, (1800, "release 2.0.0, which has no data", |store, now| shop(store, "2.0.0", "silent", now))];

#[test]
fn a_release_without_data_is_neither_verified_nor_rolled_back_and_can_be_accepted() {
    let accepts: Event = (5_000, "a person accepts it", |store, now| {
        let spec = json!({
            "release": "shop-2.0.0", "environment": "prod",
            "override": { "gates": ["Evidence"], "reason": "no traffic at night" },
            "requestedBy": { "username": "alice" },
        });
        store.enforced = true;
        store.add_promotion("accepted", serde_json::from_value(spec).unwrap(), now);
    });
    let run = settled(measured, &SILENT);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Inconclusive);
    assert_eq!(release(&run, "2.0.0"), ReleasePhase::Inconclusive);
    assert_eq!(report(&run, "prod-shop-2.0.0").verdict, Some(Verdict::Inconclusive));
    let said = message(&run, "prod-shop-2.0.0");
    assert!(said.contains("says nothing about the release") && said.contains("gates: [Evidence]"), "{said}");
    assert_eq!(run.store.promotions.len(), 2, "no rollback");
    let run = settled(measured, &[SILENT[0], SILENT[1], accepts]);
    assert_eq!(promotion(&run, "accepted"), PromotionPhase::Verified);
    assert_eq!(release(&run, "2.0.0"), ReleasePhase::Verified);
}

#[test]
fn a_release_that_cannot_be_measured_waits_before_the_first_write_or_is_inconclusive() {
    // Nothing runs yet: the gauge answers, and goes dark when the release runs.
    let events: [Event; 1] = [(0, "release 1.0.0", |store, now| shop(store, "1.0.0", "dark", now))];
    let run = settled(measured, &events);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Inconclusive);
    let found = report(&run, "prod-shop-1.0.0");
    assert_eq!((found.verdict, found.passed), (Some(Verdict::Errored), 0));
    assert!(message(&run, "prod-shop-1.0.0").contains("could not be measured: cannot connect to metrics"));
    let next: [Event; 2] = [
        events[0],
        (3_600, "a person promotes 2.0.0", |store, now| {
            shop(store, "2.0.0", "web", now);
            let spec = json!({ "release": "shop-2.0.0", "environment": "prod" });
            store.add_promotion("manual", serde_json::from_value(spec).unwrap(), now);
        }),
    ];
    let run = Run::of(measured, &next).until(4_000);
    assert_eq!(promotion(&run, "manual"), PromotionPhase::Pending);
    let said = message(&run, "manual");
    assert!(
        said.contains("check errors: cannot connect") && said.contains("override can pass the gate Evidence"),
        "{said}"
    );
}

#[test]
fn a_check_in_a_dry_run_is_recorded_and_decides_nothing() {
    let dry = |store: &mut Store, now| {
        with_policy(store, policy(json!({ "dryRun": true }), json!({ "max": 0.05 })), now);
    };
    let run = settled(dry, &LATE_ERRORS);
    assert_eq!(release(&run, "2.0.0"), ReleasePhase::Verified);
    let found = report(&run, "prod-shop-2.0.0");
    assert_eq!((found.verdict, found.dry_run), (Some(Verdict::Failed), true));
}

#[test]
fn what_follows_from_a_failed_check_can_differ_from_the_policy() {
    let held = |store: &mut Store, now| {
        with_policy(store, policy(json!({ "onFailure": "Hold" }), json!({ "max": 0.05 })), now);
    };
    let run = settled(held, &LATE_ERRORS);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed);
    assert_eq!(run.store.promotions.len(), 2, "nothing is rolled back");
    assert_eq!(report(&run, "prod-shop-2.0.0").verdict, Some(Verdict::Failed));
}

#[test]
fn a_value_is_compared_with_the_one_from_before_the_first_write() {
    let compared = |store: &mut Store, now| {
        with_policy(store, policy(json!({}), json!({ "maxRatioToBaseline": 1.5 })), now);
    };
    let run =
        settled(compared, &[FIRST, (1800, "release 2.0.0", |store, now| shop(store, "2.0.0", "busy", now))]);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified);
    assert_eq!(release(&run, "2.0.0"), ReleasePhase::RolledBack);
    let found = report(&run, "prod-shop-2.0.0");
    assert_eq!((found.baseline.as_deref(), found.value.as_deref()), (Some("0.01"), Some("0.02")));
}

#[test]
fn a_check_before_the_first_write_is_a_gate() {
    let before = |store: &mut Store, now| {
        with_policy(store, policy(json!({ "when": "Before" }), json!({ "max": 0.05 })), now);
    };
    let next: Event =
        (2_400, "release 3.0.0, while errors are high", |store, now| shop(store, "3.0.0", "web", now));
    let run = Run::of(before, &[LATE_ERRORS[0], LATE_ERRORS[1], next]).until(3_000);
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Verified, "it is only measured before");
    assert_eq!(promotion(&run, "prod-shop-3.0.0"), PromotionPhase::Pending);
    let status = run.store.promotions["prod-shop-3.0.0"].status.clone().unwrap();
    assert_eq!(status.reason.as_deref(), Some("Evidence"));
    assert!(status.message.unwrap().contains("check errors: 0.2 is greater than 0.05"));
}

#[test]
fn passing_measurements_cost_no_write() {
    let plain = |store: &mut Store, now| environment(store, "prod", json!({}), now);
    let without = settled(plain, &[FIRST]);
    let with = settled(measured, &[FIRST]);
    let statuses = |run: &Run| {
        run.log.iter().filter(|line| line.contains("remembers") || line.contains("reports")).count()
    };
    assert_eq!(statuses(&with), statuses(&without), "{}", with.log.join("\n"));
}
