//! The whole release in one phase and one sentence, from what it does in each environment.

use super::stages::{At, Stage};
use crate::api::{Class, PromotionPhase, Reason, ReleasePhase};
use crate::decide::conditions::State;
use crate::decide::gates::gate::Exclusion;
use crate::decide::world::Project;

/// One word and one sentence for the whole release.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The phase.
    pub phase: ReleasePhase,
    /// The state that kstatus readers see.
    pub state: State,
    /// One word.
    pub reason: Reason,
    /// A sentence.
    pub message: String,
}

/// The whole release: the worst that is final, else what is being done, else what it waits for, else verified.
pub fn summarise(project: &Project, stages: &[Stage]) -> Summary {
    let say = |phase, state, reason: Reason, stage: &Stage| Summary {
        phase,
        state,
        reason,
        message: match stage.message.is_empty() {
            true => format!("{}: {}", stage.name, stage.state()),
            false => format!("{}: {}", stage.name, stage.message),
        },
    };
    let find = |wanted: &dyn Fn(&At) -> bool| stages.iter().find(|stage| wanted(&stage.at));
    if let Some(stage) = find(&|at| *at == At::RollingBack) {
        return say(ReleasePhase::RollingBack, State::Reconciling, Reason::RollingBack, stage);
    }
    if let Some(stage) = find(&|at| *at == At::RolledBack) {
        return say(ReleasePhase::RolledBack, State::Stalled, Reason::RolledBack, stage);
    }
    if let Some(stage) = find(&|at| matches!(at, At::RollbackFailed | At::Promotion(PromotionPhase::Failed)))
    {
        return say(ReleasePhase::Failed, State::Stalled, Reason::Failed, stage);
    }
    if let Some(stage) = find(&|at| matches!(at, At::Promotion(PromotionPhase::Pending))) {
        return say(ReleasePhase::Promoting, State::Reconciling, Reason::Pending, stage);
    }
    if let Some(stage) = find(&|at| matches!(at, At::Blocked(_))) {
        return say(ReleasePhase::Waiting, State::Reconciling, stage.state(), stage);
    }
    let busy = |at: &At| {
        matches!(at, At::InProgress | At::Promotion(PromotionPhase::Promoting | PromotionPhase::Observing))
    };
    if let Some(stage) = find(&busy) {
        return say(ReleasePhase::Promoting, State::Reconciling, Reason::Promoting, stage);
    }
    if let Some(stage) = find(&|at| *at == At::Superseded) {
        return say(ReleasePhase::RolledBack, State::Ready, Reason::Superseded, stage);
    }
    // The first gate that is closed, those behind it wait for the same.
    if let Some(stage) = stages.iter().find(|stage| matches!(stage.at, At::Gate(_))) {
        let reason = stage.state();
        // A missing name or consent is being waited for like work; a gate of release management is a state to stay in.
        let state = match reason.class() {
            Class::Blocking | Class::Transient => State::Reconciling,
            Class::Holding | Class::Final => State::Ready,
        };
        return say(ReleasePhase::Waiting, state, reason, stage);
    }
    if let Some(stage) =
        find(&|at| matches!(at, At::Promotion(PromotionPhase::Superseded | PromotionPhase::Cancelled)))
    {
        return say(ReleasePhase::Superseded, State::Ready, Reason::Superseded, stage);
    }
    let passed: Vec<&Stage> = stages.iter().filter(|stage| !stage.is_skipped()).collect();
    if let Some(last) = passed.last().filter(|_| !passed.is_empty()) {
        return Summary {
            phase: ReleasePhase::Verified,
            state: State::Ready,
            reason: Reason::Verified,
            message: format!("verified in {}", last.name),
        };
    }
    let superseded = stages.iter().any(|stage| stage.at == At::Skipped(Exclusion::Superseded));
    match superseded {
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
