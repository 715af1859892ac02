//! What follows from a failure under the rollback policy of the environment: a rollback, a hold, or nothing.
//!
//! Invariant: the name of the rollback is a function of the failed promotion, so a repeated decision creates no second one.

use super::Scene;
use crate::api::{
    ChangeAction, Delivery, Environment, FailureAction, Meta, Promotion, PromotionKind, PromotionPhase,
    PromotionSpec, PromotionStatus, Reason, RollbackPolicySpec, RollbackTarget,
};
use crate::decide::conditions::cut;
use crate::decide::decision::{Action, Owner};
use crate::decide::history::lane::Lane;
use crate::decide::history::target::{self, default_target};
use crate::decide::moments::{later, span};
use crate::decide::recall::{is_of_recall, no_target_left};
use crate::decide::requires::is_of_requirement;
use crate::decide::world::Project;
use jiff::Timestamp;

/// A promotion that failed.
pub struct Failure<'a> {
    /// The project.
    pub project: &'a Project,
    /// The environment.
    pub environment: &'a Environment,
    /// The lane of the promotion.
    pub lane: &'a Lane<'a>,
    /// The rollback policy of the environment.
    pub policy: &'a RollbackPolicySpec,
    /// The promotion.
    pub promotion: &'a Promotion,
    /// Its status.
    pub status: &'a PromotionStatus,
    /// The current time.
    pub now: Timestamp,
}

impl Scene<'_> {
    /// This promotion as one that failed.
    pub(super) fn failure(&self) -> Failure<'_> {
        Failure {
            project: &self.world.project,
            environment: self.environment,
            lane: &self.lane,
            policy: &self.policy,
            promotion: &self.world.promotion,
            status: &self.status,
            now: self.now,
        }
    }
}

/// What follows from a failure.
pub enum Consequence {
    /// Roll back to this revision.
    RollBack(i64),
    /// Write nothing and stop automatic promotion; holds the cause.
    Hold(String),
    /// Write nothing and continue automatic promotion; holds the cause.
    Leave(String),
}

/// How far the consequence of a failure has come.
pub enum Next {
    /// The rollback has to be created.
    Create(Box<Action>),
    /// The rollback has not ended.
    Await,
    /// Nothing is written.
    Stay {
        /// Why not, and what a person can do.
        cause: String,
        /// Whether automatic promotion stops.
        holds: bool,
    },
}

/// What to do next about a failure. The spec of its rollback holds the reason and the message.
pub fn next(failure: &Failure<'_>, follows: Consequence, reason: &Reason, message: &str) -> Next {
    let revision = match follows {
        Consequence::RollBack(revision) => revision,
        Consequence::Hold(cause) => return Next::Stay { cause, holds: true },
        Consequence::Leave(cause) => return Next::Stay { cause, holds: false },
    };
    match failure.project.promotions.get(&rollback_name(failure)) {
        None => Next::Create(Box::new(roll_back(failure, revision, reason, message))),
        Some(rollback) if !rollback.phase().is_final() => Next::Await,
        Some(rollback) => {
            let status = rollback.status.as_ref();
            let end = status.and_then(|status| status.message.as_deref()).unwrap_or_default();
            Next::Stay { cause: format!("{} did not start: {end}", rollback.name()), holds: true }
        }
    }
}

/// What follows from the failure of a promotion.
pub fn consequence(failure: &Failure<'_>) -> Consequence {
    if failure.promotion.spec.kind == PromotionKind::Rollback {
        let what = if is_verified(failure) { "what a rollback restored" } else { "a failed rollback" };
        return Consequence::Hold(format!(
            "{what} is not rolled back: promote a fixed release, or roll back to another revision with spec.toRevision"
        ));
    }
    if failure.environment.spec.delivery == Delivery::Observed {
        return Consequence::Leave("the environment has delivery: Observed, so nothing is written".into());
    }
    if let Some(cause) = changed_nothing(failure).filter(|_| !is_verified(failure)) {
        return Consequence::Leave(cause);
    }
    match failure.policy.action {
        FailureAction::Hold => {
            return Consequence::Hold("the rollback policy has action: Hold".into());
        }
        FailureAction::Notify => {
            return Consequence::Leave("the rollback policy has action: Notify".into());
        }
        FailureAction::Rollback => {}
    }
    if budget_is_exhausted(failure) {
        let budget = &failure.policy.budget;
        return Consequence::Hold(format!(
            "the budget of {} rollbacks in {:?} is exhausted; repair this environment manually",
            budget.rollbacks,
            std::time::Duration::from(budget.period)
        ));
    }
    match revision_to_restore(failure) {
        Some(revision) if has_content_of_this(failure, revision) => Consequence::Hold(format!(
            "revision {revision} was verified with the content that failed now, so restoring it changes nothing; promote a fixed \
             release, or roll back to another revision with spec.toRevision"
        )),
        Some(revision) => match target::irreversible(failure.lane, revision) {
            Some(promotion) => Consequence::Hold(target::irreversible_release(promotion, revision)),
            None => Consequence::RollBack(revision),
        },
        None => Consequence::Hold(no_target(failure)),
    }
}

/// Why there is no revision to roll back to, and what a person can do.
fn no_target(failure: &Failure<'_>) -> String {
    match failure.lane.recalls.is_empty() {
        true if is_verified(failure) => {
            "there is no verified revision with other content to roll back to that was not rolled back itself; promote a release that repairs it"
                .into()
        }
        true => "there is no verified revision to roll back to; repair this environment manually".into(),
        false => no_target_left(failure.project, failure.lane, &failure.promotion.spec.release),
    }
}

/// Whether the promotion was verified before it failed.
fn is_verified(failure: &Failure<'_>) -> bool {
    failure.promotion.phase() == PromotionPhase::Verified
}

/// Whether a revision has the content that this promotion wrote.
fn has_content_of_this(failure: &Failure<'_>, revision: i64) -> bool {
    let own = failure.status.digest.clone();
    let digest = failure.lane.revision(revision).and_then(|other| other.status.as_ref()?.digest.clone());
    own.is_some() && own == digest
}

/// Why there is nothing to roll back. The changes of unverified predecessors with the same content count as changes of this promotion.
fn changed_nothing(failure: &Failure<'_>) -> Option<String> {
    let own = failure.status;
    if writes(own) {
        return None;
    }
    let earlier = || failure.lane.here().rev().filter(|other| other.revision() < own.revision);
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

fn revision_to_restore(failure: &Failure<'_>) -> Option<i64> {
    match failure.policy.target {
        RollbackTarget::LastVerified => newest(failure),
        RollbackTarget::Previous => {
            let replaces = failure.status.replaces;
            match replaces {
                None => newest(failure),
                Some(number) => failure
                    .lane
                    .revision(number)
                    .filter(|promotion| promotion.phase() == PromotionPhase::Verified)
                    .filter(|promotion| failure.lane.recall_of_target(promotion).is_none())
                    .and_then(|promotion| match failure.lane.content_of(promotion) {
                        Some(origin) => origin.revision(),
                        None => Some(0),
                    })
                    .filter(|number| *number > 0 || !is_verified(failure)),
            }
        }
    }
}

/// The newest revision that can be restored.
fn newest(failure: &Failure<'_>) -> Option<i64> {
    match is_verified(failure) {
        true => target::verified_before(failure.lane, failure.promotion),
        false => default_target(failure.lane),
    }
}

fn budget_is_exhausted(failure: &Failure<'_>) -> bool {
    let made = spent(failure).count();
    i64::try_from(made).unwrap_or(i64::MAX) >= i64::from(failure.policy.budget.rollbacks)
}

/// The rollbacks of the lane that count against the budget now.
fn spent<'a>(failure: &'a Failure<'_>) -> impl Iterator<Item = &'a Promotion> {
    let period = span(failure.policy.budget.period);
    let since = failure.now.checked_sub(period).unwrap_or(Timestamp::MIN);
    let own = rollback_name(failure);
    let all = failure.lane.revisions.iter().chain(failure.lane.pending.iter()).copied();
    all.filter(move |promotion| promotion.spec.kind == PromotionKind::Rollback && promotion.name() != own)
        .filter(move |promotion| promotion.is_automatic() && promotion.created() >= since)
        .filter(|promotion| !is_of_recall(promotion) && !is_of_requirement(promotion))
}

/// When the oldest rollback that counts against the budget ceases to count.
pub fn budget_changes_at(failure: &Failure<'_>) -> Option<Timestamp> {
    let period = span(failure.policy.budget.period).saturating_add(jiff::SignedDuration::from_secs(1));
    spent(failure).map(|promotion| later(promotion.created(), period)).min()
}

/// The possible names of the rollback of a promotion that failed.
pub fn rollback_names(promotion: &Promotion) -> impl Iterator<Item = String> + use<> {
    target::rollback_names(promotion, "rollback")
}

/// The name of the rollback of this promotion: the first name that no unrelated promotion has.
fn rollback_name(failure: &Failure<'_>) -> String {
    let own = failure.promotion;
    let is_unrelated = |name: &String| {
        failure.project.promotions.get(name).is_some_and(|other| {
            other.spec.kind != PromotionKind::Rollback
                || other.spec.environment != own.spec.environment
                || !other.is_automatic()
                || other.created() < own.created()
                || other.deleting()
                || is_without_target(other)
        })
    };
    rollback_names(own).find(|name| !is_unrelated(name)).unwrap_or_default()
}

fn roll_back(failure: &Failure<'_>, revision: i64, reason: &Reason, message: &str) -> Action {
    Action::CreatePromotion {
        name: rollback_name(failure),
        application: failure.lane.application.clone(),
        spec: Box::new(PromotionSpec {
            release: failure.promotion.spec.release.clone(),
            environment: failure.environment.environment_name(),
            application: Some(failure.lane.application.clone()),
            kind: PromotionKind::Rollback,
            to_revision: Some(revision),
            cause: Some(cut(reason.as_str(), 64)),
            reason: Some(cut(message, 1024)),
            override_: None,
            dry_run: false,
            requested_by: None,
        }),
        owner: Owner::environment(failure.environment),
    }
}

/// Whether a rollback did not start because its target was recalled. Another one takes its place.
fn is_without_target(rollback: &Promotion) -> bool {
    let reason = rollback.status.as_ref().and_then(|status| status.reason.as_deref()).map(Reason::from);
    rollback.phase() == PromotionPhase::Cancelled && reason == Some(Reason::Recalled)
}
