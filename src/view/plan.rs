//! When a release can be in each environment, and who has to act before.
//!
//! A plan assumes that people act at once, that no promotion fails, and that each takes as long as the last ones of its application took.
//! The times are therefore the earliest.

use super::approvals::{ApprovalState, approval_state};
use super::screen::{Cell, Table};
use super::times::minute;
use super::tone::of_state;
use crate::api::{CachedRelease, Environment, EnvironmentName, PromotionPhase, Reason, ReleaseName};
use crate::decide::environment::validate::policy;
use crate::decide::gates::gate::Gate;
use crate::decide::gates::{list, opens_after};
use crate::decide::history::lane::Lane;
use crate::decide::moments::{later, span};
use crate::decide::release::stage::{At, Stage};
use crate::decide::release::stages::stages;
use crate::decide::world::Project;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

/// How many of the last promotions say how long one takes.
const SAMPLES: usize = 5;

/// The path of a release through its environments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Name of the release.
    pub release: ReleaseName,
    /// The environments that it enters, in order.
    pub steps: Vec<Step>,
}

/// A release in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// The state of the release there now.
    pub state: String,
    /// The earliest time at which its promotion starts; of one that has started, when it did. Absent if it cannot start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starts: Option<Timestamp>,
    /// The earliest time at which it is verified; of a verified one, when it was. Absent if that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<Timestamp>,
    /// What people have to do before it can start.
    pub people: Vec<String>,
    /// What decides the time of the start, or why it does not start.
    pub why: String,
}

/// The plan of a release.
pub fn plan(project: &Project, release: &CachedRelease, now: Timestamp) -> Plan {
    plan_of(&project.part(&release.application_name()), release, now)
}

/// The plan of a release. The project has only the application of the release.
pub(super) fn plan_of(project: &Project, release: &CachedRelease, now: Timestamp) -> Plan {
    let mut ends: BTreeMap<&EnvironmentName, Option<Timestamp>> = BTreeMap::new();
    let mut steps = Vec::new();
    let status = release.status().unwrap_or_default();
    let stages = stages(project, release, &status, now);
    for stage in stages.iter().filter(|stage| !stage.is_skipped()) {
        let Some((name, environment)) = project.environments.get_key_value(&stage.name) else {
            continue;
        };
        let step = step(project, release, environment, stage, &ends, now);
        ends.insert(name, step.verified);
        steps.push(step);
    }
    Plan { release: release.release_name(), steps }
}

fn step(
    project: &Project,
    release: &CachedRelease,
    environment: &Environment,
    stage: &Stage,
    ends: &BTreeMap<&EnvironmentName, Option<Timestamp>>,
    now: Timestamp,
) -> Step {
    let lane = Lane::of(project, environment, &release.application_name());
    let takes = usual_length(project, environment, &lane);
    let started = lane.latest(release).and_then(|promotion| promotion.status.as_ref()?.started_at.as_ref());
    let started = started.map(|time| time.0);
    let step = Step {
        environment: environment.environment_name(),
        state: stage.state().to_string(),
        starts: started,
        verified: None,
        people: Vec::new(),
        why: stage.message.clone(),
    };
    match &stage.at {
        At::Promotion(PromotionPhase::Verified) => Step { verified: lane.verified_at(release), ..step },
        At::InProgress | At::Promotion(PromotionPhase::Promoting | PromotionPhase::Observing) => {
            let starts = started.unwrap_or(now);
            Step { starts: Some(starts), verified: Some(later(starts, takes).max(now)), ..step }
        }
        At::Gate(_) | At::Blocked(_) | At::Promotion(PromotionPhase::Pending) => {
            let people = people(project, environment, release, now);
            match earliest_start(project, environment, release, ends, now) {
                Ok((starts, why)) => {
                    let verified = Some(later(starts, takes));
                    Step { starts: Some(starts), verified, people, why, ..step }
                }
                Err(why) => Step { starts: None, people, why, ..step },
            }
        }
        At::Skipped(_)
        | At::RollingBack
        | At::RolledBack
        | At::Recalled
        | At::RollbackFailed
        | At::Superseded(_)
        | At::Promotion(
            PromotionPhase::Failed
            | PromotionPhase::Inconclusive
            | PromotionPhase::Superseded
            | PromotionPhase::Cancelled
            | PromotionPhase::Compared,
        ) => step,
    }
}

/// When the gates of time let the release start, and which of them decides; or why there is no such time.
fn earliest_start(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    ends: &BTreeMap<&EnvironmentName, Option<Timestamp>>,
    now: Timestamp,
) -> Result<(Timestamp, String), String> {
    let soak = environment.spec.soak.map(span).unwrap_or_default();
    let (mut from, mut why) = (now, "as soon as nothing else is missing".to_owned());
    for before in &environment.spec.after {
        let end = ends.get(before).copied().flatten();
        let Some(end) = end else { return Err(format!("it is not known when it is verified in {before}")) };
        let soaked = later(end, soak);
        if soaked > from {
            from = soaked;
            why = match soak.is_zero() {
                true => format!("once it is verified in {before}"),
                false => format!("once it has soaked in {before}"),
            };
        }
    }
    let starts = match opens_after(project, environment, release, from) {
        Gate::Open => from,
        Gate::Closed { gate, until: Some(at), .. } => {
            why = format!("the gate {gate} opens then");
            at
        }
        Gate::Closed { message, until: None, .. } | Gate::Never { message, .. } => return Err(message),
    };
    let deadline = release.change.as_ref().and_then(|change| change.deadline.as_ref());
    match deadline.filter(|deadline| deadline.0 <= starts) {
        Some(deadline) => Err(format!(
            "it could start at {starts} at the earliest, and spec.change.deadline is {}",
            deadline.0
        )),
        None => Ok((starts, why)),
    }
}

/// What people have to do: the closed gates that do not open with time, and the missing approvals.
fn people(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    now: Timestamp,
) -> Vec<String> {
    let lane = Lane::of(project, environment, &release.application_name());
    let promotion = lane.latest(release).filter(|promotion| promotion.phase() == PromotionPhase::Pending);
    let closed = list(project, environment, release, promotion, now).into_iter();
    let mut needed: Vec<String> = closed
        .filter(|listed| !listed.overridden)
        .filter_map(|listed| match listed.state {
            Gate::Closed { gate, message, .. } if gate != Reason::Order && !gate.opens_by_itself() => {
                Some(format!("{gate}: {message}"))
            }
            Gate::Closed { .. } | Gate::Open | Gate::Never { .. } => None,
        })
        .collect();
    if let Some(fault) = crate::decide::environment::validate::target(project, environment) {
        needed.push(format!("{}: {}", fault.reason, fault.message));
    }
    if let ApprovalState::Missing(missing) | ApprovalState::Required(missing) =
        approval_state(project, environment, release, promotion)
    {
        needed.push(format!("{}: {missing}", Reason::Approval));
    }
    needed
}

/// How long a promotion takes: the median of the last verified ones, and at least the observe window.
fn usual_length(project: &Project, environment: &Environment, lane: &Lane<'_>) -> SignedDuration {
    let verified = lane.here().rev().filter(|promotion| promotion.phase() == PromotionPhase::Verified);
    let lengths = verified.filter_map(|promotion| {
        let status = promotion.status.as_ref()?;
        Some(status.finished_at.as_ref()?.0.duration_since(status.started_at.as_ref()?.0))
    });
    let mut lengths: Vec<SignedDuration> = lengths.take(SAMPLES).collect();
    lengths.sort_unstable();
    let median = lengths.get(lengths.len() / 2).copied().unwrap_or_default();
    median.max(span(policy(project, environment).observe_window))
}

impl Plan {
    /// The plan as a table.
    pub fn table(&self) -> Table {
        let mut table =
            Table::new(&["ENVIRONMENT", "STATE", "STARTS (UTC)", "VERIFIED (UTC)"], "WHAT IT NEEDS");
        for step in &self.steps {
            let time = |at: Option<Timestamp>| match at {
                Some(at) => minute(at).trim_end_matches(" UTC").to_owned(),
                None => "-".to_owned(),
            };
            let needs = match step.people.is_empty() {
                true => step.why.clone(),
                false => format!("{}; {}", step.people.join("; "), step.why),
            };
            let cells = vec![
                Cell::plain(&step.environment),
                Cell::toned(&step.state, of_state(&step.state)),
                Cell::plain(time(step.starts)),
                Cell::plain(time(step.verified)),
            ];
            table.row(cells, needs);
        }
        table
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
