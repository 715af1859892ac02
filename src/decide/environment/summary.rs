//! The state of a whole environment: one state, one reason, one message.

use super::lane_report::LaneReport;
use super::validate::Fault;
use crate::api::{Class, EnvironmentStatus, Meta, RECONCILING, Reason, STALLED};
use crate::decide::conditions::{State, cut, since};
use crate::decide::decision::Note;
use crate::decide::moments::later;
use crate::decide::release::PATIENCE;
use crate::decide::world::EnvironmentWorld;
use jiff::Timestamp;

/// The first that applies: a fault, work in progress, a failure, recalled content, a closed gate, or nothing to do.
pub(super) fn summary(
    world: &EnvironmentWorld,
    fault: Option<&Fault>,
    lanes: LaneReport,
    now: Timestamp,
) -> (State, Reason, String) {
    if let Some(fault) = fault {
        return (state_of_fault(world, fault, now), fault.reason.clone(), fault.message.clone());
    }
    if let Some(message) = lanes.working {
        return (State::Reconciling, Reason::Promoting, message);
    }
    if let Some((name, message)) = lanes.broken {
        return (State::Reconciling, Reason::Failed, format!("{name}: {message}"));
    }
    if let Some(message) = lanes.recalled {
        return (State::Reconciling, Reason::Recalled, message);
    }
    let has_revision = world.project.promotions.values().any(|promotion| {
        promotion.spec.environment == world.environment.name() && promotion.revision().is_some()
    });
    match (lanes.waiting, has_revision) {
        (Some(message), true) => (State::Ready, Reason::Verified, message),
        (Some(message), false) => (State::Ready, Reason::Idle, message),
        (None, true) => (State::Ready, Reason::Verified, "the last verified revision is running".into()),
        (None, false) => (State::Ready, Reason::Idle, "no release has been promoted here yet".into()),
    }
}

/// A fault of the spec becomes final after [`PATIENCE`]: until then, the object that the spec names may still be created, for example
/// when a GitOps tool applies a project in any order. A fault of the target is never final.
fn state_of_fault(world: &EnvironmentWorld, fault: &Fault, now: Timestamp) -> State {
    let stored =
        world.environment.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let first = since(stored, RECONCILING, "True").unwrap_or(now);
    let start = first.max(world.environment.created());
    let is_over = now >= later(start, PATIENCE) || since(stored, STALLED, "True").is_some();
    match fault.reason.class() == Class::Final && is_over {
        true => State::Stalled,
        false => State::Reconciling,
    }
}

/// The Event for a problem that the stored status does not report yet.
pub(super) fn event(
    before: Option<&EnvironmentStatus>,
    state: &State,
    reason: &Reason,
    message: &str,
) -> Option<Note> {
    let was = before.and_then(|status| status.conditions.first()).map(|condition| condition.reason.as_str());
    let is_news = was != Some(reason.as_str())
        && matches!(state, State::Stalled | State::Reconciling)
        && *reason != Reason::Promoting;
    is_news.then(|| Note { warning: true, reason: reason.clone(), message: cut(message, 900) })
}
