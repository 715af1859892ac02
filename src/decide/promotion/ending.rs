//! How a promotion ends, and what a failure does.

use super::start::default_target;
use super::steps::close_steps;
use super::{Scene, normal, warning};
use crate::api::{
    Change, ChangeAction, Delivery, FailureAction, HOLDS, Promotion, PromotionKind, PromotionPhase,
    PromotionSpec, RollbackTarget, StepResult,
};
use crate::decide::conditions::condition;
use crate::decide::decision::{Action, Decision, Note, Owner};
use crate::decide::history::lane::kube_meta::Meta;
use crate::decide::history::lane::{created, is_automatic, phase_of, revision_of};
use crate::decide::moments::span;

/// A longer name leaves no room for `-rollback-99` in the 253 characters of a name: a part of it and the UID take its place.
const LONGEST_NAME: usize = 241;
/// That part.
const CUT_NAME: usize = 200;

/// It is verified, or restored.
pub(super) fn verified(scene: &Scene<'_>, reason: &'static str, message: &str) -> Decision {
    let mut status = scene.status();
    status.finished_at = Some(scene.time());
    close_steps(&mut status, scene, StepResult::Passed, None);
    let what = if scene.is_rollback() { "RolledBack" } else { "Verified" };
    let text = format!("{}: revision {}: {message}", scene.environment.name(), scene.revision());
    Decision {
        memory: Some(scene.write(status, PromotionPhase::Verified, reason, message)),
        notes: vec![normal(what, text)],
        ..Decision::default()
    }
}

/// A later revision has started before this one was verified.
pub(super) fn superseded(scene: &Scene<'_>, by: &str) -> Decision {
    // A rollback that took this one back says why it was; otherwise a newer release went ahead.
    let rollback =
        scene.world.project.promotions.get(by).filter(|other| other.spec.kind == PromotionKind::Rollback);
    match rollback {
        Some(other) => taken_back(scene, other),
        None => over(scene, PromotionPhase::Superseded, "Superseded", &format!("{by} went ahead")),
    }
}

/// A rollback has started, which says why: for automation what failed, for a person whatever they wrote.
fn taken_back(scene: &Scene<'_>, rollback: &Promotion) -> Decision {
    let said = rollback.spec.reason.as_deref().unwrap_or("taken back");
    let (word, message) =
        said.split_once(": ").filter(|(word, _)| !word.contains(' ')).unwrap_or(("TakenBack", said));
    let message = match rollback.status.as_ref().and_then(|status| status.restores) {
        Some(revision) => format!("{message}; goes back to revision {revision}"),
        None => message.to_owned(),
    };
    Decision {
        notes: vec![failure(scene, word, &message)],
        ..over(scene, PromotionPhase::Failed, word, &message)
    }
}

fn failure(scene: &Scene<'_>, reason: &str, text: &str) -> Note {
    warning(
        if scene.is_rollback() { "RollbackFailed" } else { "PromotionFailed" },
        format!("{}: revision {}: {reason}: {text}", scene.environment.name(), scene.revision()),
    )
}

/// It ended without a verdict of its own.
pub(super) fn over(scene: &Scene<'_>, phase: PromotionPhase, reason: &str, message: &str) -> Decision {
    let mut status = scene.status();
    status.finished_at = Some(scene.time());
    let result = if phase == PromotionPhase::Failed { StepResult::Failed } else { StepResult::Passed };
    close_steps(&mut status, scene, result, Some(message));
    Decision { report: Some(scene.write(status, phase, reason, message)), ..Decision::default() }
}

/// What a failure leads to.
enum Consequence {
    /// Back to this revision.
    RollBack(i64),
    /// Nothing is written, automation stops; why.
    Hold(String),
    /// Nothing is written, automation goes on; why.
    Leave(String),
}

/// The release is bad here. What brings the environment back comes first; the failure is told when that has started.
pub(super) fn failed(scene: &Scene<'_>, reason: &str, message: &str) -> Decision {
    let (text, holds) = match consequence(scene, reason) {
        Consequence::RollBack(revision) => match scene.world.project.promotions.get(&rollback_name(scene)) {
            None => {
                let actions = vec![roll_back(scene, revision, reason, message)];
                return Decision { actions, ..Decision::default() };
            }
            Some(rollback) if !phase_of(rollback).is_final() => return Decision::default(),
            Some(rollback) => {
                let status = rollback.status.as_ref();
                let end = status.and_then(|status| status.message.as_deref()).unwrap_or_default();
                (format!("{message}; {} did not start: {end}", rollback.name()), true)
            }
        },
        Consequence::Hold(why) => (format!("{message}; {why}"), true),
        Consequence::Leave(why) => (format!("{message}; {why}"), false),
    };
    let mut status = scene.status();
    status.finished_at = Some(scene.time());
    close_steps(&mut status, scene, StepResult::Failed, Some(message));
    if holds {
        status.conditions =
            vec![condition(HOLDS, "True", reason, &text, scene.world.promotion.generation(), &[], scene.now)];
    }
    Decision {
        notes: vec![failure(scene, reason, &text)],
        report: Some(scene.write(status, PromotionPhase::Failed, reason, &text)),
        ..Decision::default()
    }
}

fn consequence(scene: &Scene<'_>, reason: &str) -> Consequence {
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
    let withdrawn = reason == "Withdrawn";
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
                    .filter(|promotion| phase_of(promotion) == PromotionPhase::Verified)
                    .and_then(|promotion| match scene.lane.content_of(promotion) {
                        Some(origin) => revision_of(origin),
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
        .filter(|promotion| is_automatic(promotion) && created(**promotion) >= since)
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
fn rollback_name(scene: &Scene<'_>) -> String {
    let own = &scene.world.promotion;
    let is_other = |name: &String| {
        scene.world.project.promotions.get(name).is_some_and(|other| {
            other.spec.kind != PromotionKind::Rollback
                || other.spec.environment != own.spec.environment
                || !is_automatic(other)
                || created(other.as_ref()) < created(own.as_ref())
                || other.deleting()
        })
    };
    rollback_names(own).find(|name| !is_other(name)).unwrap_or_default()
}

fn roll_back(scene: &Scene<'_>, revision: i64, reason: &str, message: &str) -> Action {
    Action::CreatePromotion {
        name: rollback_name(scene),
        application: scene.application.to_owned(),
        spec: Box::new(PromotionSpec {
            release: scene.world.promotion.spec.release.clone(),
            environment: scene.environment.name().to_owned(),
            application: Some(scene.application.to_owned()),
            kind: PromotionKind::Rollback,
            to_revision: Some(revision),
            reason: Some(crate::decide::conditions::cut(&format!("{reason}: {message}"), 1024)),
            override_: None,
            requested_by: None,
        }),
        owner: Owner::environment(scene.environment),
    }
}
