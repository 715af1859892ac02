//! What follows from a failure under the rollback policy of the environment: a rollback, a hold, or nothing.
//!
//! Invariant: the name of the rollback is a function of the failed promotion, so a repeated decision creates no second one.

use super::{Scene, recalled};
use crate::api::{
    ChangeAction, Delivery, FailureAction, Meta, Promotion, PromotionKind, PromotionPhase, PromotionSpec,
    PromotionStatus, Reason, RollbackTarget,
};
use crate::decide::conditions::cut;
use crate::decide::decision::{Action, Owner};
use crate::decide::history::target::{self, default_target};
use crate::decide::moments::span;
use crate::decide::recall::{is_of_recall, no_target_left};
use crate::decide::requires::is_of_requirement;

/// What follows from a failure.
pub(super) enum Consequence {
    /// Roll back to this revision.
    RollBack(i64),
    /// Write nothing and stop automatic promotion; holds the cause.
    Hold(String),
    /// Write nothing and continue automatic promotion; holds the cause.
    Leave(String),
}

pub(super) fn consequence(scene: &Scene<'_>) -> Consequence {
    if scene.is_rollback() {
        return Consequence::Hold(
            "a failed rollback is not rolled back: promote a fixed release, or roll back to another revision with spec.toRevision"
                .into(),
        );
    }
    if scene.environment.spec.delivery == Delivery::Observed {
        return Consequence::Leave("the environment has delivery: Observed, so nothing is written".into());
    }
    if let Some(cause) = changed_nothing(scene) {
        return Consequence::Leave(cause);
    }
    match scene.policy.action {
        FailureAction::Hold => {
            return Consequence::Hold("the rollback policy has action: Hold".into());
        }
        FailureAction::Notify => {
            return Consequence::Leave("the rollback policy has action: Notify".into());
        }
        FailureAction::Rollback => {}
    }
    if budget_is_exhausted(scene) {
        let budget = &scene.policy.budget;
        return Consequence::Hold(format!(
            "the budget of {} rollbacks in {:?} is exhausted; repair this environment manually",
            budget.rollbacks,
            std::time::Duration::from(budget.period)
        ));
    }
    match revision_to_restore(scene) {
        Some(revision) if has_content_of_this(scene, revision) => Consequence::Hold(format!(
            "revision {revision} was verified with the content that failed now, so restoring it changes nothing; promote a fixed \
             release, or roll back to another revision with spec.toRevision"
        )),
        Some(revision) => match target::irreversible(&scene.lane, revision) {
            Some(promotion) => Consequence::Hold(target::irreversible_release(promotion, revision)),
            None => Consequence::RollBack(revision),
        },
        None => Consequence::Hold(no_target(scene)),
    }
}

/// Why there is no revision to roll back to, and what a person can do.
fn no_target(scene: &Scene<'_>) -> String {
    match scene.lane.recalls.is_empty() {
        true => "there is no verified revision to roll back to; repair this environment manually".into(),
        false => no_target_left(&scene.world.project, &scene.lane, &scene.world.promotion.spec.release),
    }
}

/// Whether a revision has the content that this promotion wrote.
fn has_content_of_this(scene: &Scene<'_>, revision: i64) -> bool {
    let own = scene.status.digest.clone();
    let digest = scene.lane.revision(revision).and_then(|other| other.status.as_ref()?.digest.clone());
    own.is_some() && own == digest
}

/// Why there is nothing to roll back. The changes of unverified predecessors with the same content count as changes of this promotion.
fn changed_nothing(scene: &Scene<'_>) -> Option<String> {
    let own = &scene.status;
    if writes(own) {
        return None;
    }
    let earlier = || scene.lane.here().rev().filter(|other| other.revision() < own.revision);
    let has_same_content = |other: &&Promotion| {
        own.digest.is_some() && other.status.as_ref().is_some_and(|status| status.digest == own.digest)
    };
    let is_verified = |other: &&Promotion| other.phase() == PromotionPhase::Verified;
    if let Some(verified) = earlier().filter(has_same_content).find(is_verified) {
        let revision = verified.revision().unwrap_or_default();
        return Some(format!(
            "the promotion changed nothing, and this content was verified before as revision {revision}, so nothing is rolled back"
        ));
    }
    let predecessors = earlier().take_while(|other| !is_verified(other)).filter(has_same_content);
    let is_written = predecessors.filter_map(|other| other.status.as_ref()).any(writes);
    (!is_written).then(|| "the promotion changed nothing".to_owned())
}

fn writes(status: &PromotionStatus) -> bool {
    status.changes.iter().any(|change| change.action.is_write() || change.action == ChangeAction::Delete)
}

fn revision_to_restore(scene: &Scene<'_>) -> Option<i64> {
    match scene.policy.target {
        RollbackTarget::LastVerified => default_target(&scene.lane),
        RollbackTarget::Previous => {
            let replaces = scene.status.replaces;
            match replaces {
                None => default_target(&scene.lane),
                Some(number) => scene
                    .lane
                    .revision(number)
                    .filter(|promotion| promotion.phase() == PromotionPhase::Verified)
                    .filter(|promotion| scene.lane.recall_of_target(promotion).is_none())
                    .and_then(|promotion| match scene.lane.content_of(promotion) {
                        Some(origin) => origin.revision(),
                        None => Some(0),
                    }),
            }
        }
    }
}

fn budget_is_exhausted(scene: &Scene<'_>) -> bool {
    let period = span(scene.policy.budget.period);
    let since = scene.now.checked_sub(period).unwrap_or(jiff::Timestamp::MIN);
    let own = rollback_name(scene);
    let made = scene
        .lane
        .revisions
        .iter()
        .chain(scene.lane.pending.iter())
        .filter(|promotion| promotion.spec.kind == PromotionKind::Rollback && promotion.name() != own)
        .filter(|promotion| promotion.is_automatic() && promotion.created() >= since)
        .filter(|promotion| !is_of_recall(promotion) && !is_of_requirement(promotion))
        .count();
    i64::try_from(made).unwrap_or(i64::MAX) >= i64::from(scene.policy.budget.rollbacks)
}

/// The possible names of the rollback of a promotion that failed.
pub fn rollback_names(promotion: &Promotion) -> impl Iterator<Item = String> + use<> {
    target::rollback_names(promotion, "rollback")
}

/// The name of the rollback of this promotion: the first name that no unrelated promotion has.
pub(super) fn rollback_name(scene: &Scene<'_>) -> String {
    let own = &scene.world.promotion;
    let is_unrelated = |name: &String| {
        scene.world.project.promotions.get(name).is_some_and(|other| {
            other.spec.kind != PromotionKind::Rollback
                || other.spec.environment != own.spec.environment
                || !other.is_automatic()
                || other.created() < own.created()
                || other.deleting()
                || recalled::is_without_target(other)
        })
    };
    rollback_names(own).find(|name| !is_unrelated(name)).unwrap_or_default()
}

pub(super) fn roll_back(scene: &Scene<'_>, revision: i64, reason: &Reason, message: &str) -> Action {
    Action::CreatePromotion {
        name: rollback_name(scene),
        application: scene.application.to_owned(),
        spec: Box::new(PromotionSpec {
            release: scene.world.promotion.spec.release.clone(),
            environment: scene.environment.name().into(),
            application: Some(scene.application.into()),
            kind: PromotionKind::Rollback,
            to_revision: Some(revision),
            cause: Some(cut(reason.as_str(), 64)),
            reason: Some(cut(message, 1024)),
            override_: None,
            requested_by: None,
        }),
        owner: Owner::environment(scene.environment),
    }
}
