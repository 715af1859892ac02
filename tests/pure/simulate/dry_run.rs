//! Dry runs: what would change is recorded while the release waits, nothing is written, and nothing else happens in another way.

use super::comparison;
use super::run::{Event, Run, start};
use super::scenarios::{ALL, Scenario, environment, hold, prod, release, shop};
use super::store::Store;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;
use std::sync::Arc;
use towpath::api::{ChangeAction, Promotion, PromotionPhase, PromotionStatus};

/// Creates a dry run, without a part in the numbers of other objects.
fn ask(store: &mut Store, name: &str, release: &str, environment: &str, now: Timestamp) {
    let spec = json!({ "release": release, "environment": environment, "dryRun": true });
    let mut promotion = Promotion::new(name, serde_json::from_value(spec).unwrap());
    promotion.metadata.namespace = Some("shop".into());
    promotion.metadata.uid = Some(format!("uid of {name}"));
    promotion.metadata.generation = Some(1);
    promotion.metadata.creation_timestamp = Some(Time(Timestamp::from_second(now.as_second()).unwrap()));
    store.promotions.insert(name.to_owned(), Arc::new(promotion));
}

pub const DRY_RUN: Scenario = Scenario {
    name: "dry-run",
    about: "The second release is held, and the window of prod is closed. A dry run says all the same what it would change, and is \
            deleted an hour later. Then the release is let go.",
    setting: |store, now| {
        let windows = json!([{ "schedule": "0 9 * * *", "duration": "10m" }, { "schedule": "0 12 * * *", "duration": "1h" }]);
        environment(store, "prod", json!({ "windows": windows }), now);
    },
    events: &[
        (0, "release 1.0.0", |store, now| shop(store, "1.0.0", "web", now)),
        (1800, "release 2.0.0, held", |store, now| {
            let mut objects = super::scenarios::app("2.0.0", "web-2");
            objects.retain(|object| object["kind"] != "Service");
            release(store, "2.0.0", objects, now);
            hold(store, "shop-2.0.0", Some(true));
        }),
        (1810, "alice asks what 2.0.0 would change in prod", |store, now| {
            ask(store, "dry-run.a", "shop-2.0.0", "prod", now);
        }),
        (7200, "2.0.0 is let go", |store, _| hold(store, "shop-2.0.0", None)),
    ],
};

fn status(run: &Run, name: &str) -> PromotionStatus {
    run.store.promotions[name].status.clone().unwrap()
}

#[test]
fn a_dry_run_records_objects_and_fields_and_no_values() {
    let run = DRY_RUN.run().until(1900);
    let status = status(&run, "dry-run.a");
    assert_eq!(status.phase, PromotionPhase::Compared, "{}", run.log.join("\n"));
    assert_eq!((status.revision, status.content.as_deref(), status.replaces), (None, None, Some(1)));
    assert_eq!(status.version.as_deref(), Some("2.0.0"));
    let changes: Vec<(ChangeAction, &str, Vec<&str>)> = status
        .changes
        .iter()
        .map(|change| {
            let fields = change.fields.iter().map(|field| field.field.as_str());
            (
                change.action,
                change.kind.as_str(),
                fields.filter(|field| !field.starts_with("metadata")).collect(),
            )
        })
        .collect();
    let container = "spec.template.spec.containers[main]";
    assert_eq!(changes[0].0, ChangeAction::Create);
    assert_eq!((changes[0].1, changes[0].2.contains(&"data.version")), ("ConfigMap", true));
    assert_eq!((changes[1].0, changes[1].1), (ChangeAction::Update, "Deployment"));
    assert!(changes[1].2.contains(&format!("{container}.image").as_str()), "{changes:?}");
    assert!(!changes[1].2.contains(&"spec.replicas"), "{changes:?}");
    assert_eq!((changes[2].0, changes[2].1), (ChangeAction::Delete, "Service"));
    let record = serde_json::to_string(&status.changes).unwrap();
    assert!(!record.contains("web-2") && !record.contains("2.0.0"), "{record}");
}

#[test]
fn a_dry_run_ends_alike_after_a_crash_behind_any_write() {
    let plain = status(&DRY_RUN.run().until(1900), "dry-run.a");
    let mut judged = 0;
    let mut run = DRY_RUN.run();
    run.ends = Some(start() + SignedDuration::from_secs(1900));
    run.crash_everywhere(|writes, run| {
        let status = status(&run, "dry-run.a");
        let same = (status.phase, &status.changes, &status.refusals);
        assert_eq!(same, (plain.phase, &plain.changes, &plain.refusals), "a crash after write {writes}");
        judged += 1;
    });
    assert!(judged > 5, "{judged}");
}

/// What a dry run cannot compare ends it, with a reason.
#[test]
fn a_dry_run_that_cannot_compare_ends_with_a_reason() {
    type Case = (&'static str, fn(&mut Store, Timestamp), PromotionPhase, &'static str);
    let cases: [Case; 4] = [
        (
            "a deleted release",
            |store, now| {
                prod(store, now);
                shop(store, "1.0.0", "web", now);
                Arc::make_mut(store.releases.get_mut("shop-1.0.0").unwrap()).metadata.deletion_timestamp =
                    Some(Time(now));
            },
            PromotionPhase::Cancelled,
            "ReleaseDeleted",
        ),
        (
            "another tool deploys",
            |store, now| {
                environment(store, "prod", json!({ "delivery": "Observed" }), now);
                shop(store, "1.0.0", "web", now);
            },
            PromotionPhase::Failed,
            "Observed",
        ),
        (
            "a requester who is not recorded",
            |store, now| {
                environment(store, "prod", json!({ "promotion": "Manual" }), now);
                store.enforced = true;
                shop(store, "1.0.0", "web", now);
            },
            PromotionPhase::Failed,
            "Requester",
        ),
        (
            "overrides that match nothing that can be patched",
            |store, now| {
                let patch = json!([{ "kind": "Deployment", "name": "web", "operations": [{ "op": "remove", "path": "/spec/nothing" }] }]);
                environment(store, "prod", json!({ "overrides": { "patches": patch } }), now);
                shop(store, "1.0.0", "web", now);
            },
            PromotionPhase::Failed,
            "InvalidContent",
        ),
    ];
    for (what, setting, phase, reason) in cases {
        let run = Run::of(
            setting,
            &[(600, "alice asks", |store, now| ask(store, "dry-run.a", "shop-1.0.0", "prod", now))],
        );
        let run = run.until(1000);
        let status = status(&run, "dry-run.a");
        let log = run.log.join("\n");
        assert_eq!((status.phase, status.reason.as_deref()), (phase, Some(reason)), "{what}\n{log}");
        assert!(status.finished_at.is_some(), "{what}");
    }
}

/// No more than twenty dry runs of an environment stay.
#[test]
fn the_number_of_dry_runs_is_bounded() {
    let many: Event = (1810, "a script asks thirty times", |store, now| {
        for nth in 0..30 {
            ask(store, &format!("dry-run.{nth}"), "shop-2.0.0", "prod", now);
        }
    });
    let mut events = DRY_RUN.events.to_vec();
    events[2] = many;
    let left = |seconds: i64| {
        let run = Run::of(DRY_RUN.setting, &events).until(seconds);
        run.store.promotions.keys().filter(|name| name.starts_with("dry-run.")).count()
    };
    assert_eq!((left(1900), left(5300), left(5500)), (20, 20, 0));
}

/// Everything happens as it does without dry runs, whenever they are made.
#[test]
fn no_dry_run_changes_what_else_happens() {
    const TIMES: [i64; 9] = [1, 4, 11, 31, 66, 640, 1802, 1812, 1866];
    fn ask_everything(store: &mut Store, now: Timestamp) {
        let pairs: Vec<(String, String)> = store
            .releases
            .keys()
            .flat_map(|release| store.environments.keys().map(move |place| (release.clone(), place.clone())))
            .collect();
        for (release, place) in pairs {
            let name = format!("dry-run.{place}-{release}-{}", now.as_second());
            ask(store, &name, &release, &place, now);
        }
    }
    let with = |scenario: &Scenario, event: fn(&mut Store, Timestamp)| {
        let more = TIMES.map(|at| (at, "a moment", event));
        let mut events = [scenario.events, &more].concat();
        events.sort_by_key(|(at, ..)| *at);
        Run::of(scenario.setting, &events).settle()
    };
    for scenario in ALL {
        let plain = with(scenario, |_, _| {});
        let asked = with(scenario, ask_everything);
        let differences =
            comparison::differences(&comparison::of(&plain.store), &comparison::of(&asked.store));
        let text = differences.join("\n");
        assert!(differences.is_empty(), "{}:\n{text}\n{}", scenario.name, asked.log.join("\n"));
        let happened = |run: &Run| {
            let mut lines: Vec<String> =
                run.log.iter().filter(|line| !line.contains("dry-run.")).cloned().collect();
            lines.sort();
            lines.dedup();
            lines
        };
        assert_eq!(happened(&plain), happened(&asked), "{}", scenario.name);
    }
}
