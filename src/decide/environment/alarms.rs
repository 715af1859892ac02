//! Conditions that an environment has only while something needs attention, in addition to Ready.

use super::after_verified::Alarm;
use super::{drift, notify, overrides};
use crate::api::{
    Condition, DriftedField, Environment, EnvironmentName, Meta, Promotion, PromotionPhase, Reason,
};
use crate::decide::conditions::{condition, cut};
use crate::decide::decision::Note;
use crate::decide::gates::approvals::{Case, required_approvals, tally};
use crate::decide::history::lane::Lane;
use crate::decide::moments::earliest;
use crate::decide::world::{Admission, EnvironmentWorld, Project};
use jiff::Timestamp;
use std::sync::Arc;

/// What needs attention now.
#[derive(Debug, Default)]
pub struct Alarms {
    /// The conditions that hold.
    pub conditions: Vec<Condition>,
    /// Events for the conditions that did not hold before.
    pub notes: Vec<Note>,
    /// Messages of alarms that on-call must see at once. They are appended to the environment's message.
    pub urgent: Vec<String>,
    /// When the next condition becomes true without a change.
    pub next: Option<Timestamp>,
}

/// What was found about verified releases.
#[derive(Debug, Default)]
pub(super) struct After {
    /// Those that fail.
    pub failing: Vec<Alarm>,
    /// For each that does not: since when it is judged, and until when an earlier failure counts.
    pub calm: Vec<(Timestamp, Timestamp)>,
}

/// The alarms of an environment.
pub(super) fn alarms<'a>(
    world: &EnvironmentWorld,
    applications: impl Iterator<Item = &'a Project>,
    after: &After,
    drift: &[DriftedField],
    stored: &[Condition],
    now: Timestamp,
) -> Alarms {
    let environment = &world.environment;
    let mut alarms = Alarms::default();
    let mut raise = |type_: Reason, reason: &Reason, warning, message: String, details: Option<String>| {
        if !stored.iter().any(|condition| condition.type_ == type_.as_str()) {
            let details = details.as_ref().unwrap_or(&message);
            alarms.notes.push(Note { warning, reason: type_.clone(), message: cut(details, 900) });
        }
        let generation = environment.generation();
        alarms.conditions.push(condition(type_.as_str(), "True", reason, &message, generation, stored, now));
        if warning {
            alarms.urgent.push(message);
        }
    };
    if let Admission::Degraded(what) = &world.project.admission {
        let message =
            format!("{what}; promotions that depend on these policies do not start; rollbacks still start");
        raise(Reason::SecurityDegraded, &Reason::PoliciesChanged, true, message, None);
    }
    let (overdue, next) = overdue(environment, applications, now);
    if let Some(message) = overdue {
        raise(Reason::ApprovalOverdue, &Reason::Emergency, true, message, None);
    }
    if let Some(message) = freezes_without_environment(&world.project, now) {
        raise(Reason::FreezeIneffective, &Reason::UnknownEnvironment, true, message, None);
    }
    if let Some(message) = notify::ineffective(&world.project, environment) {
        raise(Reason::NotifyIneffective, &Reason::NotFound, true, message, None);
    }
    let (failing, calm) = failing_after_verification(after, stored);
    if let Some(Alarm { reason, message, details }) = failing {
        raise(Reason::FailingAfterVerification, &reason, true, message, Some(details));
    }
    if let Some(message) = drift::message(environment, drift) {
        raise(Reason::Drifted, &Reason::FieldsChanged, true, message, None);
    }
    if overrides_are_pending(world) {
        let message = "spec.overrides changed since the last promotion; promote the current release again to apply them";
        raise(Reason::OverridesPending, &Reason::OverridesChanged, false, message.to_owned(), None);
    }
    Alarms { next: earliest(next, calm), ..alarms }
}

/// The verified releases that fail, as one alarm. After the last of them recovered, the alarm stays until its pods were ready for a while: pods
/// that become ready and unready in turn would otherwise raise it again and again. Also returns when it ends then.
fn failing_after_verification(after: &After, stored: &[Condition]) -> (Option<Alarm>, Option<Timestamp>) {
    if let Some(first) = after.failing.first() {
        let all = |text: fn(&Alarm) -> &str| after.failing.iter().map(text).collect::<Vec<_>>().join("; ");
        let (message, details) = (all(|alarm| &alarm.message), all(|alarm| &alarm.details));
        return (Some(Alarm { reason: first.reason.clone(), message, details }), None);
    }
    let is_it = |condition: &&Condition| condition.type_ == Reason::FailingAfterVerification.as_str();
    let Some(raised) = stored.iter().find(is_it) else { return (None, None) };
    // An alarm about an earlier release ends with it.
    let own = after.calm.iter().filter(|(judged_since, _)| *judged_since <= raised.last_transition_time.0);
    let Some(until) = own.map(|(_, until)| *until).max() else { return (None, None) };
    let (reason, message) = (Reason::from(raised.reason.as_str()), raised.message.clone());
    (Some(Alarm { reason, details: message.clone(), message }), Some(until))
}

/// The first Emergency change that started before it was approved and is overdue, and when the next one becomes overdue.
fn overdue<'a>(
    environment: &Environment,
    projects: impl Iterator<Item = &'a Project>,
    now: Timestamp,
) -> (Option<String>, Option<Timestamp>) {
    let (mut message, mut next) = (None, None);
    for project in projects {
        let here = project.promotions.values().filter(|one| one.spec.environment == environment.name());
        // An approval of what was rolled back or replaced would change nothing.
        let still_matters = |promotion: &&Arc<Promotion>| {
            let runs = |application| Lane::of(project, environment, &application).runs(promotion);
            promotion.phase().is_running()
                || (promotion.phase() == PromotionPhase::Verified
                    && project.application_of(promotion).is_some_and(runs))
        };
        for promotion in here.filter(still_matters) {
            let report = promotion.status.as_ref().and_then(|status| status.approvals.as_ref());
            let Some((report, due)) = report.and_then(|report| Some((report, report.due.as_ref()?.0))) else {
                continue;
            };
            let release = project.releases.get(&promotion.spec.release);
            let Some((release, rules)) =
                release.and_then(|it| Some((it, required_approvals(project, environment, it)?)))
            else {
                continue;
            };
            let case = Case {
                environment,
                release,
                promotion_requester: promotion.requester(),
                digest: &report.of.digest,
            };
            let Some(needed) = tally(project, rules, case, now).report.needed else { continue };
            match due > now {
                true => next = earliest(next, Some(due)),
                false => {
                    message.get_or_insert_with(|| {
                        format!(
                            "{} started before it was approved, and its approval was due by {due}: {needed}",
                            release.name()
                        )
                    });
                }
            }
        }
    }
    (message, next)
}

/// The environments that a freeze names and that do not exist: the freeze does not apply to what its author meant.
fn freezes_without_environment(project: &Project, now: Timestamp) -> Option<String> {
    let lines = project.freezes.iter().filter(|freeze| freeze.to > now).filter_map(|freeze| {
        let is_unknown = |name: &&EnvironmentName| !project.environments.contains_key(*name);
        let unknown: Vec<&str> =
            freeze.environments.iter().filter(is_unknown).map(|name| name.as_str()).collect();
        let exist = if unknown.len() == 1 { "does not exist" } else { "do not exist" };
        (!unknown.is_empty()).then(|| {
            format!("{} names {}, which {exist} in this project", freeze.name, unknown.join(" and "))
        })
    });
    let lines: Vec<String> = lines.take(5).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

/// Whether the overrides changed after the last promotion started.
fn overrides_are_pending(world: &EnvironmentWorld) -> bool {
    let last = world
        .project
        .promotions
        .values()
        .filter(|promotion| promotion.spec.environment == world.environment.name())
        .filter_map(|promotion| promotion.status.as_ref())
        .filter(|status| status.overrides_digest.is_some())
        .max_by_key(|status| status.revision);
    let now = overrides::digest(world.environment.spec.overrides.as_ref());
    last.is_some_and(|status| status.overrides_digest.as_ref() != Some(&now))
}
