//! Delivery figures of a project, as DORA defines them, per application and environment.
//!
//! ```text
//!   deployment                a promotion that started to write
//!   lead time for changes     median from the creation of the release until it was first verified
//!   change failure rate       deployments that failed or were rolled back / deployments
//!   failed deployment         median until a verified revision ran: from the start of such a deployment, or from the
//!   recovery time             request to roll back one that was verified
//!   rework rate               deployments of type Emergency, and those that follow a failed one / deployments
//! ```
//!
//! Days whose promotions are gone, with their records, are counted from the daily sums in the status of the environment.

use crate::api::{DeliveryDay, EnvironmentName, PromotionKind, RecordEntry};
use crate::decide::delivery::{impaired_since, is_first_verified, is_rework, restored_after};
use crate::decide::release::figures::length;
use crate::view::record::{Objects, promotions};
use crate::view::screen::{Cell, Table};
use crate::view::times;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

/// The bars of a sparkline, from none to the most.
const BARS: [char; 8] = ['.', '▁', '▂', '▃', '▄', '▅', '▆', '▇'];
/// Most bars of a sparkline.
const MOST_BARS: i64 = 10;

/// The figures of a project.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Start of the period.
    pub from: Timestamp,
    /// End of the period.
    pub to: Timestamp,
    /// Length of the period in days.
    pub days: i64,
    /// Whether older promotions were dropped from the record, so that some may be missing here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// One row for each application and environment with a deployment in the period.
    pub rows: Vec<Figures>,
}

/// The figures of one application in one environment.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Name of the application.
    pub application: String,
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// Number of deployments.
    pub deployments: usize,
    /// Deployments per day.
    pub deployment_frequency: f64,
    /// Median in seconds. Absent if no release with a known creation was verified.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_time: Option<i64>,
    /// Number of deployments that failed or were rolled back.
    pub failed: usize,
    /// Their share of the deployments, from 0 to 1.
    pub change_failure_rate: f64,
    /// Median in seconds. Absent if none was repaired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery_time: Option<i64>,
    /// Number of deployments that repaired something.
    pub rework: usize,
    /// Their share of the deployments, from 0 to 1.
    pub rework_rate: f64,
    /// Whether promotions of some days are gone, so that these days were counted from the daily sums of the environment. Lead time and recovery
    /// time are means then, instead of medians.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub means: bool,
    /// Deployments per bar, oldest first: at most ten bars of equal length, each of one day at least.
    pub trend: Vec<usize>,
}

/// The figures of the days before `now`. `applications`: empty for all.
pub fn delivery(objects: &Objects, applications: &[String], days: i64, now: Timestamp) -> Delivery {
    let from = now.checked_sub(SignedDuration::from_hours(24 * days)).unwrap_or(Timestamp::MIN);
    let all = promotions(objects);
    let mut lanes: BTreeMap<(String, EnvironmentName), Vec<&RecordEntry>> = BTreeMap::new();
    let is_asked_for = |application: &String| applications.is_empty() || applications.contains(application);
    for entry in &all {
        let application = entry.application.as_ref().map(ToString::to_string).filter(is_asked_for);
        if let Some(application) = application {
            lanes.entry((application, entry.environment.clone())).or_default().push(entry);
        }
    }
    let sums = sums(objects);
    for (application, environment) in sums.keys().filter(|(application, _)| is_asked_for(application)) {
        lanes.entry((application.clone(), environment.clone())).or_default();
    }
    let created: BTreeMap<&str, Timestamp> = objects
        .releases
        .iter()
        .filter_map(|release| {
            let name = release.metadata.name.as_deref()?;
            Some((name, release.metadata.creation_timestamp.as_ref()?.0))
        })
        .collect();
    let period = Period { from, to: now, days };
    // What was dropped before the sums began is in none.
    let asked = sums.iter().filter(|((application, _), _)| is_asked_for(application));
    let begin = asked.filter_map(|(_, days)| days.iter().filter_map(DeliveryDay::begins).min()).max();
    let incomplete = objects.are_incomplete() && begin.is_none_or(|begin| from < begin);
    let rows = lanes.into_iter().filter_map(|(lane, entries)| {
        let days = sums.get(&lane).copied().unwrap_or_default();
        figures(lane, &entries, days, &created, &period)
    });
    Delivery { from, to: now, days, incomplete, rows: rows.collect() }
}

/// The daily sums, by application and environment.
fn sums(objects: &Objects) -> BTreeMap<(String, EnvironmentName), &[DeliveryDay]> {
    let applications = objects.environments.iter().flat_map(|environment| {
        let applications = environment.status.iter().flat_map(|status| &status.applications);
        applications.map(|application| (environment.environment_name(), application))
    });
    applications
        .map(|(environment, it)| ((it.name.to_string(), environment), it.delivery.as_slice()))
        .collect()
}

/// The days that count.
struct Period {
    from: Timestamp,
    to: Timestamp,
    days: i64,
}

impl Period {
    fn holds(&self, at: Timestamp) -> bool {
        self.from < at && at <= self.to
    }

    /// Deployments per bar.
    fn trend(&self, starts: &[Timestamp]) -> Vec<usize> {
        let bars = self.days.clamp(1, MOST_BARS);
        let whole = length(self.from, self.to).max(1);
        let mut trend = vec![0; usize::try_from(bars).unwrap_or(1)];
        for start in starts {
            let nth = length(self.from, *start).saturating_sub(1).saturating_mul(bars) / whole;
            if let Some(bar) = usize::try_from(nth).ok().and_then(|nth| trend.get_mut(nth)) {
                *bar += 1;
            }
        }
        trend
    }
}

/// A promotion that started to write.
struct Deployment<'a> {
    entry: &'a RecordEntry,
    started: Timestamp,
    /// None if nothing was wrong with it.
    impaired_since: Option<Timestamp>,
    is_rework: bool,
}

impl<'a> Deployment<'a> {
    fn of(entry: &'a RecordEntry, lane: &[&RecordEntry]) -> Option<Self> {
        Some(Self {
            entry,
            started: entry.started_at.as_ref()?.0,
            impaired_since: impaired_since(entry, lane),
            is_rework: is_rework(entry, lane),
        })
    }
}

fn figures(
    (application, environment): (String, EnvironmentName),
    lane: &[&RecordEntry],
    days: &[DeliveryDay],
    created: &BTreeMap<&str, Timestamp>,
    period: &Period,
) -> Option<Figures> {
    let promoted = lane.iter().copied().filter(|entry| entry.kind == PromotionKind::Promote);
    let mut deployed: Vec<Deployment<'_>> =
        promoted.filter_map(|entry| Deployment::of(entry, lane)).collect();
    let lost = lost(days, &deployed, period);
    deployed.retain(|deployment| {
        let day = DeliveryDay::of(deployment.started);
        period.holds(deployment.started) && !lost.iter().any(|(lost, _)| lost.day == day)
    });
    let sum = |of: fn(&DeliveryDay) -> i32| -> usize {
        lost.iter().filter_map(|(day, _)| usize::try_from(of(day)).ok()).sum()
    };
    let count = deployed.len() + sum(|day| day.deployments);
    if count == 0 {
        return None;
    }
    let mut starts: Vec<Timestamp> = deployed.iter().map(|deployment| deployment.started).collect();
    for (day, begin) in &lost {
        starts.extend(std::iter::repeat_n(*begin, usize::try_from(day.deployments).unwrap_or_default()));
    }
    let failed = deployed.iter().filter(|deployment| deployment.impaired_since.is_some()).count()
        + sum(|day| day.failed);
    let rework = deployed.iter().filter(|deployment| deployment.is_rework).count() + sum(|day| day.reworked);
    let entries = deployed.iter().map(|deployment| deployment.entry);
    let first = entries.filter(|entry| is_first_verified(entry, lane));
    let lead = first.filter_map(|entry| {
        let created = created.get(entry.release.as_str()).filter(|at| **at <= entry.created_at.0)?;
        Some(length(*created, entry.finished_at.as_ref()?.0))
    });
    let recovery = deployed.iter().filter_map(|Deployment { entry, impaired_since, .. }| {
        Some(length((*impaired_since)?, restored_after(entry, lane)?.finished_at.as_ref()?.0))
    });
    let lead_sums = lost.iter().map(|(day, _)| (i64::from(day.lead_times), day.lead_seconds));
    let recovery_sums = lost.iter().map(|(day, _)| (i64::from(day.recoveries), day.recovery_seconds));
    Some(Figures {
        deployments: count,
        deployment_frequency: share(count, usize::try_from(period.days).unwrap_or(1)),
        lead_time: middle(lead.collect(), lead_sums),
        failed,
        change_failure_rate: share(failed, count),
        recovery_time: middle(recovery.collect(), recovery_sums),
        rework,
        rework_rate: share(rework, count),
        means: !lost.is_empty(),
        trend: period.trend(&starts),
        application,
        environment,
    })
}

/// The days of the period that began in it and had more deployments than are known, with their begin.
fn lost<'a>(
    days: &'a [DeliveryDay],
    deployed: &[Deployment<'_>],
    period: &Period,
) -> Vec<(&'a DeliveryDay, Timestamp)> {
    let known = |day: &DeliveryDay| {
        deployed.iter().filter(|deployment| DeliveryDay::of(deployment.started) == day.day).count()
    };
    let is_lost = |day: &DeliveryDay| usize::try_from(day.deployments).is_ok_and(|count| known(day) < count);
    let begun = days.iter().filter_map(|day| Some((day, day.begins()?)));
    begun.filter(|(day, begin)| period.holds(*begin) && is_lost(day)).collect()
}

/// The median of the values or, with sums of others, given as number and sum, the mean of all.
fn middle(values: Vec<i64>, sums: impl Iterator<Item = (i64, i64)>) -> Option<i64> {
    let (number, sum) = sums
        .fold((0_i64, 0_i64), |(number, sum), (more, seconds)| (number + more, sum.saturating_add(seconds)));
    if number == 0 {
        return median(values);
    }
    let (known, total) = (i64::try_from(values.len()).unwrap_or(i64::MAX), values.iter().sum::<i64>());
    total.saturating_add(sum).checked_div(known.saturating_add(number))
}

#[expect(clippy::cast_precision_loss, reason = "counts of deployments")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The middle value; of an even number, the mean of the two in the middle.
fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    let upper = *values.get(values.len() / 2)?;
    match values.len() % 2 {
        0 => Some(values.get(values.len() / 2 - 1).map_or(upper, |lower| lower.midpoint(upper))),
        _ => Some(upper),
    }
}

impl Delivery {
    /// The figures as a table.
    pub fn table(&self) -> Table {
        let headings =
            ["APPLICATION", "IN", "DEPLOYED", "LEAD TIME", "FAILED", "RECOVERY", "REWORK", "TREND"];
        let mut table = Table::new(&headings, "");
        let length = |seconds: Option<i64>| {
            seconds.map_or_else(|| "-".to_owned(), |it| times::length(SignedDuration::from_secs(it)))
        };
        let time = |seconds, means: bool| format!("{}{}", if means { "~" } else { "" }, length(seconds));
        let percent = |share: f64| format!("{:.0}%", share * 100.0);
        for row in &self.rows {
            let cells = [
                row.application.clone(),
                row.environment.to_string(),
                row.deployments.to_string(),
                time(row.lead_time, row.means && row.lead_time.is_some()),
                percent(row.change_failure_rate),
                time(row.recovery_time, row.means && row.recovery_time.is_some()),
                percent(row.rework_rate),
                sparkline(&row.trend),
            ];
            table.row(cells.iter().map(Cell::plain).collect(), "");
        }
        table
    }
}

/// One bar for each number.
fn sparkline(trend: &[usize]) -> String {
    let most = trend.iter().copied().max().unwrap_or_default().max(1);
    let bar = |count: &usize| BARS[(count * (BARS.len() - 1)).div_ceil(most).min(BARS.len() - 1)];
    trend.iter().map(bar).collect()
}
