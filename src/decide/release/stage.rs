//! Where a release is in one environment: data, and its words in the status.

use crate::api::{CachedRelease, EnvironmentName, PromotionPhase, Reason, StageStatus};
use crate::decide::conditions::seconds;
use crate::decide::gates::gate::Exclusion;
use crate::decide::history::lane::Lane;
use crate::decide::history::order::promotes_newer;
use crate::decide::world::Project;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// A release in one environment.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The environment.
    pub name: EnvironmentName,
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
            since: None,
            waits: Vec::new(),
        }
    }
}

/// The message while a promotion is in progress.
pub(super) const IN_PROGRESS: &str = "promotion in progress";

/// Whether a newer release was verified here.
pub(super) fn newer_is_verified(project: &Project, lane: &Lane<'_>, release: &CachedRelease) -> bool {
    lane.here()
        .any(|other| other.phase() == PromotionPhase::Verified && promotes_newer(project, other, release))
}
