//! Runs of CronJobs that a promotion changes: a run that was created before the new schedule was written says nothing about the release.
//!
//! Invariant: the times of the runs, of the write and of the promotion are those of the API server. The write is in the live object, which
//! is read only when a run failed or was disrupted.

use crate::api::{FIELD_MANAGER, Meta};
use crate::content::ObjectKey;
use crate::content::ownership::fields::{applied_at, written_by};
use crate::decide::health::is_cron_job;
use crate::decide::world::{Live, PromotionWorld, Run, Workload};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// A promotion may have waited for days: failed runs that are older than its start by more than this are not worth a read. The own clock, which
/// says when it started, is not that of the API server, which says when a run was created.
const LONG_BEFORE: SignedDuration = SignedDuration::from_mins(15);

/// The CronJobs that the promotion writes and of which a run failed or was disrupted that may be later than the write.
pub(super) fn with_a_bad_run(world: &PromotionWorld) -> BTreeSet<ObjectKey> {
    let Some(status) = &world.promotion.status else { return BTreeSet::new() };
    let Some(started) = &status.started_at else { return BTreeSet::new() };
    let earliest = started.0.checked_sub(LONG_BEFORE).unwrap_or(Timestamp::MIN);
    let earliest = earliest.max(world.promotion.created());
    let is_bad = |run: &Run| run.failed.is_some() || !run.disruptions.is_empty();
    let is_late = |run: &Run| run.created.is_some_and(|at| at >= earliest);
    let has_one = |workload: &Workload| workload.runs.iter().any(|run| is_bad(run) && is_late(run));
    let changes = status.changes.iter().filter(|change| change.action.is_write());
    let keys = changes.filter_map(ObjectKey::of_change);
    keys.filter(is_cron_job).filter(|key| world.workloads.get(key).is_some_and(has_one)).collect()
}

/// Notes since when the runs of a schedule count. Where the write cannot be read, they count from the start of the promotion.
pub fn date_schedules(world: &mut PromotionWorld) {
    for key in with_a_bad_run(world) {
        let since = written_at(world.live.get(&key), world.promotion.revision());
        if let Some(workload) = world.workloads.get_mut(&key) {
            workload.runs_since = since;
        }
    }
}

/// When this revision was written; the end of time if it is not written yet. None if that is unknown.
fn written_at(live: Option<&Live>, revision: Option<i64>) -> Option<Timestamp> {
    match live? {
        Live::Present(live) if written_by(live) == revision => applied_at(live, FIELD_MANAGER),
        Live::Present(_) | Live::Absent => Some(Timestamp::MAX),
        Live::Refused(_) | Live::Unserved(_) | Live::Unreadable(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{ChangeAction, Disruption, FailureThresholds, Promotion};
    use crate::decide::fixture_tests::{at, project, promotion, stamp};
    use crate::decide::health::{Health, Mode, Rules, Subject, disruptions, of_all};
    use crate::decide::world::{Loaded, Plans, Tests};
    use serde_json::{Value, json};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    /// A promotion that was created at 10:00 and wrote the CronJob report as revision 2. It started at this time of its own clock.
    fn world(started: &str, live: Live, runs: &[&str]) -> PromotionWorld {
        let change = json!({ "apiVersion": "batch/v1", "kind": "CronJob", "name": "report", "action": ChangeAction::Update });
        let status =
            json!({ "phase": "Observing", "revision": 2, "startedAt": stamp(started), "changes": [change] });
        let promotion: Promotion =
            serde_json::from_value(promotion("prod-shop-1.1.0", "shop-1.1.0", json!({ "status": status })))
                .unwrap();
        let run = |created: &&str| Run {
            created: Some(at(created)),
            failed: Some("exit code 1".into()),
            ..Run::default()
        };
        let workload = Workload { runs: runs.iter().map(run).collect(), ..Workload::default() };
        let key = ObjectKey::new("batch/v1", "CronJob", "report").unwrap();
        PromotionWorld {
            project: project([]),
            promotion: Arc::new(promotion),
            content: Loaded::NotAsked,
            replaced: Loaded::NotAsked,
            plans: Plans::default(),
            live: [(key.clone(), live)].into(),
            tried: None,
            written: BTreeSet::new(),
            refused: BTreeMap::new(),
            generations: BTreeMap::new(),
            failed: BTreeMap::new(),
            rolled_out: None,
            comparing: None,
            passed: BTreeMap::new(),
            workloads: [(key, workload)].into(),
            customs: BTreeMap::new(),
            measured: BTreeMap::new(),
            tests: Tests::default(),
            epoch: 1,
        }
    }

    #[test]
    fn runs_count_from_the_write_whatever_the_own_clock_shows() {
        let entry = json!({ "manager": FIELD_MANAGER, "operation": "Apply", "time": stamp("12:00:10") });
        for started in ["11:55:00", "12:00:00", "12:05:00"] {
            for (what, runs, is_bad) in [
                ("before the promotion was created", vec!["09:59:00"], false),
                ("just before the write", vec!["11:58:00", "12:00:05"], false),
                ("after the write", vec!["11:58:00", "12:01:00"], true),
            ] {
                let live = || cron_job("2", json!([entry.clone()]));
                let mut world = world(started, live(), &runs);
                date_schedules(&mut world);
                let limits = FailureThresholds::default();
                let now = at("12:06:00");
                let rules = Rules {
                    limits: &limits,
                    before: &[],
                    awaits: &[],
                    started: at(started),
                    mode: Mode::Observe,
                    now,
                };
                let (key, workload) = world.workloads.iter().next().unwrap();
                let subject = Subject { key, workload: Some(workload), custom: None, exempt: false };
                let health = of_all(&[subject], &rules);
                assert_eq!(
                    health != Health::Healthy,
                    is_bad,
                    "runs {what}, started at {started}: {health:?}"
                );
            }
        }
    }

    /// Its pod is gone soon, so it is recorded before the run has failed.
    #[test]
    fn a_disrupted_run_is_dated_before_it_has_failed() {
        let entry = json!({ "manager": FIELD_MANAGER, "operation": "Apply", "time": stamp("12:00:10") });
        for started in ["11:55:00", "12:00:00", "12:05:00"] {
            for (created, expected) in [("11:58:00", 0), ("12:01:00", 1)] {
                let mut world = world(started, cron_job("2", json!([entry.clone()])), &[created]);
                let workload = world.workloads.values_mut().next().unwrap();
                for run in &mut workload.runs {
                    (run.failed, run.disruptions) = (None, vec![Disruption::default()]);
                }
                date_schedules(&mut world);
                let workload = world.workloads.values().next().unwrap();
                let counted = disruptions(workload, at(started)).count();
                assert_eq!(counted, expected, "created at {created}, started at {started}");
            }
        }
    }

    fn cron_job(revision: &str, managed: Value) -> Live {
        let annotations = json!({ crate::api::mark::REVISION: revision });
        Live::Present(Arc::new(
            json!({ "metadata": { "annotations": annotations, "managedFields": managed } }),
        ))
    }

    #[test]
    fn a_run_counts_from_the_time_at_which_the_api_server_applied_its_schedule() {
        let entry =
            |manager, operation, time| json!({ "manager": manager, "operation": operation, "time": time });
        let entries = json!([
            entry(FIELD_MANAGER, "Apply", "2026-11-01T00:00:10Z"),
            entry(FIELD_MANAGER, "Update", "2026-11-01T00:00:20Z"),
            entry("kubectl", "Apply", "2026-11-01T00:00:30Z"),
        ]);
        let applied = "2026-11-01T00:00:10Z".parse().ok();
        for (what, live, since) in [
            ("written", Some(cron_job("2", entries.clone())), applied),
            ("written by the revision before", Some(cron_job("1", entries)), Some(Timestamp::MAX)),
            ("written at an unknown time", Some(cron_job("2", json!([]))), None),
            ("not created yet", Some(Live::Absent), Some(Timestamp::MAX)),
            ("not read", None, None),
        ] {
            assert_eq!(written_at(live.as_ref(), Some(2)), since, "a schedule that is {what}");
        }
    }
}
