//! The outlook of an object, for a command that waits: how it ended, or whether it can go on without a person.

use crate::api::{
    CachedRelease, Ended, Environment, Promotion, PromotionKind, PromotionPhase, Reason, ReleasePhase,
    ReleaseStatus, RevisionRecord, StageStatus,
};
use serde::Serialize;

/// What a command that waits for a release, a promotion or an environment can expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Outlook {
    /// It continues without a person.
    Moving,
    /// It is verified.
    Verified,
    /// It failed, or was rolled back.
    Failed,
    /// It continues only when a person acts.
    AwaitsPerson,
    /// Nothing shows whether it is good.
    Inconclusive,
    /// A newer release replaced it.
    Superseded,
}

impl Outlook {
    /// The exit code of a command that waits. None while it has to go on waiting.
    pub fn exit_code(self) -> Option<u8> {
        match self {
            Self::Moving => None,
            Self::Verified => Some(0),
            Self::Failed => Some(10),
            Self::AwaitsPerson => Some(11),
            Self::Inconclusive => Some(13),
            Self::Superseded => Some(14),
        }
    }
}

/// The outlook of a release.
pub fn of_release(release: &CachedRelease) -> Outlook {
    let status = release.status().unwrap_or_default();
    if status.observed_generation < release.generation {
        return Outlook::Moving;
    }
    match status.phase {
        ReleasePhase::Pending | ReleasePhase::Promoting | ReleasePhase::RollingBack => Outlook::Moving,
        ReleasePhase::Waiting => of_waiting(&status),
        ReleasePhase::Verified => Outlook::Verified,
        ReleasePhase::Failed | ReleasePhase::RolledBack | ReleasePhase::Invalid => Outlook::Failed,
        ReleasePhase::Inconclusive => Outlook::Inconclusive,
        ReleasePhase::Superseded => Outlook::Superseded,
    }
}

/// A release that waits goes on by itself if one of its stages does.
fn of_waiting(status: &ReleaseStatus) -> Outlook {
    let is_open = |stage: &&StageStatus| {
        let state = Reason::from(stage.state.as_str());
        // What comes after another stage waits for that one.
        (state.is_holding() || state.is_blocking() || is_moving(&state)) && state != Reason::Order
    };
    let mut open = status.environments.iter().filter(is_open).peekable();
    let awaits =
        open.peek().is_some() && open.all(|stage| needs_a_person(&Reason::from(stage.state.as_str())));
    if awaits { Outlook::AwaitsPerson } else { Outlook::Moving }
}

fn is_moving(state: &Reason) -> bool {
    matches!(state, Reason::Pending | Reason::Promoting | Reason::Observing | Reason::RollingBack)
}

/// The outlook of a promotion.
pub fn of_promotion(promotion: &Promotion) -> Outlook {
    match promotion.phase() {
        PromotionPhase::Pending => {
            let reason = promotion.status.as_ref().and_then(|status| status.reason.as_deref());
            match reason.map(Reason::from) {
                Some(reason) if needs_a_person(&reason) => Outlook::AwaitsPerson,
                Some(_) | None => Outlook::Moving,
            }
        }
        PromotionPhase::Promoting | PromotionPhase::Observing => {
            let status = promotion.status.as_ref().filter(|status| status.waiting_since.is_some());
            let reason = status.and_then(|status| status.reason.as_deref()).map(Reason::from);
            match reason {
                Some(reason) if is_held_by_a_person(&reason) => Outlook::AwaitsPerson,
                Some(_) | None => Outlook::Moving,
            }
        }
        // A dry run has done what it was asked for.
        PromotionPhase::Verified | PromotionPhase::Compared => Outlook::Verified,
        PromotionPhase::Failed | PromotionPhase::Cancelled => Outlook::Failed,
        PromotionPhase::Inconclusive => Outlook::Inconclusive,
        PromotionPhase::Superseded => Outlook::Superseded,
    }
}

/// The outlook of an environment: of what runs there, once nothing moves and nothing waits.
pub fn of_environment(environment: &Environment) -> Outlook {
    let Some(status) = &environment.status else { return Outlook::Moving };
    if status.observed_generation < environment.metadata.generation.unwrap_or_default() {
        return Outlook::Moving;
    }
    if status.applications.iter().any(|application| application.active.is_some()) {
        return Outlook::Moving;
    }
    let gates = status.applications.iter().filter_map(|application| application.waiting.as_ref());
    let mut gates = gates.map(|waiting| Reason::from(waiting.gate.as_str())).peekable();
    if gates.peek().is_some() {
        return if gates.all(|gate| needs_a_person(&gate)) { Outlook::AwaitsPerson } else { Outlook::Moving };
    }
    let newest = status.applications.iter().filter_map(|application| application.history.first());
    let newest: Vec<Option<Ended>> = newest.map(RevisionRecord::ended).collect();
    let any = |phase| newest.iter().flatten().any(|ended| ended.phase == phase);
    // What was promoted before a rollback does not run.
    let is_back = newest.iter().flatten().any(|ended| ended.kind == PromotionKind::Rollback);
    match () {
        () if is_back || any(PromotionPhase::Failed) || any(PromotionPhase::Cancelled) => Outlook::Failed,
        () if any(PromotionPhase::Inconclusive) => Outlook::Inconclusive,
        () if newest.is_empty() || newest.contains(&None) => Outlook::AwaitsPerson,
        () => Outlook::Verified,
    }
}

/// Whether a rollout continues only when a person acts.
fn is_held_by_a_person(reason: &Reason) -> bool {
    matches!(reason, Reason::Paused | Reason::OnDelete | Reason::Partition | Reason::Suspended)
}

/// Whether only a person opens this gate.
pub fn needs_a_person(gate: &Reason) -> bool {
    is_held_by_a_person(gate)
        || matches!(
            gate,
            Reason::Approval
                | Reason::Manual
                | Reason::Hold
                | Reason::FailureHold
                | Reason::EvidenceHold
                | Reason::Recall
                | Reason::Review
                | Reason::Drift
                | Reason::Requester
                | Reason::Override
                | Reason::Deadline
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Release;
    use serde_json::{Value, json};

    fn release(phase: &str, stages: Value, observed: i64) -> CachedRelease {
        let release: Release = serde_json::from_value(json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "Release",
            "metadata": { "name": "shop-1.4.0", "generation": 1 },
            "spec": { "application": "shop", "version": "1.4.0", "source": { "environment": { "name": "dev" } } },
            "status": { "observedGeneration": observed, "phase": phase, "environments": stages },
        }))
        .unwrap();
        release.into()
    }

    fn stage(name: &str, state: &str) -> Value {
        json!({ "name": name, "state": state })
    }

    #[test]
    fn a_release_awaits_a_person_only_when_nothing_else_can_happen() {
        for (states, outlook) in [
            (vec!["Verified", "Approval"], Outlook::AwaitsPerson),
            (vec!["Verified", "Approval", "Order"], Outlook::AwaitsPerson),
            (vec!["Verified", "Manual", "Approval"], Outlook::AwaitsPerson),
            (vec!["Verified", "Approval", "Window"], Outlook::Moving),
            (vec!["Verified", "Window"], Outlook::Moving),
            (vec!["Verified", "Soak"], Outlook::Moving),
            (vec!["Verified", "NotGranted"], Outlook::Moving),
            (vec!["Promoting", "Manual"], Outlook::Moving),
            (vec!["Verified", "NotAStage"], Outlook::Moving),
            (vec!["Verified", "AWordOfANewerController"], Outlook::Moving),
            (vec![], Outlook::Moving),
        ] {
            let stages = states.iter().enumerate().map(|(index, state)| stage(&format!("e{index}"), state));
            let release = release("Waiting", stages.collect(), 1);
            assert_eq!(of_release(&release), outlook, "{states:?}");
        }
    }

    #[test]
    fn a_status_that_describes_an_older_spec_says_nothing() {
        assert_eq!(of_release(&release("Verified", json!([]), -1)), Outlook::Moving);
        assert_eq!(of_release(&release("Verified", json!([]), 1)), Outlook::Verified);
    }

    #[test]
    fn every_end_has_an_exit_code_of_its_own() {
        for (phase, code) in [
            ("Pending", None),
            ("Promoting", None),
            ("RollingBack", None),
            ("Verified", Some(0)),
            ("Failed", Some(10)),
            ("RolledBack", Some(10)),
            ("Invalid", Some(10)),
            ("Inconclusive", Some(13)),
            ("Superseded", Some(14)),
        ] {
            assert_eq!(of_release(&release(phase, json!([]), 1)).exit_code(), code, "{phase}");
        }
    }
}
