//! The path of a release through the environments: what it does in each.

use crate::api::Meta;
use crate::api::{
    CachedRelease, Environment, Promotion, PromotionKind, PromotionPhase, Reason, ReleasePhase,
    ReleaseStatus, StageStatus,
};
use crate::decide::conditions::seconds;
use crate::decide::environment::validate::{self, in_order};
use crate::decide::gates::gate::{Exclusion, Gate};
use crate::decide::gates::{Requested, blocked_by, evaluate, opens_at, waits_at};
use crate::decide::history::lane::Lane;
use crate::decide::history::order::newer;
use crate::decide::world::Project;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::sync::Arc;

/// A release in one environment.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The environment.
    pub name: String,
    /// What it does there.
    pub at: At,
    /// When it changes by itself.
    pub until: Option<Timestamp>,
    /// A sentence; may be empty.
    pub message: String,
    revision: Option<i64>,
    promotion: Option<String>,
}

/// What a release does in an environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// Never comes here.
    Skipped(Exclusion),
    /// Waits at this gate.
    Gate(Reason),
    /// A promotion would start, but for this.
    Blocked(Reason),
    /// A promotion is about to start, or goes on; its own status says how far it is.
    InProgress,
    /// Its newest promotion is in this phase.
    Promotion(PromotionPhase),
    /// It failed and is being taken back.
    RollingBack,
    /// It failed and was taken back.
    RolledBack,
    /// It failed, and taking it back failed as well.
    RollbackFailed,
    /// It failed here, and a newer release was verified since.
    Superseded,
}

impl Stage {
    /// Whether the release never comes here.
    pub fn is_skipped(&self) -> bool {
        matches!(self.at, At::Skipped(_))
    }

    /// One word.
    pub fn state(&self) -> Reason {
        match &self.at {
            At::Skipped(_) => Reason::NotAStage,
            At::Gate(reason) | At::Blocked(reason) => reason.clone(),
            At::InProgress => Reason::Promoting,
            At::Promotion(phase) => phase.reason(),
            At::RollingBack => Reason::RollingBack,
            At::RolledBack => Reason::RolledBack,
            At::RollbackFailed => Reason::RollbackFailed,
            At::Superseded => Reason::Superseded,
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

/// What is said while a promotion goes on.
const IN_PROGRESS: &str = "on its way";

/// Every environment of the project, in the order in which releases pass them. `status` is the last that was said of it.
pub fn stages(
    project: &Project,
    release: &CachedRelease,
    status: &ReleaseStatus,
    now: Timestamp,
) -> Vec<Stage> {
    in_order(project)
        .into_iter()
        .filter_map(|name| project.environments.get(name))
        .map(|environment| {
            let lane = Lane::of(project, environment, release.application());
            // One that was not needed in the end says nothing about what others did.
            let ran = lane.of_release(release).find(|one| one.phase() != PromotionPhase::Cancelled);
            if let Some(promotion) = ran.or_else(|| lane.of_release(release).next()) {
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
                        // The environment shows the rest.
                        stage.message = fault.message.lines().next().unwrap_or_default().to_owned();
                        stage.at = At::Blocked(fault.reason);
                    }
                },
                Gate::Never { why, message } => {
                    stage.at = At::Skipped(why);
                    stage.message = message;
                }
                Gate::Closed { gate, message, until } => {
                    stage.at = At::Gate(gate);
                    stage.message = message;
                    stage.until = until;
                }
            }
            stage
        })
        .collect()
}

/// What was said of a promotion that has ended and that history no longer holds: its outcome stays.
fn forgotten(
    project: &Project,
    lane: &Lane<'_>,
    release: &CachedRelease,
    status: &ReleaseStatus,
) -> Option<Stage> {
    let line = status.environments.iter().find(|line| line.name == lane.environment)?;
    let promotion = line.promotion.as_ref().filter(|name| !project.promotions.contains_key(*name))?;
    let at = ended(&Reason::from(line.state.as_str()), &status.phase)?;
    let failed = matches!(at, At::Promotion(PromotionPhase::Failed) | At::RolledBack | At::RollbackFailed);
    let at = if failed && newer_is_verified(project, lane, release) { At::Superseded } else { at };
    Some(Stage {
        name: line.name.clone(),
        at,
        until: None,
        message: line.message.clone().unwrap_or_default(),
        revision: line.revision,
        promotion: Some(promotion.clone()),
    })
}

/// The end that a stage's word stands for; none for words of what is still open. `Superseded` is said of a promotion that was
/// replaced, and of a failure that a newer release has replaced since: the phase of the release tells them apart.
fn ended(state: &Reason, phase: &ReleasePhase) -> Option<At> {
    let had_failed = matches!(phase, ReleasePhase::RolledBack | ReleasePhase::Failed);
    let ends = [
        (Reason::Verified, At::Promotion(PromotionPhase::Verified)),
        (Reason::Cancelled, At::Promotion(PromotionPhase::Cancelled)),
        (Reason::Failed, At::Promotion(PromotionPhase::Failed)),
        (Reason::RolledBack, At::RolledBack),
        (Reason::RollbackFailed, At::RollbackFailed),
        (
            Reason::Superseded,
            if had_failed { At::Superseded } else { At::Promotion(PromotionPhase::Superseded) },
        ),
    ];
    ends.into_iter().find(|(word, _)| word == state).map(|(_, at)| at)
}

/// Whether a newer release was verified here.
fn newer_is_verified(project: &Project, lane: &Lane<'_>, release: &CachedRelease) -> bool {
    lane.here().any(|other| {
        other.spec.kind == PromotionKind::Promote
            && other.phase() == PromotionPhase::Verified
            && project.releases.get(&other.spec.release).is_some_and(|newest| newer(newest, release).is_gt())
    })
}

fn of_promotion(
    project: &Project,
    environment: &Environment,
    lane: &Lane<'_>,
    release: &CachedRelease,
    promotion: &Promotion,
    now: Timestamp,
) -> Stage {
    let phase = promotion.phase();
    let status = promotion.status.as_ref();
    let mut stage = Stage {
        name: environment.name().to_owned(),
        at: At::Promotion(phase),
        until: None,
        message: status.and_then(|status| status.message.clone()).unwrap_or_default(),
        revision: promotion.revision(),
        promotion: Some(promotion.name().to_owned()),
    };
    // One that has not started comes after all that have; one that never did says nothing, unless automation wanted it.
    let number = |promotion: &Promotion| promotion.revision().unwrap_or(i64::MAX);
    let is_of_it = |other: &&&Promotion| {
        other.spec.kind == PromotionKind::Rollback
            && other.spec.release == release.name()
            && number(other) > number(promotion)
    };
    let waiting = lane.pending.iter().filter(is_of_it).rfind(|other| !other.phase().is_final());
    let started = || lane.revisions.iter().rfind(is_of_it);
    let refused = || {
        let failed = lane.pending.iter().filter(is_of_it).filter(|_| phase == PromotionPhase::Failed);
        failed.rev().find(|other| other.is_automatic())
    };
    let rollback = waiting.or_else(started).or_else(refused);
    if let Some(rollback) = rollback.filter(|other| phase.is_running() && !other.phase().is_final()) {
        let message = cause(rollback).unwrap_or_default();
        return Stage { at: At::RollingBack, message, ..stage };
    }
    // From the open gate to the end the release says the same: the steps stand in the promotion.
    let is_tried = phase == PromotionPhase::Pending && status.is_none_or(|status| status.reason.is_none());
    if is_tried || phase.is_running() {
        return Stage {
            at: At::InProgress,
            message: IN_PROGRESS.to_owned(),
            revision: None,
            promotion: None,
            ..stage
        };
    }
    if let Some(gate) = waits_at(promotion) {
        let until = opens_at(project, environment, release, promotion, now);
        return Stage { at: At::Gate(gate), until, ..stage };
    }
    if let Some(fault) = blocked_by(promotion) {
        return Stage { at: At::Blocked(fault), ..stage };
    }
    let rollback = match phase {
        PromotionPhase::Failed => rollback,
        // What was verified may be taken back as well, by a person.
        PromotionPhase::Verified if runs_here(lane, promotion) => {
            rollback.filter(|other| !other.phase().is_final())
        }
        PromotionPhase::Verified => rollback.filter(|other| other.phase() != PromotionPhase::Cancelled),
        PromotionPhase::Pending
        | PromotionPhase::Promoting
        | PromotionPhase::Observing
        | PromotionPhase::Superseded
        | PromotionPhase::Cancelled => return stage,
    };
    if let (PromotionPhase::Verified, Some(rollback)) = (phase, rollback) {
        let reason = cause(rollback).unwrap_or_else(|| "no reason was given".to_owned());
        stage.message = format!("rolled back by {}: {reason}", rollback.name());
    }
    stage.at = match rollback.map(|other| other.phase()) {
        None => stage.at,
        Some(PromotionPhase::Verified | PromotionPhase::Superseded) => At::RolledBack,
        Some(PromotionPhase::Failed | PromotionPhase::Cancelled) => At::RollbackFailed,
        Some(PromotionPhase::Pending | PromotionPhase::Promoting | PromotionPhase::Observing) => {
            At::RollingBack
        }
    };
    let was_bad = !matches!(stage.at, At::RollingBack | At::Promotion(PromotionPhase::Verified));
    if was_bad && newer_is_verified(project, lane, release) {
        stage.at = At::Superseded;
    }
    stage
}

/// Why a rollback was made: what failed, or what a person wrote.
fn cause(rollback: &Promotion) -> Option<String> {
    let spec = &rollback.spec;
    match (&spec.cause, &spec.reason) {
        (Some(cause), Some(reason)) => Some(format!("{cause}: {reason}")),
        (one, None) | (None, one) => one.clone(),
    }
}

/// Whether its content is what runs here, or runs here again.
fn runs_here(lane: &Lane<'_>, promotion: &Promotion) -> bool {
    let last = lane.here().rev().find(|other| other.phase() == PromotionPhase::Verified);
    last.and_then(|other| lane.content_of(other)).is_some_and(|origin| origin.name() == promotion.name())
}

/// The environments that the release could enter now and that hold no promotion of it: their owners' consent is part of what it waits
/// for.
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
                // Once captured, it may be free to enter.
                Gate::Open | Gate::Closed { gate: Reason::Content, .. }
            )
    };
    let environments = project.environments.values();
    environments.filter(|environment| exists(environment) && could_enter(environment)).collect()
}
