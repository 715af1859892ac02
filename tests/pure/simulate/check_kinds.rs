//! Alerts, HTTP answers and objects decide about whole releases as queries do.

use super::checks::{LATE_ERRORS, SILENT, gauge};
use super::comparison::same_after_a_crash;
use super::outcomes::{promotion, release};
use super::run::{Event, Run};
use super::scenarios::{environment, settled, shop};
use super::store::Store;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use towpath::api::{CheckReport, PromotionPhase, ReleasePhase, Verdict};

type Setting = fn(&mut Store, Timestamp);

const ALERTS: usize = 0;
const HTTP: usize = 1;

/// Each kind: its name, a check that decides, and one that does not.
const KINDS: [(&str, Setting, Setting); 3] = [
    ("alerts", setting::<ALERTS, false>, setting::<ALERTS, true>),
    ("http", setting::<HTTP, false>, setting::<HTTP, true>),
    ("object", setting::<2, false>, setting::<2, true>),
];

fn setting<const KIND: usize, const DRY: bool>(store: &mut Store, now: Timestamp) {
    let check: Value = match KIND {
        ALERTS => json!({ "alerts": { "provider": "metrics", "labels": { "namespace": "$namespace" } } }),
        HTTP => json!({ "http": { "provider": "status", "json": { "path": "$.state", "value": "good" } } }),
        _ => json!({ "object": {
            "apiVersion": "v1", "kind": "ConfigMap", "name": "state", "compare": { "path": "$.data.state", "value": "good" },
        } }),
    };
    let mut whole = json!({ "name": "it", "dryRun": DRY });
    whole.as_object_mut().unwrap().append(&mut check.as_object().unwrap().clone());
    store.gauge = Some(gauge);
    store.policies.insert("measured".into(), serde_json::from_value(json!({ "checks": [whole] })).unwrap());
    environment(store, "prod", json!({ "rollbackPolicyRef": "measured" }), now);
}

fn report(run: &Run, name: &str) -> CheckReport {
    run.store.promotions[name].status.clone().unwrap().checks.first().cloned().unwrap_or_default()
}

#[test]
fn every_kind_of_check_passes_and_fails_a_release() {
    for (kind, setting, _) in KINDS {
        let run = settled(setting, &LATE_ERRORS);
        let text = run.log.join("\n");
        let passed = report(&run, "prod-shop-1.0.0");
        assert_eq!((passed.verdict, passed.failed), (Some(Verdict::Passed), 0), "{kind}\n{text}");
        assert_eq!(report(&run, "prod-shop-2.0.0").verdict, Some(Verdict::Failed), "{kind}\n{text}");
        assert_eq!(release(&run, "2.0.0"), ReleasePhase::RolledBack, "{kind}\n{text}");
    }
}

#[test]
fn no_kind_of_check_rolls_back_what_it_cannot_measure_or_what_says_nothing() {
    let dark: [Event; 1] = [(0, "release 1.0.0", |store, now| shop(store, "1.0.0", "dark", now))];
    for (kind, setting, _) in KINDS {
        for (events, name, verdict) in [
            (&SILENT[..], "prod-shop-2.0.0", Verdict::Inconclusive),
            (&dark[..], "prod-shop-1.0.0", Verdict::Errored),
        ] {
            let run = settled(setting, events);
            let text = run.log.join("\n");
            assert_eq!(promotion(&run, name), PromotionPhase::Inconclusive, "{kind}\n{text}");
            assert_eq!(report(&run, name).verdict, Some(verdict), "{kind}\n{text}");
            assert!(!run.store.promotions.keys().any(|name| name.ends_with("-rollback")), "{kind}\n{text}");
        }
    }
}

#[test]
fn no_kind_of_check_in_a_dry_run_decides() {
    for (kind, _, dry) in KINDS {
        let run = settled(dry, &LATE_ERRORS);
        assert_eq!(release(&run, "2.0.0"), ReleasePhase::Verified, "{kind}\n{}", run.log.join("\n"));
        assert_eq!(report(&run, "prod-shop-2.0.0").verdict, Some(Verdict::Failed), "{kind}");
    }
}

#[test]
fn crashes_change_nothing_about_any_kind_of_check() {
    for (kind, setting, _) in KINDS {
        same_after_a_crash(kind, setting, &LATE_ERRORS);
    }
}

/// The object of a gate that stays closed for hours does not change: it is read less and less often.
#[test]
fn a_closed_gate_reads_an_unchanged_object_at_most_every_five_minutes() {
    let before = |store: &mut Store, now| {
        setting::<2, false>(store, now);
        let policy = json!({ "checks": [{
            "name": "it", "when": "Before", "object": {
                "apiVersion": "v1", "kind": "ConfigMap", "name": "state", "compare": { "path": "$.data.state", "value": "never" },
            },
        }] });
        store.policies.insert("measured".into(), serde_json::from_value(policy).unwrap());
    };
    let events: [Event; 1] = [(0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now))];
    let hours = SignedDuration::from_hours(4).as_secs();
    let run = Run::of(before, &events).until(hours);
    assert_eq!(promotion(&run, "prod-shop-1.0.0"), PromotionPhase::Pending);
    let reads = run.log.iter().filter(|line| line.contains("measures it")).count();
    assert!((40..=60).contains(&reads), "{reads} reads in four hours\n{}", run.log.join("\n"));
}

/// A check of a Service that the release does not have, or of a port that it does not have.
fn of_service<const IS_THERE: bool>(store: &mut Store, now: Timestamp) {
    setting::<HTTP, false>(store, now);
    let (name, port) = if IS_THERE { ("web", 81) } else { ("gone", 80) };
    let policy = json!({ "checks": [{
        "name": "it", "http": { "service": { "name": name, "port": port }, "path": "/", "status": 200 },
    }] });
    store.policies.insert("measured".into(), serde_json::from_value(policy).unwrap());
}

/// What is known before the first write is not found out after the rollout.
#[test]
fn a_check_of_a_service_that_the_release_does_not_have_is_refused_before_anything_is_written() {
    let settings: [(Setting, &str); 2] = [
        (of_service::<false>, "http.service names gone, which is no Service of the release"),
        (of_service::<true>, "Service web has no port 81"),
    ];
    for (setting, says) in settings {
        let events: [Event; 1] = [(0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now))];
        let run = Run::of(setting, &events).until(5);
        let log = run.log.join("\n");
        let status = run.store.promotions["prod-shop-1.0.0"].status.clone().unwrap();
        assert_eq!(status.reason.as_deref(), Some("CheckRefused"), "{log}");
        assert!(status.message.unwrap().contains(says), "{log}");
        assert!(!log.contains("applies "), "{log}");
    }
}
