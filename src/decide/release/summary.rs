//! The phase, state and message of a whole release, from what it does in each environment.

use super::stage::{At, Setback, Stage};
use crate::api::{Class, PromotionPhase, Reason, ReleasePhase};
use crate::decide::conditions::State;
use crate::decide::gates::gate::Exclusion;
use crate::decide::world::Project;

/// One phase, state, reason and message for the whole release.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The phase.
    pub phase: ReleasePhase,
    /// The state that kstatus readers see.
    pub state: State,
    /// The reason for the conditions.
    pub reason: Reason,
    /// A sentence.
    pub message: String,
}

/// Summarises a release by the stage that [`ranked`] ranks first. Of stages with the same rank, the first on the path counts.
pub fn summarise(project: &Project, stages: &[Stage]) -> Summary {
    let first = stages.iter().filter_map(|stage| Some((stage, ranked(&stage.at)?)));
    let Some((stage, (_, phase, state, reason))) = first.min_by_key(|(_, (rank, ..))| *rank) else {
        return without_open_stage(project, stages);
    };
    let message = match stage.message.is_empty() {
        true => format!("{}: {}", stage.name, stage.state()),
        false => format!("{}: {}", stage.name, stage.message),
    };
    Summary { phase, state, reason, message }
}

/// What a stage makes of the whole release, and its rank: first rollbacks and failures, then work in progress, then gates. None for
/// stages that are verified or that the release never enters.
fn ranked(at: &At) -> Option<(usize, ReleasePhase, State, Reason)> {
    Some(match at {
        At::RollingBack => (0, ReleasePhase::RollingBack, State::Reconciling, Reason::RollingBack),
        At::RolledBack => (1, ReleasePhase::RolledBack, State::Stalled, Reason::RolledBack),
        At::RollbackFailed | At::Promotion(PromotionPhase::Failed) => {
            (2, ReleasePhase::Failed, State::Stalled, Reason::Failed)
        }
        At::Recalled => (2, ReleasePhase::Failed, State::Stalled, Reason::Recalled),
        At::Promotion(PromotionPhase::Inconclusive) => {
            (2, ReleasePhase::Inconclusive, State::Stalled, Reason::Inconclusive)
        }
        At::Promotion(PromotionPhase::Pending) => {
            (3, ReleasePhase::Promoting, State::Reconciling, Reason::Pending)
        }
        At::Blocked(reason) => (4, ReleasePhase::Waiting, State::Reconciling, reason.clone()),
        At::InProgress | At::Promotion(PromotionPhase::Promoting | PromotionPhase::Observing) => {
            (5, ReleasePhase::Promoting, State::Reconciling, Reason::Promoting)
        }
        At::Superseded(setback) => {
            let phase = match setback {
                Setback::RolledBack => ReleasePhase::RolledBack,
                Setback::Failed | Setback::RollbackFailed => ReleasePhase::Failed,
                Setback::Inconclusive => ReleasePhase::Inconclusive,
            };
            (6, phase, State::Ready, Reason::Superseded)
        }
        At::Gate(reason) => (7, ReleasePhase::Waiting, state_at_gate(reason), reason.clone()),
        At::Promotion(PromotionPhase::Superseded | PromotionPhase::Cancelled | PromotionPhase::Compared) => {
            (8, ReleasePhase::Superseded, State::Ready, Reason::Superseded)
        }
        At::Promotion(PromotionPhase::Verified) | At::Skipped(_) => return None,
    })
}

/// A gate of release management is a settled state. A missing name or missing consent is not: the controller waits for it as for work
/// in progress.
fn state_at_gate(reason: &Reason) -> State {
    match reason.class() {
        Class::Blocking | Class::Transient => State::Reconciling,
        Class::Holding | Class::Final => State::Ready,
    }
}

/// Every stage is verified, or one that the release never enters.
fn without_open_stage(project: &Project, stages: &[Stage]) -> Summary {
    if let Some(last) = stages.iter().rfind(|stage| !stage.is_skipped()) {
        return Summary {
            phase: ReleasePhase::Verified,
            state: State::Ready,
            reason: Reason::Verified,
            message: format!("verified in {}", last.name),
        };
    }
    match stages.iter().any(|stage| stage.at == At::Skipped(Exclusion::Superseded)) {
        true => Summary {
            phase: ReleasePhase::Superseded,
            state: State::Ready,
            reason: Reason::Superseded,
            message: "a newer release was promoted first".into(),
        },
        false => Summary {
            phase: ReleasePhase::Pending,
            state: State::Reconciling,
            reason: Reason::NoEnvironment,
            message: format!("the project {} has no environment that this release may enter", project.name),
        },
    }
}
