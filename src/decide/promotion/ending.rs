//! How a promotion ends: [`finish`] turns its outcome into a decision.
//!
//! Invariant: an outcome is memory, because it cannot be observed again. A failure that is rolled back does not end the promotion
//! at once: the rollback is created first, and the promotion fails when that rollback has started.

use super::consequence::{Next, consequence, next};
use super::health::found_when_verified;
use super::outcome::Outcome;
use super::{Decision, Scene, checks, hooks, note, recalled, removals, steps, test_runs, warning};
use crate::api::{
    Condition, HOLDS, Meta, Promotion, PromotionKind, PromotionPhase, PromotionStatus, Reason, StepResult,
};
use crate::decide::conditions::condition;
use crate::decide::decision::Note;

/// Ends the promotion.
pub(super) fn finish(scene: &Scene<'_>, outcome: Outcome) -> Decision {
    match outcome {
        Outcome::Verified { reason, message } => {
            if let Some(decision) = removals::before_verified(scene) {
                return decision;
            }
            let message = &removals::with_remaining(scene, &message);
            let what = if scene.is_rollback() { Reason::RolledBack } else { Reason::Verified };
            let text = format!("{}: revision {}: {message}", scene.environment.name(), scene.revision());
            let end = End { phase: PromotionPhase::Verified, reason, message };
            end.write(scene, StepResult::Passed, None).with(note(what, text))
        }
        Outcome::Superseded { by } => superseded(scene, &by),
        Outcome::Failed { reason, message } => failed(scene, reason, &message),
        Outcome::Inconclusive { reason, message } => inconclusive(scene, reason, &message),
        Outcome::Interrupted { reason, message } => test_runs::stop(scene).unwrap_or_else(|| {
            End { phase: PromotionPhase::Failed, reason, message: &message }.write(
                scene,
                StepResult::Failed,
                Some(&message),
            )
        }),
        Outcome::Refused { reason, message } => {
            let message = format!("nothing was written: {message}");
            never_started(scene, PromotionPhase::Failed, reason, &message)
        }
        Outcome::Cancelled { reason, message } => {
            never_started(scene, PromotionPhase::Cancelled, reason, &message)
        }
    }
}

/// The last status of a promotion.
struct End<'a> {
    phase: PromotionPhase,
    reason: Reason,
    message: &'a str,
}

impl End<'_> {
    fn write(self, scene: &Scene<'_>, result: StepResult, step: Option<&str>) -> Decision {
        let mut status = closed(scene, self.phase, &self.reason, result, step);
        if self.phase == PromotionPhase::Verified {
            status.exits_before = found_when_verified(scene);
        }
        let memory = scene.write(status, self.phase, &self.reason, self.message);
        Decision { memory: Some(memory), ..Decision::default() }
    }
}

/// The status of a promotion that ends now, with everything closed that was in progress.
fn closed(
    scene: &Scene<'_>,
    phase: PromotionPhase,
    reason: &Reason,
    result: StepResult,
    step: Option<&str>,
) -> PromotionStatus {
    let mut status = scene.ended_status();
    hooks::close(scene, &mut status, reason);
    test_runs::close(scene, &mut status);
    removals::record(scene, &mut status, phase);
    steps::close(&mut status, scene, result, step);
    status
}

/// Stops the hooks and tests that still run; none when nothing is left to stop.
fn stop(scene: &Scene<'_>) -> Option<Decision> {
    hooks::stop_own(scene, hooks::patience(scene)).or_else(|| test_runs::stop(scene))
}

fn never_started(scene: &Scene<'_>, phase: PromotionPhase, reason: Reason, message: &str) -> Decision {
    if let Some(decision) = test_runs::stop(scene) {
        return decision;
    }
    let mut status = scene.ended_status();
    test_runs::close(scene, &mut status);
    let memory = scene.write(status, phase, &reason, message);
    let text = format!("{}: {message}", scene.environment.name());
    Decision { memory: Some(memory), ..Decision::default() }.with(warning(Reason::PromotionRefused, text))
}

/// Ends the promotion after a later revision has started: a release as failed if that is a rollback, anything else as superseded.
fn superseded(scene: &Scene<'_>, by: &str) -> Decision {
    if let Some(decision) = test_runs::stop(scene) {
        return decision;
    }
    let later = scene.world.project.promotions.get(by);
    match later.filter(|other| other.spec.kind == PromotionKind::Rollback && !scene.is_rollback()) {
        Some(rollback) => rolled_back(scene, rollback),
        None => {
            let message = format!("the later promotion {by} started");
            End { phase: PromotionPhase::Superseded, reason: Reason::Superseded, message: &message }.write(
                scene,
                StepResult::Passed,
                Some(&message),
            )
        }
    }
}

/// Ends the promotion after its rollback has started. The spec of the rollback holds the failure, or what the user wrote.
fn rolled_back(scene: &Scene<'_>, rollback: &Promotion) -> Decision {
    let reason = rollback.spec.cause.as_deref().map_or(Reason::RolledBackManually, Reason::from);
    let restored = rollback.status.as_ref().and_then(|status| status.restores);
    let message = match (rollback.spec.reason.as_deref(), restored) {
        (Some(cause), Some(revision)) => format!("{cause}; rolled back to revision {revision}"),
        (Some(cause), None) => cause.to_owned(),
        (None, Some(revision)) => format!("rolled back manually to revision {revision}"),
        (None, None) => "rolled back manually".to_owned(),
    };
    let failure = failure(scene, &reason, &message);
    let end = End { phase: PromotionPhase::Failed, reason, message: &message };
    end.write(scene, StepResult::Failed, Some(&message)).with(failure)
}

/// Handles a failure. If the policy rolls back, the rollback is created first, and this promotion ends once it has started.
fn failed(scene: &Scene<'_>, reason: Reason, message: &str) -> Decision {
    let is_recalled = reason == Reason::Recalled;
    let follows = if is_recalled { recalled::consequence(scene) } else { consequence(&scene.failure()) };
    let (cause, holds) = match next(&scene.failure(), follows, &reason, message) {
        Next::Create(action) => return Decision { actions: vec![*action], ..Decision::default() },
        Next::Await => return Decision::default(),
        Next::Stay { cause, holds } => (cause, holds),
    };
    let text = format!("{message}; {cause}");
    if let Some(decision) = stop(scene) {
        return decision;
    }
    let mut status = closed(scene, PromotionPhase::Failed, &reason, StepResult::Failed, Some(message));
    if holds {
        status.conditions = vec![hold(scene, &reason, &text)];
    }
    let memory = scene.write(status, PromotionPhase::Failed, &reason, &text);
    Decision { memory: Some(memory), ..Decision::default() }.with(failure(scene, &reason, &text))
}

/// Ends the promotion without a verdict, and holds the environment: the lane of an unverified release waits for a person.
fn inconclusive(scene: &Scene<'_>, reason: Reason, message: &str) -> Decision {
    if let Some(decision) = stop(scene) {
        return decision;
    }
    let mut status = closed(scene, PromotionPhase::Inconclusive, &reason, StepResult::Failed, Some(message));
    status.conditions = vec![hold(scene, &reason, message)];
    let memory = scene.write(status, PromotionPhase::Inconclusive, &reason, message);
    let text = format!("{}: revision {}: {reason}: {message}", scene.environment.name(), scene.revision());
    Decision { memory: Some(memory), ..Decision::default() }.with(warning(Reason::Inconclusive, text))
}

/// The condition that stops automation in this environment.
fn hold(scene: &Scene<'_>, reason: &Reason, message: &str) -> Condition {
    condition(HOLDS, "True", reason, message, scene.world.promotion.generation(), &[], scene.now)
}

impl Scene<'_> {
    /// The status of a promotion that ends now, without what only a running one needs.
    fn ended_status(&self) -> PromotionStatus {
        let mut status = PromotionStatus {
            finished_at: Some(self.time()),
            exits_before: Vec::new(),
            waiting_since: None,
            waited_until: None,
            ..self.status.clone()
        };
        checks::close(self, &mut status);
        status
    }
}

fn failure(scene: &Scene<'_>, reason: &Reason, text: &str) -> Note {
    let what = if scene.is_rollback() { Reason::RollbackFailed } else { Reason::PromotionFailed };
    warning(what, format!("{}: revision {}: {reason}: {text}", scene.environment.name(), scene.revision()))
}
