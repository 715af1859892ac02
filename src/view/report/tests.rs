use super::delivery::{Figures, delivery};
use super::*;
use crate::api::{Promotion, PromotionPhase};
use jiff::SignedDuration;
use serde_json::{Value, json};

const NOW: &str = "2026-12-31T00:00:00Z";

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(super) fn release(name: &str, created: Timestamp, status: Value) -> Release {
    serde_json::from_value(json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": "Release",
        "metadata": { "name": name, "namespace": "shop", "uid": name, "creationTimestamp": created },
        "spec": { "application": "shop", "version": name, "source": { "environment": { "name": "dev" } } },
        "status": status,
    }))
    .unwrap()
}

pub(super) struct Made<'a> {
    pub name: String,
    pub release: &'a str,
    pub started: Timestamp,
    pub lasted: i64,
    pub spec: Value,
    pub status: Value,
}

pub(super) fn promotion(made: Made<'_>) -> Promotion {
    let finished = made.started + SignedDuration::from_secs(made.lasted);
    let mut whole = json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": "Promotion",
        "metadata": {
            "name": made.name, "namespace": "shop", "uid": made.name, "creationTimestamp": made.started,
        },
        "spec": { "release": made.release, "environment": "prod", "application": "shop" },
        "status": { "application": "shop", "startedAt": made.started, "finishedAt": finished },
    });
    for (part, more) in [("spec", made.spec), ("status", made.status)] {
        whole[part].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    }
    serde_json::from_value(whole).unwrap()
}

/// A quarter of deployments, and what its figures are by the way that it was made: each day has its own fate.
struct Quarter {
    objects: Objects,
    lead: Vec<i64>,
    recovery: Vec<i64>,
    deployments: usize,
    failed: usize,
    rework: usize,
}

impl Quarter {
    fn new() -> Self {
        let mut quarter = Self {
            objects: Objects::default(),
            lead: Vec::new(),
            recovery: Vec::new(),
            deployments: 0,
            failed: 0,
            rework: 0,
        };
        for day in 1..=90_i64 {
            // No two neighbours have the same numbers.
            let seed = day.wrapping_mul(7919) % 101;
            if seed % 3 == 0 {
                continue;
            }
            let name = format!("day-{day}");
            let started = at(NOW) - SignedDuration::from_hours(24 * day - 1);
            let created = started - SignedDuration::from_secs(600 + 60 * seed);
            let is_bad = seed % 7 == 0;
            let is_emergency = seed % 5 == 0;
            quarter.objects.releases.push(release(&name, created, json!({})));
            quarter.deployments += 1;
            quarter.failed += usize::from(is_bad);
            let lasted = 100 + seed;
            if is_bad {
                quarter.recovery.push(lasted + 5 + 40);
            } else {
                quarter.lead.push(600 + 60 * seed + lasted);
            }
            quarter.rework += usize::from(is_emergency);
            // The loop runs back in time.
            let revision = 1000 - 2 * day;
            let type_ = if is_emergency { "Emergency" } else { "Normal" };
            let phase = if is_bad { "Failed" } else { "Verified" };
            quarter.objects.promotions.push(promotion(Made {
                name: format!("prod-{name}"),
                release: &name,
                started,
                lasted,
                spec: json!({}),
                status: json!({ "phase": phase, "revision": revision, "reason": "Why", "change": { "type": type_ } }),
            }));
            if is_bad {
                quarter.objects.promotions.push(promotion(Made {
                    name: format!("prod-{name}-rollback"),
                    release: &name,
                    started: started + SignedDuration::from_secs(lasted + 5),
                    lasted: 40,
                    spec: json!({ "kind": "Rollback", "cause": "CrashLoopBackOff" }),
                    status: json!({ "phase": "Verified", "revision": revision + 1, "replaces": revision, "restores": 1 }),
                }));
            }
        }
        quarter
    }
}

fn middle(mut values: Vec<i64>) -> i64 {
    values.sort_unstable();
    let half = values.len() / 2;
    if values.len() % 2 == 1 { values[half] } else { (values[half - 1] + values[half]) / 2 }
}

#[test]
fn the_figures_of_a_quarter_are_those_that_it_was_made_with() {
    let mut quarter = Quarter::new();
    // What follows a failed deployment is rework, too, unless it is an emergency anyway.
    let mut starts: Vec<(Timestamp, bool, bool)> = quarter
        .objects
        .promotions
        .iter()
        .filter(|promotion| promotion.spec.kind == PromotionKind::Promote)
        .map(|promotion| {
            let status = promotion.status.as_ref().unwrap();
            let is_emergency = format!("{:?}", status.change).contains("Emergency");
            (status.started_at.as_ref().unwrap().0, status.phase == PromotionPhase::Failed, is_emergency)
        })
        .collect();
    starts.sort();
    quarter.rework += starts.windows(2).filter(|pair| pair[0].1 && !pair[1].2).count();
    let view = delivery(&quarter.objects, &[], 90, at(NOW));
    let [row] = view.rows.as_slice() else { panic!("{view:?}") };
    assert!(quarter.failed > 3 && quarter.deployments > 40, "the quarter is too quiet");
    assert_eq!((row.application.as_str(), row.environment.as_str()), ("shop", "prod"));
    assert_eq!(
        (row.deployments, row.failed, row.rework),
        (quarter.deployments, quarter.failed, quarter.rework)
    );
    assert_eq!(row.lead_time, Some(middle(quarter.lead)));
    assert_eq!(row.recovery_time, Some(middle(quarter.recovery)));
    assert_eq!(row.trend.iter().sum::<usize>(), quarter.deployments);
    let shares = [row.deployment_frequency * 90.0, row.change_failure_rate * row.deployments as f64];
    assert_eq!(shares.map(|it| it.round() as usize), [quarter.deployments, quarter.failed]);
}

#[test]
fn only_the_days_of_the_period_count() {
    let quarter = Quarter::new();
    let count = |days| delivery(&quarter.objects, &[], days, at(NOW)).rows.first().map(|row| row.deployments);
    let starts = |days: i64| {
        let from = at(NOW) - SignedDuration::from_hours(24 * days);
        let promoted = quarter.objects.promotions.iter();
        promoted
            .filter(|it| it.spec.kind == PromotionKind::Promote)
            .filter(|it| it.status.as_ref().unwrap().started_at.as_ref().unwrap().0 > from)
            .count()
    };
    for days in [7, 30, 90] {
        assert_eq!(count(days), Some(starts(days)), "{days} days");
    }
    assert_eq!(delivery(&quarter.objects, &["other".to_owned()], 90, at(NOW)).rows, [] as [Figures; 0]);
}

/// The history limit has deleted all promotions; their releases hold the record.
#[test]
fn the_figures_are_the_same_after_the_promotions_were_deleted() {
    let mut quarter = Quarter::new();
    let before = delivery(&quarter.objects, &[], 90, at(NOW));
    for promotion in std::mem::take(&mut quarter.objects.promotions) {
        let entry = RecordEntry::from(&promotion);
        let mut releases = quarter.objects.releases.iter_mut();
        let release =
            releases.find(|release| release.metadata.name.as_deref() == Some(&entry.release)).unwrap();
        release.status.get_or_insert_default().record.insert(entry.key(), entry);
    }
    assert_eq!(delivery(&quarter.objects, &[], 90, at(NOW)), before);
}

#[test]
fn a_report_says_who_was_waited_for_and_what_was_repaired() {
    let created = at("2026-12-01T08:00:00Z");
    let status = json!({
        "phase": "RolledBack", "message": "prod: rolled back",
        "environments": [
            { "name": "dev", "state": "NotAStage" },
            {
                "name": "prod", "state": "RolledBack", "since": "2026-12-01T13:10:00Z",
                "waits": [
                    { "gate": "Window", "seconds": 3600, "times": 2 },
                    { "gate": "Approval", "seconds": 7200, "times": 1 },
                ],
            },
            { "name": "eu", "state": "Manual", "since": "2026-12-01T14:00:00Z" },
        ],
    });
    let release = release("2.0.0", created, status);
    let failed = promotion(Made {
        name: "prod-2".to_owned(),
        release: "2.0.0",
        started: at("2026-12-01T13:00:00Z"),
        lasted: 60,
        spec: json!({ "requestedBy": { "username": "ann" } }),
        status: json!({ "phase": "Failed", "revision": 2, "reason": "OOMKilled", "message": "pod web-1" }),
    });
    let back = promotion(Made {
        name: "prod-2-rollback".to_owned(),
        release: "2.0.0",
        started: at("2026-12-01T13:01:05Z"),
        lasted: 25,
        spec: json!({ "kind": "Rollback", "cause": "OOMKilled", "reason": "pod web-1" }),
        status: json!({ "phase": "Verified", "revision": 3, "replaces": 2, "restores": 1, "version": "1.0.0" }),
    });
    let objects =
        Objects { releases: vec![release.clone()], promotions: vec![failed, back], ..Objects::default() };
    let view = report(&objects, &release, at("2026-12-01T15:00:00Z"));
    let shown: Vec<(&str, i64, i64, i64, i64)> = view
        .environments
        .iter()
        .map(|row| &row.figures)
        .map(|it| (it.environment.as_str(), it.waited_for_people, it.waited_otherwise, it.worked, it.tries))
        .collect();
    assert_eq!(shown, [("prod", 7200, 3600, 85, 1), ("eu", 3600, 0, 0, 0)]);
    let [incident] = view.incidents.as_slice() else { panic!("{view:?}") };
    assert_eq!((incident.cause.as_str(), incident.restored.as_deref()), ("OOMKilled", Some("1.0.0")));
    assert_eq!(incident.restored_at, Some(Time(at("2026-12-01T13:01:30Z"))));
    let text = view.markdown();
    for words in [
        "# shop 2.0.0: RolledBack",
        "| prod | RolledBack | 1 | - | 2h | 60m | 85s |",
        "OOMKilled: pod web-1 | 1.0.0 | 90s",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

/// What was tried next failed as well: only a verified revision restores something.
#[test]
fn a_second_failure_restores_nothing() {
    let made = |name: &str, started: &str, phase: &str, revision: i64| {
        promotion(Made {
            name: name.to_owned(),
            release: "2.0.0",
            started: at(started),
            lasted: 60,
            spec: json!({}),
            status: json!({ "phase": phase, "revision": revision, "reason": "OOMKilled" }),
        })
    };
    let release = release("2.0.0", at("2026-12-01T08:00:00Z"), json!({ "phase": "Verified" }));
    let promotions = vec![
        made("prod-2", "2026-12-01T13:00:00Z", "Failed", 2),
        made("prod-2-again", "2026-12-01T13:10:00Z", "Failed", 3),
        made("prod-2-once-more", "2026-12-01T13:20:00Z", "Verified", 4),
    ];
    let objects = Objects { releases: vec![release.clone()], promotions, ..Objects::default() };
    let view = report(&objects, &release, at("2026-12-01T15:00:00Z"));
    let restored: Vec<_> = view.incidents.iter().map(|incident| incident.restored_at.clone()).collect();
    assert_eq!(restored, vec![Some(Time(at("2026-12-01T13:21:00Z"))); 2]);
    let row = &delivery(&objects, &[], 30, at("2026-12-02T00:00:00Z")).rows[0];
    assert_eq!((row.failed, row.recovery_time), (2, Some(960)));
}

/// Releases were deleted with their records, and the history limit deleted the promotions.
#[test]
fn days_whose_promotions_are_gone_are_counted_from_the_daily_sums() {
    let made = |name: &str, started: &str, revision: i64| {
        promotion(Made {
            name: name.to_owned(),
            release: "2.0.0",
            started: at(started),
            lasted: 60,
            spec: json!({}),
            status: json!({ "phase": "Verified", "revision": revision }),
        })
    };
    let prod: crate::api::Environment = serde_json::from_value(json!({
        "apiVersion": "towpath.dev/v1alpha1", "kind": "Environment",
        "metadata": { "name": "prod", "namespace": "shop" }, "spec": { "namespace": "shop-prod" },
        "status": { "applications": [
            { "name": "api", "delivered": 4, "delivery": [{ "day": "2026-12-20", "deployments": 4 }] },
            { "name": "shop", "delivered": 7, "delivery": [
                // It is known, and one more was promoted since.
                { "day": "2026-12-30", "deployments": 1, "leadTimes": 1, "leadSeconds": 7 },
                {
                    "day": "2026-12-29", "deployments": 3, "failed": 1, "reworked": 1,
                    "leadTimes": 2, "leadSeconds": 2000, "recoveries": 1, "recoverySeconds": 90,
                },
                { "day": "2026-11-01", "deployments": 9 },
            ] },
        ] },
    }))
    .unwrap();
    let release = release("2.0.0", at("2026-12-29T08:00:00Z"), json!({ "phase": "Verified" }));
    let promotions =
        vec![made("prod-2", "2026-12-29T13:00:00Z", 6), made("prod-2-again", "2026-12-30T08:00:00Z", 7)];
    let objects =
        Objects { releases: vec![release], promotions, environments: vec![prod], ..Objects::default() };
    let view = delivery(&objects, &[], 30, at(NOW));
    let [api, shop] = view.rows.as_slice() else { panic!("{view:?}") };
    assert_eq!((api.deployments, api.lead_time, api.means), (4, None, true));
    assert_eq!((shop.deployments, shop.failed, shop.rework, shop.means), (4, 1, 1, true));
    // The known release was verified for the first time on a day that is counted from its sums.
    assert_eq!((shop.lead_time, shop.recovery_time), (Some(1000), Some(90)));
    assert_eq!(shop.trend.iter().sum::<usize>(), 4);
    let known = delivery(&objects, &["shop".to_owned()], 1, at(NOW));
    assert_eq!((known.rows[0].deployments, known.rows[0].means), (1, false));
    let text = view.table();
    assert!(format!("{text:?}").contains("~16m"), "{text:?}");
}
