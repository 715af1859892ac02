//! What a failure leads to, by the policy of the environment: a rollback, a hold, or nothing. And the rollback's name, which is
//! the same whenever it is asked for.

use super::Scene;
use super::start::default_target;
use crate::api::Meta;
use crate::api::{
    Change, ChangeAction, Delivery, FailureAction, Promotion, PromotionKind, PromotionPhase, PromotionSpec,
    Reason, RollbackTarget,
};
use crate::decide::conditions::cut;
use crate::decide::decision::{Action, Owner};

use crate::decide::moments::span;

/// A longer name leaves no room for `-rollback-99` in the 253 characters of a name: a part of it and the UID take its place.
const LONGEST_NAME: usize = 241;
/// That part.
const CUT_NAME: usize = 200;

/// What a failure leads to.
pub(super) enum Consequence {
    /// Back to this revision.
    RollBack(i64),
    /// Nothing is written, automation stops; why.
    Hold(String),
    /// Nothing is written, automation goes on; why.
    Leave(String),
}

pub(super) fn consequence(scene: &Scene<'_>, reason: &Reason) -> Consequence {
    if scene.is_rollback() {
        return Consequence::Hold("a rollback is never rolled back: this environment needs a person".into());
    }
    if scene.environment.spec.delivery == Delivery::Observed {
        return Consequence::Leave("somebody else deploys here, so nothing is written".into());
    }
    if wrote_nothing(scene) {
        return Consequence::Leave("it had changed nothing".into());
    }
    // A withdrawn release is taken back whatever the policy says about failures.
    let withdrawn = *reason == Reason::Withdrawn;
    match scene.policy.action {
        FailureAction::Hold if !withdrawn => return Consequence::Hold("the policy says Hold".into()),
        FailureAction::Notify if !withdrawn => return Consequence::Leave("the policy says Notify".into()),
        FailureAction::Hold | FailureAction::Notify | FailureAction::Rollback => {}
    }
    if !withdrawn && budget_is_spent(scene) {
        let budget = &scene.policy.budget;
        return Consequence::Hold(format!(
            "the budget of {} rollbacks in {:?} is spent: this environment needs a person",
            budget.rollbacks,
            std::time::Duration::from(budget.period)
        ));
    }
    match target(scene) {
        Some(revision) => Consequence::RollBack(revision),
        None => Consequence::Hold(
            "there is no verified revision to go back to: this environment needs a person".into(),
        ),
    }
}

fn wrote_nothing(scene: &Scene<'_>) -> bool {
    let is_write = |change: &Change| match change.action {
        ChangeAction::Create | ChangeAction::Update | ChangeAction::Delete => true,
    };
    !scene.status().changes.iter().any(is_write)
}

fn target(scene: &Scene<'_>) -> Option<i64> {
    match scene.policy.target {
        RollbackTarget::LastVerified => default_target(&scene.lane),
        RollbackTarget::Previous => {
            let replaces = scene.status().replaces;
            match replaces {
                None => default_target(&scene.lane),
                Some(number) => scene
                    .lane
                    .revision(number)
                    .filter(|promotion| promotion.phase() == PromotionPhase::Verified)
                    .and_then(|promotion| match scene.lane.content_of(promotion) {
                        Some(origin) => origin.revision(),
                        None => Some(0),
                    }),
            }
        }
    }
}

fn budget_is_spent(scene: &Scene<'_>) -> bool {
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
        .count();
    i64::try_from(made).unwrap_or(i64::MAX) >= i64::from(scene.policy.budget.rollbacks)
}

/// The names that the rollback of a promotion may have, the first of them if nothing else has it.
pub fn rollback_names(promotion: &Promotion) -> impl Iterator<Item = String> + use<> {
    let own = promotion.name();
    let base = match own.get(..CUT_NAME).filter(|_| own.len() > LONGEST_NAME) {
        None => format!("{own}-rollback"),
        Some(start) => format!("{}-{}-rollback", start.trim_end_matches(['-', '.']), promotion.uid()),
    };
    let numbered = (2..100).map({
        let base = base.clone();
        move |number| format!("{base}-{number}")
    });
    std::iter::once(base).chain(numbered)
}

/// The name of the rollback of this promotion: the same at every look, and not that of anything else.
pub(super) fn rollback_name(scene: &Scene<'_>) -> String {
    let own = &scene.world.promotion;
    let is_other = |name: &String| {
        scene.world.project.promotions.get(name).is_some_and(|other| {
            other.spec.kind != PromotionKind::Rollback
                || other.spec.environment != own.spec.environment
                || !other.is_automatic()
                || other.created() < own.created()
                || other.deleting()
        })
    };
    rollback_names(own).find(|name| !is_other(name)).unwrap_or_default()
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
