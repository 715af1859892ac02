//! Reports in the status of an Approval whether it counts, and why not. The approval gate does not read this status: it counts the
//! approvals itself.

use super::conditions;
use super::conditions::State;
use super::decision::Decision;
use super::gates::approvals::{Case, outcome, required_approvals};
use crate::api::{ApprovalStatus, Meta, Promotion, PromotionPhase, Reason};

use super::world::ApprovalWorld;
use jiff::Timestamp;

/// Decides about one approval.
pub fn decide(world: &ApprovalWorld, now: Timestamp) -> Decision<ApprovalStatus> {
    let approval = &world.approval;
    if approval.deleting() {
        return Decision::default();
    }
    let promotion = promotion(world);
    let is_used = promotion.is_some_and(|promotion| promotion.phase() != PromotionPhase::Pending);
    let is_reported = approval.status.as_ref().is_some_and(|status| status.observed_generation >= 0);
    let is_due = promotion.and_then(|promotion| promotion.status.as_ref()?.approvals.as_ref()?.due.as_ref());
    if is_used && is_reported && is_due.is_none() {
        // A used approval is part of the record and does not change.
        return Decision::default();
    }
    let found = counts_until(world, promotion, now);
    let stored = approval.status.clone().unwrap_or_default();
    let generation = approval.generation();
    let (state, reason, message, wake_at) = match &found {
        Ok(None) => (State::Ready, Reason::Counts, "it counts".to_owned(), None),
        Ok(Some(until)) => (State::Ready, Reason::Counts, format!("it counts until {until}"), Some(*until)),
        Err(why) => (State::Reconciling, Reason::Ignored, format!("it does not count: {why}"), None),
    };
    let mut conditions = conditions::of_state(&state, &reason, &message, generation, &stored.conditions, now);
    // An approval is never in progress, so `Reconciling` is left out.
    conditions.truncate(1);
    let status = ApprovalStatus { observed_generation: generation, conditions };
    let is_changed = approval.status.as_ref() != Some(&status);
    Decision {
        report: is_changed.then_some(status),
        wake_at: wake_at.filter(|at| *at > now),
        ..Decision::default()
    }
}

/// The newest promotion that asks for this approval.
fn promotion(world: &ApprovalWorld) -> Option<&Promotion> {
    let spec = &world.approval.spec;
    let is_same = |promotion: &&Promotion| {
        promotion.spec.release == spec.release.name && promotion.spec.environment == spec.environment.name
    };
    let asks =
        |promotion: &&Promotion| promotion.status.as_ref().is_some_and(|status| status.approvals.is_some());
    let all = world.project.promotions.values().map(AsRef::as_ref);
    all.filter(is_same).filter(asks).max_by_key(|promotion| (promotion.created(), promotion.name()))
}

/// Until when the approval counts, `None` without a limit; or why it does not count.
fn counts_until(
    world: &ApprovalWorld,
    promotion: Option<&Promotion>,
    now: Timestamp,
) -> Result<Option<Timestamp>, String> {
    let (project, spec) = (&world.project, &world.approval.spec);
    let Some(environment) = project.environments.get(&spec.environment.name) else {
        return Err(format!("spec.environment.name: there is no environment {}", spec.environment.name));
    };
    let Some(release) = project.releases.get(&spec.release.name) else {
        return Err(format!("spec.release.name: there is no release {}", spec.release.name));
    };
    let Some(rules) = required_approvals(project, environment, release) else {
        return Err(format!("{} requires no approvals of {}", environment.name(), release.name()));
    };
    let report = promotion.and_then(|promotion| promotion.status.as_ref()?.approvals.as_ref());
    let (Some(promotion), Some(report)) = (promotion, report) else {
        return Err(format!(
            "no promotion of {} to {} is pending approval",
            release.name(),
            environment.name()
        ));
    };
    let case =
        Case { environment, release, promotion_requester: promotion.requester(), digest: &report.of.digest };
    outcome(project, rules, case, &world.approval, now)
}
