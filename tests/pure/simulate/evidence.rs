//! What users of other release tools lived through with metrics and tests: passes that were never measured, tests that a quota kept from
//! starting, and releases that stayed verified.

use super::checks::gauge;
use super::comparison::{same_after_a_crash, same_in_any_order};
use super::hooks::with;
use super::outcomes::{promotion, release};
use super::recalls::recall;
use super::run::{Event, Run, start};
use super::scenarios::{deployment, environment, prod, settled, shop};
use super::store::Store;
use super::tests_of_releases::{of_content, reason, results, tests};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use towpath::api::{CheckReport, Environment, PromotionPhase, ReleasePhase, TestResult, Verdict};
use towpath::decide::decision::Question;
use towpath::process::measured::{Alerts, Answer};

/// Checks of one metric, which has errors from two minutes after the rollout of the image `errors`.
fn with_checks(store: &mut Store, checks: &[(&str, f64, Value)], now: Timestamp) {
    let check = |(name, max, more): &(&str, f64, Value)| {
        let query = json!({ "provider": "metrics", "query": "errors{namespace=\"$namespace\"}", "max": max });
        let mut check = json!({ "name": name, "prometheus": query });
        check.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        check
    };
    let checks: Vec<Value> = checks.iter().map(check).collect();
    store.gauge = Some(gauge);
    store.policies.insert("measured".into(), serde_json::from_value(json!({ "checks": checks })).unwrap());
    if !store.environments.contains_key("prod") {
        environment(store, "prod", json!({ "rollbackPolicyRef": "measured" }), now);
    }
}

fn reports(run: &Run, name: &str) -> Vec<CheckReport> {
    run.store.promotions[name].status.clone().unwrap().checks
}

fn again(store: &mut Store, environment: &str, now: Timestamp) {
    let spec = json!({ "release": "shop-1.0.0", "environment": environment });
    store.add_promotion("again", serde_json::from_value(spec).unwrap(), now);
}

fn created(run: &Run, test: &str) -> usize {
    let all = run.store.namespaces["shop-prod"].counts.iter();
    let of_test = all.filter(|(key, _)| key.kind() == "Job" && key.name().starts_with(test));
    of_test.map(|(_, counts)| counts.created).sum()
}

const FIRST: Event = (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now));

/// Another tool counts what it stopped as a success.
#[test]
fn a_check_that_was_cut_off_has_not_passed() {
    let checked = |store: &mut Store, now| with_checks(store, &[("errors", 0.05, json!({}))], now);
    let second: Event = (1000, "release 2.0.0", |store, now| shop(store, "2.0.0", "web-2", now));
    let newer: Event = (1150, "release 3.0.0", |store, now| shop(store, "3.0.0", "web-3", now));
    let crashes: Event = (1150, "its pods crash", |store, now| {
        let web = towpath::content::ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
        store.namespaces.get_mut("shop-prod").unwrap().break_pods(&web, now);
    });
    for (what, phase) in [(newer, PromotionPhase::Superseded), (crashes, PromotionPhase::Failed)] {
        let run = settled(checked, &[FIRST, second, what]);
        let log = run.log.join("\n");
        assert_eq!(promotion(&run, "prod-shop-2.0.0"), phase, "{log}");
        let [report] = reports(&run, "prod-shop-2.0.0").try_into().unwrap();
        assert!(report.passed > 0, "{report:?}\n{log}");
        assert_eq!(report.verdict, Some(Verdict::Inconclusive), "{report:?}\n{log}");
    }
}

/// The record of a promotion that has ended shows nothing that is still measured.
#[test]
fn a_check_that_is_removed_while_it_is_measured_is_recorded_as_saying_nothing() {
    let checked = |store: &mut Store, now| {
        with_checks(
            store,
            &[("errors", 0.005, json!({ "failureLimit": 9 })), ("other", 0.05, json!({}))],
            now,
        );
    };
    let removed: Event = (150, "the check is removed", |store, now| {
        with_checks(store, &[("other", 0.05, json!({}))], now);
    });
    let run = settled(checked, &[FIRST, removed]);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{log}");
    let verdicts = reports(&run, "prod-shop-1.0.0").into_iter().map(|report| (report.name, report.verdict));
    let expected = [("errors", Verdict::Inconclusive), ("other", Verdict::Passed)];
    assert_eq!(
        verdicts.collect::<Vec<_>>(),
        expected.map(|(name, verdict)| (name.to_owned(), Some(verdict)))
    );
    same_after_a_crash("a check that is removed", checked, &[FIRST, removed]);
}

/// `kubectl replace --force` deletes a policy and creates it again.
#[test]
fn a_release_is_not_judged_while_its_policy_is_missing() {
    let checked = |store: &mut Store, now| with_checks(store, &[("errors", 0.05, json!({}))], now);
    let second: Event = (1000, "release 2.0.0", |store, now| shop(store, "2.0.0", "errors", now));
    let deleted: Event = (1030, "the policy is deleted", |store, _| drop(store.policies.remove("measured")));
    let back: Event = (1900, "it is created again", |store, now| {
        with_checks(store, &[("errors", 0.05, json!({}))], now);
    });
    let run = Run::of(checked, &[FIRST, second, deleted, back]).until(1800);
    let log = run.log.join("\n");
    let status = run.store.promotions["prod-shop-2.0.0"].status.clone().unwrap();
    assert_eq!(status.phase, PromotionPhase::Promoting, "{log}");
    assert_eq!(status.reason.as_deref(), Some("UnknownPolicy"), "{log}");
    assert!(status.message.as_deref().unwrap().contains("create it, and the promotion goes on"), "{log}");
    let events = [FIRST, second, deleted, back];
    let run = settled(checked, &events);
    let log = run.log.join("\n");
    assert_eq!(release(&run, "2.0.0"), ReleasePhase::RolledBack, "{log}");
    same_after_a_crash("a policy that is missing for a while", checked, &events);
}

/// A user who accepts a release has seen that its test cannot run.
#[test]
fn a_release_that_is_accepted_without_evidence_runs_no_tests() {
    let tested: Event = (0, "release 1.0.0, with a test that cannot start", |store, now| {
        with(store, "1.0.0", "web", vec![of_content("checkout", "stuck", json!({}))], now);
    });
    let accepted: Event = (2000, "it is accepted", |store, now| {
        let override_ = json!({ "gates": ["Evidence"], "reason": "the test has no image" });
        let spec = json!({
            "release": "shop-1.0.0", "environment": "prod", "override": override_,
            "requestedBy": { "username": "alice" },
        });
        store.enforced = true;
        store.add_promotion("accepted", serde_json::from_value(spec).unwrap(), now);
    });
    let run = settled(prod, &[tested, accepted]);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Inconclusive, "{log}");
    assert_eq!(promotion(&run, "accepted"), PromotionPhase::Verified, "{log}");
    assert_eq!(created(&run, "checkout"), 1, "{log}");
}

/// What runs already when it is measured again is not what it is compared with.
#[test]
fn a_release_that_is_measured_again_is_compared_with_what_ran_before_it() {
    let compared = |store: &mut Store, now| {
        let query = json!({
            "provider": "metrics", "query": "errors{namespace=\"$namespace\"}", "maxRatioToBaseline": 1.5,
        });
        with_checks(store, &[("errors", 1.0, json!({ "prometheus": query, "onFailure": "Hold" }))], now);
    };
    let second: Event = (1000, "release 2.0.0", |store, now| shop(store, "2.0.0", "busy", now));
    let again: Event = (2000, "it is promoted again", |store, now| {
        let spec = json!({ "release": "shop-2.0.0", "environment": "prod" });
        store.add_promotion("again", serde_json::from_value(spec).unwrap(), now);
    });
    let run = settled(compared, &[FIRST, second, again]);
    let log = run.log.join("\n");
    for name in ["prod-shop-2.0.0", "again"] {
        assert_eq!(promotion(&run, name), PromotionPhase::Failed, "{name}\n{log}");
        let [report] = reports(&run, name).try_into().unwrap();
        assert_eq!(report.baseline.as_deref(), Some("0.01"), "{name}: {report:?}");
    }
}

/// An alert that the release caused is not one from before it because the release is promoted again.
#[test]
fn an_alert_that_is_pending_at_the_end_of_the_first_try_fails_the_next() {
    let alerts = |store: &mut Store, now| {
        let alerts = json!({ "provider": "metrics", "labels": { "namespace": "$namespace" } });
        let more = json!({ "prometheus": null, "alerts": alerts });
        with_checks(store, &[("alerts", 1.0, more)], now);
        // The alert becomes active half a minute after the first start, and fires after a quarter of an hour.
        store.gauge = Some(|question, _, now| {
            let Question::Alerts { known_before, .. } = question else { panic!("{question:?}") };
            let alert = BTreeMap::from([("alertname".to_owned(), "ErrorsHigh".to_owned())]);
            let since = |seconds: i64| start() + SignedDuration::from_secs(seconds);
            let of = |is_so: bool| if is_so { vec![alert.clone()] } else { Vec::new() };
            Ok(Answer::Alerts(Alerts {
                before: true,
                now: true,
                rules: 1,
                active: of(now >= since(30)),
                pending: of(now >= since(30) && now < since(930)),
                firing: of(now >= since(930)),
                old: of(*known_before >= since(30)),
                ..Alerts::default()
            }))
        });
    };
    let again: Event = (2000, "it is promoted again", |store, now| again(store, "prod", now));
    let run = settled(alerts, &[FIRST, again]);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Inconclusive, "{log}");
    assert_eq!(promotion(&run, "again"), PromotionPhase::Failed, "{log}");
}

/// Another tool ends when the first metric has its result.
#[test]
fn a_check_that_is_measured_late_is_waited_for() {
    let checked = |store: &mut Store, now| {
        let late = json!({ "initialDelay": "4m" });
        with_checks(store, &[("early", 1.0, json!({})), ("late", 0.05, late)], now);
    };
    let second: Event = (1000, "release 2.0.0", |store, now| shop(store, "2.0.0", "errors", now));
    let run = settled(checked, &[FIRST, second]);
    let log = run.log.join("\n");
    assert_eq!(release(&run, "1.0.0"), ReleasePhase::Verified, "{log}");
    assert_eq!(release(&run, "2.0.0"), ReleasePhase::RolledBack, "{log}");
    let failed = reports(&run, "prod-shop-2.0.0").into_iter().find(|report| report.name == "late").unwrap();
    assert_eq!((failed.verdict, failed.failed), (Some(Verdict::Failed), 1), "{log}");
}

/// Another tool finds the run of the first promotion and takes its result.
#[test]
fn a_release_that_is_promoted_again_is_tested_again() {
    let tested: Event = (0, "release 1.0.0, with a test", |store, now| {
        with(store, "1.0.0", "web", vec![of_content("checkout", "web", json!({}))], now);
    });
    let events = [tested, (1000, "it is promoted again", |store, now| again(store, "prod", now))];
    let run = settled(prod, &events);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "again"), PromotionPhase::Verified, "{log}");
    assert_eq!(created(&run, "checkout"), 2, "{log}");
    let jobs = ["prod-shop-1.0.0", "again"].map(|name| tests(&run, name)[0].job.clone());
    assert!(jobs[0].is_some() && jobs[0] != jobs[1], "{jobs:?}");
    same_after_a_crash("a release that is tested again", prod, &events);
}

/// In another tool, content that was verified once stays so when it fails its verification later.
#[test]
fn a_release_that_fails_when_it_is_promoted_again_does_not_reach_the_next_environment() {
    let line = |store: &mut Store, now| {
        environment(store, "dev", json!({}), now);
        environment(store, "prod", json!({ "after": ["dev"], "soak": "1h" }), now);
    };
    let stricter: Event =
        (1000, "dev has a test that does not pass, and 1.0.0 is promoted again", |store, now| {
            let template = deployment("smoke", "crash", None)["spec"]["template"].clone();
            let dev: &mut Environment = Arc::make_mut(store.environments.get_mut("dev").unwrap());
            dev.spec.tests =
                serde_json::from_value(json!([{ "name": "smoke", "template": template }])).unwrap();
            again(store, "dev", now);
        });
    let events = [FIRST, stricter];
    let run = settled(line, &events);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "dev-shop-1.0.0"), PromotionPhase::Verified, "{log}");
    assert_eq!(promotion(&run, "again"), PromotionPhase::Failed, "{log}");
    assert_eq!(reason(&run, "again"), "TestFailed");
    assert!(!run.store.promotions.contains_key("prod-shop-1.0.0"), "{log}");
    same_in_any_order("a release that fails when it is promoted again", line, &events);
}

/// The pods of the revision before still stop and use up the quota.
#[test]
fn a_test_waits_for_a_quota_as_long_as_the_pods_of_the_release() {
    const BRIEF: Event = (0, "release 1.0.0, and no room for a test for half a minute", |store, now| {
        store.namespaces.get_mut("shop-prod").unwrap().full_until = Some(now + SignedDuration::from_secs(36));
        with(store, "1.0.0", "web", vec![of_content("checkout", "web", json!({}))], now);
    });
    const LONG: Event = (0, "release 1.0.0, and no room for a test", |store, now| {
        store.namespaces.get_mut("shop-prod").unwrap().full_until = Some(now + SignedDuration::from_hours(1));
        with(store, "1.0.0", "web", vec![of_content("checkout", "web", json!({}))], now);
    });
    let run = Run::of(prod, &[BRIEF]).until(900);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{log}");
    assert_eq!(results(&run, "prod-shop-1.0.0"), [("checkout".into(), TestResult::Passed, 1)], "{log}");
    let run = Run::of(prod, &[LONG]).until(900);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Inconclusive, "{log}");
    let test = tests(&run, "prod-shop-1.0.0").remove(0);
    assert_eq!((test.result, test.reason.as_deref()), (TestResult::Errored, Some("FailedCreate")), "{log}");
    let took = test.finished_at.unwrap().0.duration_since(test.started_at.unwrap().0);
    assert!((60..63).contains(&took.as_secs()), "the limit of failing.createErrors\n{log}");
}

/// With the proxy of a mesh, the Job of another tool never ends.
#[test]
fn what_runs_on_beside_a_test_that_passed_is_stopped_and_the_pass_stays() {
    const MESHED: Event = (0, "release 1.0.0, with a test in a mesh", |store, now| {
        with(store, "1.0.0", "web", vec![of_content("checkout", "meshed", json!({}))], now);
    });
    let hasty = |store: &mut Store, now| {
        let policy = json!({ "observeWindow": "2s" });
        store.policies.insert("hasty".into(), serde_json::from_value(policy).unwrap());
        environment(store, "prod", json!({ "rollbackPolicyRef": "hasty" }), now);
    };
    for (setting, window) in [(prod as fn(&mut Store, Timestamp), "5m"), (hasty, "2s")] {
        let run = settled(setting, &[MESHED]);
        let log = run.log.join("\n");
        assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Verified, "{window}\n{log}");
        let test = tests(&run, "prod-shop-1.0.0").remove(0);
        assert_eq!((test.result, test.attempts), (TestResult::Passed, 1), "{log}");
        let shown = run.store.namespaces["shop-prod"].shown();
        assert_eq!(shown[&format!("Job {}", test.job.unwrap())]["spec"]["suspend"], true, "{log}");
        same_after_a_crash("a test in a mesh", setting, &[MESHED]);
    }
}

/// Its name follows from the UID of the promotion, so that a user of the namespace can know it.
#[test]
fn a_job_that_another_user_created_in_place_of_a_test_is_no_evidence() {
    const FAILS: Event = (0, "release 1.0.0, whose test does not pass", |store, now| {
        with(store, "1.0.0", "web", vec![of_content("checkout", "crash", json!({}))], now);
    });
    let run = settled(prod, &[FAILS]);
    let name = tests(&run, "prod-shop-1.0.0").remove(0).job.unwrap();
    assert_eq!(name, FORGED, "the name of the Job, for the setting below");
    let forged = |store: &mut Store, now| {
        prod(store, now);
        let template = deployment("checkout", "web", None)["spec"]["template"].clone();
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job",
            "metadata": { "name": FORGED, "annotations": { "towpath.dev/promotion": "prod-shop-1.0.0" } },
            "spec": { "template": template },
        });
        store.namespaces.get_mut("shop-prod").unwrap().place(job, "kubectl", now);
    };
    let run = settled(forged, &[FAILS]);
    let log = run.log.join("\n");
    let test = tests(&run, "prod-shop-1.0.0").remove(0);
    assert_eq!((test.result, test.reason.as_deref()), (TestResult::Errored, Some("Refused")), "{log}");
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Inconclusive, "{log}");
}

/// The Job of the test below.
const FORGED: &str = "checkout-c997afd78e";

/// Nothing of a test runs on when a person recalls its release.
#[test]
fn a_test_of_a_release_that_is_recalled_is_stopped_and_has_no_result() {
    let tested: Event = (1000, "release 2.0.0, with a test of 90 seconds", |store, now| {
        with(store, "2.0.0", "web-2", vec![of_content("checkout", "long", json!({}))], now);
    });
    let recalled: Event = (1040, "a person recalls it", |store, now| recall(store, "bad", &["2.0.0"], now));
    let run = settled(prod, &[FIRST, tested, recalled]);
    let log = run.log.join("\n");
    assert_eq!(promotion(&run, "prod-shop-2.0.0"), PromotionPhase::Failed, "{log}");
    let test = tests(&run, "prod-shop-2.0.0").remove(0);
    assert_eq!((test.result, test.reason.as_deref()), (TestResult::Errored, Some("Stopped")), "{log}");
    let shown = run.store.namespaces["shop-prod"].shown();
    assert_eq!(shown[&format!("Job {}", test.job.unwrap())]["spec"]["suspend"], true, "{log}");
}
