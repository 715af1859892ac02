//! The path of a release through the environments: its stage in each.

use super::promoted::of_promotion;
use crate::api::{CachedRelease, Environment, Meta, PromotionPhase, Reason, ReleaseStatus, StageStatus};
use crate::decide::conditions::seconds;
use crate::decide::environment::validate::{self, in_order};
use crate::decide::gates::declared::declared;
use crate::decide::gates::gate::{Exclusion, Gate};
use crate::decide::gates::{Requested, evaluate};
use crate::decide::history::lane::Lane;
use crate::decide::history::order::promotes_newer;
use crate::decide::world::Project;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::sync::Arc;

/// A release in one environment.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The environment.
    pub name: String,
    /// Where the release is in this environment.
    pub at: At,
    /// When the gate opens without a change.
    pub until: Option<Timestamp>,
    /// A sentence. It may be empty.
    pub message: String,
    pub(super) revision: Option<i64>,
    pub(super) promotion: Option<String>,
}

/// Where a release is in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// The release never enters this environment.
    Skipped(Exclusion),
    /// The release waits at this gate.
    Gate(Reason),
    /// Every gate is open, but this keeps a promotion from starting.
    Blocked(Reason),
    /// A promotion is about to start or in progress. Its own status reports the steps.
    InProgress,
    /// The newest promotion of the release is in this phase.
    Promotion(PromotionPhase),
    /// The release is being rolled back.
    RollingBack,
    /// The release was rolled back.
    RolledBack,
    /// The release was recalled after it was verified, and still runs.
    Recalled,
    /// The rollback of the release failed.
    RollbackFailed,
    /// The release failed here, and a newer release has been verified here since.
    Superseded(Setback),
}

/// How a release failed in an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setback {
    /// It failed and was not rolled back.
    Failed,
    /// Nothing showed whether it is good.
    Inconclusive,
    /// It was rolled back.
    RolledBack,
    /// Its rollback failed.
    RollbackFailed,
}

impl At {
    /// The failure that this is, if it is one.
    pub(super) fn setback(&self) -> Option<Setback> {
        match self {
            Self::Promotion(PromotionPhase::Failed) => Some(Setback::Failed),
            Self::Promotion(PromotionPhase::Inconclusive) => Some(Setback::Inconclusive),
            Self::RolledBack => Some(Setback::RolledBack),
            Self::RollbackFailed => Some(Setback::RollbackFailed),
            Self::Superseded(setback) => Some(*setback),
            Self::Promotion(_)
            | Self::Skipped(_)
            | Self::Gate(_)
            | Self::Blocked(_)
            | Self::Recalled
            | Self::InProgress
            | Self::RollingBack => None,
        }
    }

    /// The same after a newer release was verified here: a failure is not repaired any more.
    pub(super) fn superseded_if(self, newer_is_verified: impl FnOnce() -> bool) -> Self {
        match self.setback() {
            Some(setback) if newer_is_verified() => Self::Superseded(setback),
            Some(_) | None => self,
        }
    }
}

impl Stage {
    /// Whether the release never enters this environment.
    pub fn is_skipped(&self) -> bool {
        matches!(self.at, At::Skipped(_))
    }

    /// The word for the status.
    pub fn state(&self) -> Reason {
        match &self.at {
            At::Skipped(_) => Reason::NotAStage,
            At::Gate(reason) | At::Blocked(reason) => reason.clone(),
            At::InProgress => Reason::Promoting,
            At::Promotion(phase) => phase.reason(),
            At::RollingBack => Reason::RollingBack,
            At::Recalled => Reason::Recalled,
            At::RolledBack | At::Superseded(Setback::RolledBack) => Reason::RolledBack,
            At::RollbackFailed | At::Superseded(Setback::RollbackFailed) => Reason::RollbackFailed,
            At::Superseded(Setback::Failed) => Reason::Failed,
            At::Superseded(Setback::Inconclusive) => Reason::Inconclusive,
        }
    }

    /// The line of the status.
    pub fn line(&self) -> StageStatus {
        StageStatus {
            name: self.name.clone(),
            state: self.state().to_string(),
            message: (!self.message.is_empty()).then(|| crate::decide::conditions::cut(&self.message, 1024)),
            revision: self.revision,
            promotion: self.promotion.clone(),
            until: self.until.map(|at| Time(seconds(at))),
        }
    }
}

/// The message while a promotion is in progress.
pub(super) const IN_PROGRESS: &str = "promotion in progress";

/// The stage of a release in every environment of its project, in the order in which releases pass them. `status` is the last that was
/// reported for the release.
pub fn stages(
    project: &Project,
    release: &CachedRelease,
    status: &ReleaseStatus,
    now: Timestamp,
) -> Vec<Stage> {
    in_order(project)
        .into_iter()
        .filter_map(|name| project.environments.get(name))
        .map(|environment| stage(project, environment, release, status, now))
        .collect()
}

/// The stage of a release in one environment.
pub fn stage(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    status: &ReleaseStatus,
    now: Timestamp,
) -> Stage {
    let lane = Lane::of(project, environment, release.application());
    if let Some(promotion) = lane.latest(release) {
        return of_promotion(project, environment, &lane, release, promotion, now);
    }
    if let Some(stage) = forgotten(project, &lane, release, status) {
        return stage;
    }
    let mut stage = Stage {
        name: environment.name().to_owned(),
        at: At::InProgress,
        until: None,
        message: String::new(),
        revision: None,
        promotion: None,
    };
    match evaluate(project, environment, release, Requested::ByController, &[], now) {
        Gate::Open => match validate::target(project, environment) {
            None => stage.message = IN_PROGRESS.into(),
            Some(fault) => {
                // The environment reports the other lines.
                stage.message = fault.message.lines().next().unwrap_or_default().to_owned();
                stage.at = At::Blocked(fault.reason);
            }
        },
        Gate::Never { why, message } => {
            stage.at = At::Skipped(why);
            stage.message = message;
        }
        Gate::Closed { gate, message, until } => {
            // A closed freeze says itself that the declared type does not count.
            let change = declared(project, environment, release);
            stage.message = change.explain(message, gate != Reason::Freeze);
            stage.at = At::Gate(gate);
            stage.until = until;
        }
    }
    stage
}

/// The stage of a promotion that ended and was deleted by the history limit: its outcome stays in the status.
fn forgotten(
    project: &Project,
    lane: &Lane<'_>,
    release: &CachedRelease,
    status: &ReleaseStatus,
) -> Option<Stage> {
    let line = status.environments.iter().find(|line| line.name == lane.environment)?;
    let promotion = line.promotion.as_ref().filter(|name| !project.promotions.contains_key(*name))?;
    let at = ended(&Reason::from(line.state.as_str()))?;
    let at = at.superseded_if(|| newer_is_verified(project, lane, release));
    Some(Stage {
        name: line.name.clone(),
        at,
        until: None,
        message: line.message.clone().unwrap_or_default(),
        revision: line.revision,
        promotion: Some(promotion.clone()),
    })
}

/// The outcome that a stored word stands for. None for a stage that has not ended.
fn ended(state: &Reason) -> Option<At> {
    let ends = [
        (Reason::Verified, At::Promotion(PromotionPhase::Verified)),
        (Reason::Cancelled, At::Promotion(PromotionPhase::Cancelled)),
        (Reason::Failed, At::Promotion(PromotionPhase::Failed)),
        (Reason::Inconclusive, At::Promotion(PromotionPhase::Inconclusive)),
        (Reason::Superseded, At::Promotion(PromotionPhase::Superseded)),
        (Reason::RolledBack, At::RolledBack),
        (Reason::RollbackFailed, At::RollbackFailed),
    ];
    ends.into_iter().find(|(word, _)| word == state).map(|(_, at)| at)
}

/// Whether a newer release was verified here.
pub(super) fn newer_is_verified(project: &Project, lane: &Lane<'_>, release: &CachedRelease) -> bool {
    lane.here()
        .any(|other| other.phase() == PromotionPhase::Verified && promotes_newer(project, other, release))
}

/// The environments that the release could enter now and that have no promotion of it. The release waits for the consent of their
/// namespace owners.
pub fn consent<'a>(
    project: &'a Project,
    release: &CachedRelease,
    now: Timestamp,
) -> Vec<&'a Arc<Environment>> {
    let exists =
        |environment: &Environment| project.namespace(environment).is_some_and(|facts| !facts.terminating);
    let could_enter = |environment: &Environment| {
        Lane::of(project, environment, release.application()).of_release(release).next().is_none()
            && matches!(
                evaluate(project, environment, release, Requested::ByController, &[], now),
                // Once the content is captured, every gate may be open.
                Gate::Open | Gate::Closed { gate: Reason::Content, .. }
            )
    };
    let environments = project.environments.values();
    environments.filter(|environment| exists(environment) && could_enter(environment)).collect()
}
