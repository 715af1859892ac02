//! The delivery figures of an application by day, in the status of its environment.
//!
//! Invariant: a revision is counted in the write that moves `delivered` past it, so none is counted twice or left out, whatever the process does
//! in between. Revisions are counted in their order and only when they have ended, before they can be deleted: housekeeping follows the report.

use crate::api::{ApplicationStatus, DeliveryDay, EnvironmentId, LaneId, Promotion, RecordEntry};
use crate::decide::decision::Delivered;
use crate::decide::delivery::{figures, sort};
use crate::decide::history::lane::Lane;
use crate::decide::world::Project;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Most days of an application.
const MOST_DAYS: usize = 90;
/// Most days of all applications of an environment: about a hundred kilobytes.
const MOST_IN_ALL: usize = 1000;

/// Adds the revisions that ended since the stored entry was written. `applications`: how many the environment has.
pub(super) fn count(
    entry: &mut ApplicationStatus,
    stored: Option<&ApplicationStatus>,
    project: &Project,
    lane: &Lane<'_>,
    applications: usize,
) {
    let counted = stored.and_then(|stored| stored.delivered);
    entry.delivered = counted;
    entry.delivery = stored.map(|stored| stored.delivery.clone()).unwrap_or_default();
    let later = lane.revisions.iter().copied().filter(|promotion| promotion.revision() > counted);
    let ended: Vec<&Promotion> = later.take_while(|promotion| promotion.phase().is_final()).collect();
    let most = (MOST_IN_ALL / applications.max(1)).clamp(1, MOST_DAYS);
    if let Some(newest) = ended.last().and_then(|promotion| promotion.revision()) {
        entry.delivered = Some(newest);
        entry.delivery = added(&entry.delivery, &delivered(project, lane, &ended));
    }
    entry.delivery.truncate(most);
}

/// What these promotions add.
fn delivered(project: &Project, lane: &Lane<'_>, ended: &[&Promotion]) -> Vec<Delivered> {
    let mut entries: Vec<RecordEntry> =
        lane.revisions.iter().chain(&lane.pending).copied().map(RecordEntry::from).collect();
    sort(&mut entries);
    let environment = EnvironmentId { project: project.name.clone(), environment: lane.environment.clone() };
    let id = LaneId { environment, application: lane.application.clone() };
    let created = |promotion: &Promotion| project.releases.get(&promotion.spec.release)?.created;
    let uid = |promotion: &Promotion| promotion.metadata.uid.clone().unwrap_or_default();
    ended
        .iter()
        .filter_map(|promotion| figures(id.clone(), &uid(promotion), &entries, created(promotion)))
        .collect()
}

/// The days with what was delivered, newest first.
fn added(days: &[DeliveryDay], delivered: &[Delivered]) -> Vec<DeliveryDay> {
    let mut days: BTreeMap<String, DeliveryDay> =
        days.iter().map(|day| (day.day.clone(), day.clone())).collect();
    let mut change = |at: Timestamp, change: &mut dyn FnMut(&mut DeliveryDay)| {
        let day = DeliveryDay::of(at);
        change(days.entry(day.clone()).or_insert(DeliveryDay { day, ..DeliveryDay::default() }));
    };
    for one in delivered {
        if let Some((started, _)) = one.worked.filter(|_| one.is_deployment()) {
            change(started, &mut |day| {
                day.deployments = day.deployments.saturating_add(1);
                day.reworked = day.reworked.saturating_add(i32::from(one.is_rework));
                if let Some(time) = one.lead_time {
                    day.lead_times = day.lead_times.saturating_add(1);
                    day.lead_seconds = day.lead_seconds.saturating_add(seconds(time));
                }
            });
        }
        for started in &one.failed {
            change(*started, &mut |day| day.failed = day.failed.saturating_add(1));
        }
        for (started, time) in &one.recovered {
            change(*started, &mut |day| {
                day.recoveries = day.recoveries.saturating_add(1);
                day.recovery_seconds = day.recovery_seconds.saturating_add(seconds(*time));
            });
        }
    }
    days.into_values().rev().collect()
}

fn seconds(time: SignedDuration) -> i64 {
    time.as_secs().max(0)
}

#[cfg(test)]
#[path = "days_tests.rs"]
mod tests;
