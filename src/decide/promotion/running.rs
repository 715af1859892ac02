//! A promotion whose intent is recorded: it continues, is superseded, fails, or is verified.
//!
//! Invariant: it does not depend on its release any more. A release that is deleted after the start is withdrawn: no further promotion
//! of it starts, and this one ends as if the release were there. Its content is in the Content of the promotion.

use super::awaited::waits_for_a_person;
use super::observing::observe;
use super::outcome::{Outcome, Turn};
use super::rollout::roll_out;
use super::{Decision, Scene, recalled};
use crate::api::{Delivery, Meta, Promotion, PromotionPhase, Reason};
use crate::decide::consent;
use crate::decide::environment::validate::unknown_policy;
use crate::decide::moments::{later, span};
use jiff::Timestamp;

/// Decides about a promotion whose intent is recorded.
pub(super) fn decide(scene: &Scene<'_>) -> Turn {
    if let Some(newer) = superseded_by(scene) {
        return match has_soaked(scene) {
            true => Err(Outcome::Verified {
                reason: Reason::Verified,
                message: "healthy until a newer revision replaced it".into(),
            }),
            false => Err(Outcome::Superseded { by: newer }),
        };
    }
    if let Some(outcome) = target_is_gone(scene) {
        return Err(outcome);
    }
    if !scene.is_rollback() && rollback_is_pending(scene) {
        // The rollback may have written already. Its start or end requeues this promotion.
        return Ok(Decision::default());
    }
    let is_writing = scene.world.promotion.phase() == PromotionPhase::Promoting;
    if scene.environment.spec.delivery == Delivery::Observed && is_writing {
        let message = "the delivery of the environment changed to Observed during the promotion, so nothing more is written".into();
        return Err(Outcome::Interrupted { reason: Reason::Observed, message });
    }
    if let Some(decision) = recalled::ended(scene)? {
        return Ok(decision);
    }
    let wanted = match &scene.world.plans.content {
        Some(Ok(plan)) => &plan.objects,
        Some(Err(error)) => {
            return Err(Outcome::Failed { reason: Reason::InvalidContent, message: error.to_string() });
        }
        None => {
            return Err(Outcome::Failed {
                reason: Reason::ContentMissing,
                message: "the Content of this revision cannot be read".into(),
            });
        }
    };
    if let Some(missing) = scene.world.project.missing_consent(scene.environment) {
        let message = consent::message(scene.environment, missing);
        let status = waits_for_a_person(scene, scene.status.clone(), true);
        let again = Some(later(scene.now, super::RETRY));
        return Ok(scene.wait_with(status, &Reason::NotGranted, &message, again));
    }
    if let Some(fault) =
        unknown_policy(&scene.world.project, scene.environment).filter(|_| !scene.is_rollback())
    {
        // The defaults of a policy are not what this release was promised to be judged by.
        let message = format!("{}; create it, and the promotion goes on", fault.message);
        let status = waits_for_a_person(scene, scene.status.clone(), true);
        let again = Some(later(scene.now, super::RETRY));
        return Ok(scene.wait_with(status, &fault.reason, &message, again));
    }
    match rolled_out_at(scene) {
        Some(since) => observe(scene, wanted, since),
        None => roll_out(scene, wanted),
    }
}

/// Since when everything is rolled out, if that was observed. With delivery `Observed` it is the start of the promotion.
fn rolled_out_at(scene: &Scene<'_>) -> Option<Timestamp> {
    let status = &scene.status;
    let from_the_start = match scene.environment.spec.delivery {
        Delivery::Managed => None,
        Delivery::Observed => status.started_at.clone().or_else(|| Some(scene.time())),
    };
    status
        .rolled_out_at
        .as_ref()
        .map(|time| time.0)
        .or(scene.world.rolled_out)
        .or(from_the_start.map(|time| time.0))
}

/// A later revision in this lane that has started.
fn superseded_by(scene: &Scene<'_>) -> Option<String> {
    let own = scene.world.promotion.revision()?;
    scene.lane.here().find(|other| other.revision() > Some(own)).map(|other| other.name().to_owned())
}

/// Whether a rollback of this lane is pending.
fn rollback_is_pending(scene: &Scene<'_>) -> bool {
    // A user's rollback that is refused must not hide a failure of this promotion.
    let is_refused = |other: &Promotion| {
        !other.is_automatic() && other.status.as_ref().is_some_and(|status| status.refused_since.is_some())
    };
    scene.lane.waiting_rollbacks().any(|other| !is_refused(other))
}

/// Whether a release that another tool deploys was healthy for `soak`. Another tool replaces it without waiting for the observe window.
fn has_soaked(scene: &Scene<'_>) -> bool {
    match (scene.environment.spec.delivery, scene.environment.spec.soak, rolled_out_at(scene)) {
        (Delivery::Observed, Some(soak), Some(at)) => later(at, span(soak)) <= scene.now,
        (Delivery::Managed | Delivery::Observed, _, _) => false,
    }
}

/// Ends the promotion if its target namespace was deleted or recreated.
fn target_is_gone(scene: &Scene<'_>) -> Option<Outcome> {
    let facts = scene.world.project.namespace(scene.environment);
    let stored = scene.world.promotion.status.as_ref().and_then(|status| status.namespace_uid.as_deref());
    let same = facts
        .is_some_and(|facts| !facts.terminating && (stored.is_none() || stored == Some(facts.uid.as_str())));
    (!same).then(|| Outcome::Interrupted {
        reason: Reason::NamespaceDeleted,
        message: "the target namespace was deleted during the promotion".into(),
    })
}
