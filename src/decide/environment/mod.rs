//! An environment: whether its spec and target are valid, whether the namespace owner consented, which release each lane promotes
//! next, and the report of its lanes.

pub mod after_verified;
pub mod alarms;
mod days;
pub mod drift;
mod lane_report;
mod notify;
pub mod occupant;
pub mod overrides;
mod record;
mod summary;
pub mod validate;

use super::conditions;
use super::conditions::State;
use super::decision::Decision;
use super::history::housekeeping;
use super::history::lane::Lane;
use super::moments::{earliest, later};
use super::world::{EnvironmentWorld, Project};
use crate::api::{ApplicationName, EnvironmentStatus, Meta, Reason};
use alarms::{After, alarms};
use jiff::{SignedDuration, Timestamp};
use lane_report::LaneReport;
use std::collections::BTreeMap;
use summary::{event, summary};

/// Maximum number of applications in the status. Releases of further applications are promoted as well.
const MOST_APPLICATIONS: usize = 100;
/// The version of this controller.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// How long to wait before missing consent or rights are checked again.
const RETRY: SignedDuration = SignedDuration::from_secs(10);

/// Decides about one environment.
pub fn decide(world: &EnvironmentWorld, now: Timestamp) -> Decision<EnvironmentStatus> {
    let environment = &world.environment;
    if environment.deleting() {
        return Decision::default();
    }
    let fault = validate::environment(&world.project, environment, now)
        .or_else(|| validate::target(&world.project, environment));
    let applications = applications(world);
    let mut lanes = LaneReport::default();
    let mut decision = Decision::default();
    let mut status = EnvironmentStatus { ..environment.status.clone().unwrap_or_default() };
    status.applications.clear();
    let mut words = Vec::new();
    for (application, project) in &applications {
        let (mut entry, report) = lane_report::of(world, project, application, fault.is_none(), now);
        let lane = Lane::of(project, environment, application);
        words.push(record::shown(&lane, &entry));
        let reported = environment.status.iter().flat_map(|status| &status.applications);
        let before = reported.into_iter().find(|before| before.name == *application);
        days::count(&mut entry, before, project, &lane, applications.len());
        status.applications.push(entry);
        lanes.merge(report);
    }
    status.summary = (!words.is_empty()).then(|| conditions::cut(&words.join(", "), 1024));
    status.applications.truncate(MOST_APPLICATIONS);
    after_verified::record(world, &applications, &mut status.disruptions, now);
    decision.actions = std::mem::take(&mut lanes.actions);
    let (failing, calm) = (std::mem::take(&mut lanes.failing), std::mem::take(&mut lanes.calm));
    decision.actions.extend(housekeeping::trim(world, &applications));
    let (old, next) = housekeeping::dry_runs(world, now);
    decision.actions.extend(old);
    decision.wake_at = earliest(lanes.wake_at, next);
    let (state, reason, message) = summary(world, fault.as_ref(), lanes, now);
    if let (Some(_), State::Reconciling) = (&fault, &state) {
        decision.wake_at = earliest(decision.wake_at, Some(later(now, RETRY)));
    }
    status.observed_generation = environment.generation();
    status.controller_version = Some(VERSION.to_owned());
    let stored = environment.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    status.drift = drift::report(world);
    let after = After { failing, calm };
    let alarms = alarms(world, applications.values(), &after, &status.drift, stored, now);
    let message = joined(&[vec![message], alarms.urgent].concat());
    status.message = Some(conditions::cut(&message, 4096));
    let missing = world.project.missing_consent(environment);
    status.missing_consent = missing.filter(|_| reason == Reason::NotGranted).cloned();
    status.conditions =
        conditions::of_state(&state, &reason, &message, environment.generation(), stored, now);
    status.conditions.extend(alarms.conditions);
    decision.notes.extend(alarms.notes);
    decision.wake_at = earliest(decision.wake_at, alarms.next);
    decision.wake_at = earliest(decision.wake_at, drift::again(world, now));
    if environment.status.as_ref() != Some(&status) {
        decision.notes.extend(event(environment.status.as_ref(), &state, &reason, &message));
        // What is recorded cannot be observed again, and drives what follows.
        let recorded =
            environment.status.as_ref().map(|status| status.disruptions.as_slice()).unwrap_or_default();
        match recorded == status.disruptions {
            true => decision.report = Some(status),
            false => decision.memory = Some(status),
        }
    }
    decision
}

/// Applications that have a release in the project or a promotion to this environment.
fn applications(world: &EnvironmentWorld) -> BTreeMap<ApplicationName, Project> {
    let mut applications = world.project.by_application();
    applications.retain(|_, project| {
        let promoted = project.promotions.values();
        project.releases.values().any(|release| !release.deleting())
            || promoted.into_iter().any(|promotion| promotion.spec.environment == world.environment.name())
    });
    applications
}

/// Sentences in a line. One that ends with commands, each on its line, ends the line.
fn joined(parts: &[String]) -> String {
    let mut text = String::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        text.push_str(match (text.is_empty(), text.contains('\n')) {
            (true, _) => "",
            (false, true) => "\n",
            (false, false) => "; ",
        });
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests;
