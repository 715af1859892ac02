//! An environment: is it sound, is there consent, which release comes next in each lane; and the report of its lanes.

pub mod alarms;
pub mod overrides;
pub mod validate;

use super::conditions;
use super::conditions::{State, since};
use super::decision::{Action, Decision, Note, Owner};
use super::gates::calendar::deadline;
use super::gates::gate::Gate;
use super::gates::{candidate, opens_at, waits_at};
use super::history::housekeeping;
use super::history::lane::Lane;
use super::moments::{earliest, later};
use super::world::{EnvironmentWorld, Project};
use crate::api::ApplicationName;
use crate::api::Meta;
use crate::api::{
    ApplicationStatus, Class, EnvironmentStatus, GateReport, Promotion, PromotionKind, PromotionPhase,
    PromotionSpec, RECONCILING, Reason, RevisionRecord, RevisionRef, STALLED,
};
use alarms::alarms;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;
use validate::Fault;

/// What the status has room for; the others are led all the same.
const MOST_APPLICATIONS: usize = 100;
/// How soon missing consent is asked for again.
const RETRY: SignedDuration = SignedDuration::from_secs(10);

/// Decides about one environment.
pub fn decide(world: &EnvironmentWorld, now: Timestamp) -> Decision<EnvironmentStatus> {
    let environment = &world.environment;
    if environment.deleting() {
        return Decision::default();
    }
    let mut decision = Decision::default();
    let mut status = EnvironmentStatus { ..environment.status.clone().unwrap_or_default() };
    status.applications.clear();
    let fault = validate::environment(&world.project, environment, now)
        .or_else(|| validate::target(&world.project, environment));
    let mut words = Vec::new();
    let mut working: Option<String> = None;
    let mut waiting: Option<String> = None;
    let mut broken: Option<(String, String)> = None;
    let applications = applications(world);
    for (application, project) in &applications {
        let lane = Lane::of(project, environment, application);
        let mut entry = entry(&lane, application);
        let next = candidate(project, environment, &lane, now);
        if let Some((release, gate)) = next {
            match gate {
                Gate::Open if fault.is_none() => {
                    if let Some((name, action)) = promote(world, &lane, release.name(), application) {
                        decision.actions.push(action);
                        working.get_or_insert_with(|| in_progress(&name));
                        entry.active = Some(name);
                    }
                }
                // Captured in a moment, and no gate that a person could open.
                Gate::Closed { gate: Reason::Content, .. } => {}
                Gate::Open | Gate::Never { .. } => {}
                Gate::Closed { gate, message, until } => {
                    decision.wake_at = earliest(decision.wake_at, earliest(until, deadline(release, now)));
                    if gate == Reason::Requester {
                        // Rights are not watched.
                        decision.wake_at = earliest(decision.wake_at, Some(later(now, RETRY)));
                    }
                    waiting.get_or_insert_with(|| format!("{} waits: {gate}: {message}", release.name()));
                    entry.waiting = Some(GateReport {
                        release: release.name().into(),
                        gate: gate.to_string(),
                        message: conditions::cut(&message, 2048),
                        until: until.map(|at| Time(conditions::seconds(at))),
                    });
                }
            }
        }
        let open = |promotion: &&Promotion| !promotion.phase().is_final();
        let pending = lane.pending.iter().rev().copied().find(open);
        if let Some((promotion, gate)) = pending.and_then(|promotion| Some((promotion, waits_at(promotion)?)))
        {
            let message =
                promotion.status.as_ref().and_then(|status| status.message.clone()).unwrap_or_default();
            waiting.get_or_insert_with(|| format!("{} waits: {gate}: {message}", promotion.spec.release));
            entry.waiting = Some(GateReport {
                release: promotion.spec.release.clone(),
                gate: gate.to_string(),
                message: conditions::cut(&message, 2048),
                until: project
                    .releases
                    .get(&promotion.spec.release)
                    .and_then(|release| opens_at(project, environment, release, promotion, now))
                    .map(|at| Time(conditions::seconds(at))),
            });
        }
        if let Some(active) =
            lane.running().or_else(|| pending.filter(|promotion| waits_at(promotion).is_none()))
        {
            entry.active = Some(active.name().to_owned());
            let waits = active.status.as_ref().filter(|status| status.phase == PromotionPhase::Pending);
            let why = waits.and_then(|status| status.message.as_ref());
            working.get_or_insert_with(|| match why {
                Some(message) => format!("{}: {message}", active.name()),
                None => in_progress(active.name()),
            });
        }
        if let Some(bad) = lane.current().filter(|promotion| is_broken(promotion)) {
            let message = bad.status.as_ref().and_then(|status| status.message.clone()).unwrap_or_default();
            broken.get_or_insert((bad.name().to_owned(), message));
        }
        words.push(word(&entry));
        status.applications.push(entry);
    }
    status.applications.truncate(MOST_APPLICATIONS);
    status.summary = (!words.is_empty()).then(|| conditions::cut(&words.join(", "), 1024));
    decision.actions.extend(housekeeping::trim(world, &applications));
    let (state, reason, message) = summary(world, fault.as_ref(), broken, working, waiting, now);
    if let (Some(_), State::Reconciling) = (&fault, &state) {
        decision.wake_at = earliest(decision.wake_at, Some(later(now, RETRY)));
    }
    status.observed_generation = environment.generation();
    let stored = environment.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let alarms = alarms(world, applications.values(), stored, now);
    let message = [vec![message], alarms.urgent].concat().join("; ");
    status.message = Some(conditions::cut(&message, 4096));
    status.conditions =
        conditions::of_state(&state, &reason, &message, environment.generation(), stored, now);
    status.conditions.extend(alarms.conditions);
    decision.notes.extend(alarms.notes);
    decision.wake_at = earliest(decision.wake_at, alarms.next);
    if environment.status.as_ref() != Some(&status) {
        decision.notes.extend(note(environment.status.as_ref(), &state, &reason, &message));
        decision.report = Some(status);
    }
    decision
}

/// The same from the creation of a promotion to its end: the steps stand in its own status.
fn in_progress(promotion: &str) -> String {
    format!("{promotion} is under way")
}

/// A failed promotion that stayed, or a rollback that did not help.
fn is_broken(promotion: &Promotion) -> bool {
    promotion.phase() == PromotionPhase::Failed
}

/// Applications that have a release in the project or a promotion here.
fn applications(world: &EnvironmentWorld) -> BTreeMap<ApplicationName, Project> {
    let mut applications = world.project.by_application();
    applications.retain(|_, project| {
        let promoted = project.promotions.values();
        project.releases.values().any(|release| !release.deleting())
            || promoted.into_iter().any(|promotion| promotion.spec.environment == world.environment.name())
    });
    applications
}

fn promote(
    world: &EnvironmentWorld,
    lane: &Lane<'_>,
    release: &str,
    application: &str,
) -> Option<(String, Action)> {
    // A rollback that goes on, or is about to, comes first; it wakes this environment when it ends.
    let rolls_back = lane.pending.iter().chain(lane.revisions.iter()).any(|other| {
        other.spec.kind == PromotionKind::Rollback && !other.phase().is_final() && !other.deleting()
    });
    if rolls_back {
        return None;
    }
    let environment = &world.environment;
    let mut name = format!("{}-{release}", environment.name());
    if world.project.promotions.contains_key(&name) {
        name = format!("{name}-{}", lane.next_revision());
    }
    let action = Action::CreatePromotion {
        name: name.clone(),
        application: application.to_owned(),
        spec: Box::new(PromotionSpec {
            release: release.into(),
            environment: environment.name().into(),
            application: Some(application.into()),
            kind: PromotionKind::Promote,
            to_revision: None,
            reason: None,
            override_: None,
            requested_by: None,
            cause: None,
        }),
        owner: Owner::environment(environment),
    };
    Some((name, action))
}

fn entry(lane: &Lane<'_>, application: &str) -> ApplicationStatus {
    let reference = |promotion: &Promotion| -> Option<RevisionRef> {
        let origin = lane.content_of(lane.revision(promotion.revision()?)?);
        Some(RevisionRef {
            revision: promotion.revision()?,
            version: origin.and_then(|origin| origin.status.as_ref()?.version.clone()),
            release: origin.map(|origin| origin.spec.release.clone()),
        })
    };
    // What runs is what ended last; a promotion that goes on is told as active.
    let current = lane.here().rev().find(|promotion| promotion.phase().is_final());
    let number = current.and_then(Promotion::revision);
    let previous = lane.here().rev().find(|promotion| promotion.revision() < number);
    let record = |promotion: &&Promotion| -> Option<RevisionRecord> {
        let status = promotion.status.as_ref().filter(|status| status.phase.is_final())?;
        Some(RevisionRecord {
            revision: status.revision?,
            promotion: promotion.name().to_owned(),
            release: promotion.spec.release.clone(),
            digest: status.digest.clone(),
            outcome: match promotion.spec.kind {
                PromotionKind::Promote => status.phase.as_str().to_owned(),
                PromotionKind::Rollback => match status.restores {
                    Some(number) => format!("Rollback to {number}: {}", status.phase.as_str()),
                    None => format!("Rollback: {}", status.phase.as_str()),
                },
            },
            started_at: status.started_at.clone(),
            finished_at: status.finished_at.clone(),
        })
    };
    ApplicationStatus {
        name: application.to_owned(),
        current: current.and_then(reference),
        previous: previous.and_then(reference),
        last_verified: lane.last_verified().and_then(reference),
        active: None,
        waiting: None,
        history: lane.revisions.iter().rev().filter_map(record).take(60).collect(),
    }
}

/// `shop 1.4.0 (r3)`.
fn word(entry: &ApplicationStatus) -> String {
    match &entry.current {
        None => format!("{} -", entry.name),
        Some(current) => {
            format!(
                "{} {} (r{})",
                entry.name,
                current.version.as_deref().unwrap_or("baseline"),
                current.revision
            )
        }
    }
}

fn summary(
    world: &EnvironmentWorld,
    fault: Option<&Fault>,
    broken: Option<(String, String)>,
    working: Option<String>,
    waiting: Option<String>,
    now: Timestamp,
) -> (State, Reason, String) {
    let stored =
        world.environment.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    if let Some(fault) = fault {
        // What somebody else may still create is not final for a while.
        let first = since(stored, RECONCILING, "True").unwrap_or(now);
        let is_spec = fault.reason.class() == Class::Final;
        let start = first.max(world.environment.created());
        let final_ = is_spec
            && (now >= later(start, super::release::PATIENCE) || since(stored, STALLED, "True").is_some());
        let state = if final_ { State::Stalled } else { State::Reconciling };
        return (state, fault.reason.clone(), fault.message.clone());
    }
    if let Some(message) = working {
        return (State::Reconciling, Reason::Promoting, message);
    }
    if let Some((name, message)) = broken {
        return (State::Reconciling, Reason::Failed, format!("{name}: {message}"));
    }
    let runs = world.project.promotions.values().any(|promotion| {
        promotion.spec.environment == world.environment.name() && promotion.revision().is_some()
    });
    match (waiting, runs) {
        (Some(message), true) => (State::Ready, Reason::Verified, message),
        (Some(message), false) => (State::Ready, Reason::Idle, message),
        (None, true) => (State::Ready, Reason::Verified, "runs what was last verified".into()),
        (None, false) => (State::Ready, Reason::Idle, "nothing has been put here yet".into()),
    }
}

fn note(before: Option<&EnvironmentStatus>, state: &State, reason: &Reason, message: &str) -> Option<Note> {
    let was = before.and_then(|status| status.conditions.first()).map(|condition| condition.reason.as_str());
    let is_news = was != Some(reason.as_str())
        && matches!(state, State::Stalled | State::Reconciling)
        && *reason != Reason::Promoting;
    is_news.then(|| Note { warning: true, reason: reason.clone(), message: conditions::cut(message, 900) })
}

#[cfg(test)]
mod tests;
