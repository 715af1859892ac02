//! Runs of CronJobs that a promotion changes: a run that was created before the new schedule was written says nothing about the release.
//!
//! Invariant: the times of the runs and of the write are both those of the API server. The write is in the live object, which is read
//! only when a run failed.

use super::desired::written_by;
use crate::api::FIELD_MANAGER;
use crate::content::ObjectKey;
use crate::content::ownership::fields::applied_at;
use crate::decide::health::is_cron_job;
use crate::decide::world::{Live, PromotionWorld, Run};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// The CronJobs that the promotion writes and of which a run failed that was created after it started.
pub(super) fn with_a_failed_run(world: &PromotionWorld) -> BTreeSet<ObjectKey> {
    let Some(status) = &world.promotion.status else { return BTreeSet::new() };
    let Some(started) = &status.started_at else { return BTreeSet::new() };
    let has_failed = |run: &Run| run.failed.is_some() && run.created.is_some_and(|at| at > started.0);
    let changes = status.changes.iter().filter(|change| change.action.is_write());
    let keys = changes.filter_map(ObjectKey::of_change);
    keys.filter(is_cron_job)
        .filter(|key| world.workloads.get(key).is_some_and(|workload| workload.runs.iter().any(has_failed)))
        .collect()
}

/// Drops the runs that were created before their schedule was written.
pub fn drop_runs_of_old_schedules(world: &mut PromotionWorld) {
    for key in with_a_failed_run(world) {
        let Some(since) = written_at(world.live.get(&key), world.promotion.revision()) else { continue };
        if let Some(workload) = world.workloads.get_mut(&key) {
            workload.runs.retain(|run| run.created.is_none_or(|at| at > since));
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
    use serde_json::{Value, json};
    use std::sync::Arc;

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
