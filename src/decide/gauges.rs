//! The state of all projects in numbers, as the metrics show it: what is in progress, what waits since when, what is stopped.
//!
//! Invariant: the status of a release is read only while the release may still start somewhere. The cost of settled releases is that of looking
//! at their phase.

use crate::api::{
    CachedRelease, Channel, CheckProvider, Condition, Environment, EnvironmentId, HOLDS, LaneId, Meta,
    ProjectName, Promotion, PromotionKind, PromotionPhase, Reason, RollbackPolicy, StageStatus, ready,
};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The conditions that an environment has only while something needs attention.
pub const ALARMS: [Reason; 7] = [
    Reason::ApprovalOverdue,
    Reason::Drifted,
    Reason::FailingAfterVerification,
    Reason::FreezeIneffective,
    Reason::NotifyIneffective,
    Reason::OverridesPending,
    Reason::SecurityDegraded,
];

/// The objects of all projects.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Releases.
    pub releases: Vec<Arc<CachedRelease>>,
    /// Environments.
    pub environments: Vec<Arc<Environment>>,
    /// Promotions.
    pub promotions: Vec<Arc<Promotion>>,
    /// Rollback policies.
    pub policies: Vec<Arc<RollbackPolicy>>,
    /// Check providers.
    pub providers: Vec<Arc<CheckProvider>>,
    /// Channels.
    pub channels: Vec<Arc<Channel>>,
}

/// The state in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gauges {
    /// The lanes that have a promotion, or that a release may still enter.
    pub lanes: BTreeMap<LaneId, LaneGauges>,
    /// For each environment, which of the [`ALARMS`] it has.
    pub alarms: BTreeMap<EnvironmentId, BTreeSet<Reason>>,
    /// Number of rollback policies that cannot be used, for each project with an environment or a policy.
    pub unusable_policies: BTreeMap<ProjectName, u32>,
    /// Number of check providers that do not answer.
    pub silent_providers: u32,
    /// Number of channels that do not accept notifications.
    pub failing_channels: u32,
}

/// The state of one application in one environment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LaneGauges {
    /// Number of promotions and rollbacks that have started and not ended.
    pub in_progress: u32,
    /// Why automation is stopped, if it is: `Failed`, `Inconclusive`, `Recalled` or `RollbackFailed`.
    pub held: BTreeSet<Reason>,
    /// What waits, by gate or obstacle.
    pub waiting: BTreeMap<Reason, Waiting>,
}

/// The releases that wait at one gate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Their number.
    pub releases: u32,
    /// Seconds since the one that waits longest began to.
    pub longest: i64,
}

/// The state at a time.
pub fn gauges(seen: &Seen, now: Timestamp) -> Gauges {
    let mut gauges = Gauges::default();
    for environment in &seen.environments {
        gauges.alarms.insert(environment.id(), alarms(environment));
        gauges.unusable_policies.entry(environment.project()).or_default();
    }
    promoted(&mut gauges, seen);
    waits(&mut gauges, seen, now);
    for environment in &seen.environments {
        let applications = environment.status.iter().flat_map(|status| &status.applications);
        for application in applications.filter(|application| application.recalled.is_some()) {
            let lane = LaneId { environment: environment.id(), application: application.name.clone() };
            gauges.lanes.entry(lane).or_default().held.insert(Reason::Recalled);
        }
    }
    for policy in &seen.policies {
        let unusable = gauges.unusable_policies.entry(policy.project()).or_default();
        *unusable += u32::from(policy.status.as_ref().is_some_and(|status| is_unready(&status.conditions)));
    }
    let providers = seen.providers.iter().filter_map(|provider| provider.status.as_ref());
    gauges.silent_providers = providers.map(|status| u32::from(is_unready(&status.conditions))).sum();
    let channels = seen.channels.iter().filter_map(|channel| channel.status.as_ref());
    gauges.failing_channels = channels.map(|status| u32::from(is_unready(&status.conditions))).sum();
    gauges
}

/// The lanes with a promotion: how many are in progress, and whether the newest one stopped automation.
fn promoted(gauges: &mut Gauges, seen: &Seen) {
    let mut newest: BTreeMap<LaneId, &Promotion> = BTreeMap::new();
    for promotion in seen.promotions.iter().filter(|promotion| !promotion.spec.dry_run) {
        let Some(lane) = lane_of(promotion).filter(|lane| gauges.alarms.contains_key(&lane.environment))
        else {
            continue;
        };
        let entry = gauges.lanes.entry(lane.clone()).or_default();
        entry.in_progress += u32::from(promotion.phase().is_running());
        if promotion.revision().is_some() {
            let last = newest.entry(lane).or_insert(promotion);
            if last.revision() < promotion.revision() {
                *last = promotion;
            }
        }
    }
    for (lane, promotion) in newest {
        gauges.lanes.entry(lane).or_default().held.extend(hold(promotion));
    }
}

/// The lane of a promotion. None while its application is unknown.
fn lane_of(promotion: &Promotion) -> Option<LaneId> {
    let status = promotion.status.as_ref().and_then(|status| status.application.as_ref());
    let environment =
        EnvironmentId { project: promotion.project(), environment: promotion.spec.environment.clone() };
    Some(LaneId { environment, application: status.or(promotion.spec.application.as_ref())?.clone() })
}

/// Why the newest promotion of a lane stops automation, if it does.
fn hold(promotion: &Promotion) -> Option<Reason> {
    let phase = promotion.phase();
    let conditions = promotion.status.iter().flat_map(|status| &status.conditions);
    let holds = || conditions.clone().any(|it| it.type_ == HOLDS && it.status == "True");
    match (promotion.spec.kind, phase) {
        (PromotionKind::Rollback, PromotionPhase::Failed) => Some(Reason::RollbackFailed),
        (PromotionKind::Promote | PromotionKind::Rollback, _) => {
            (phase.has_failed() && holds()).then(|| phase.reason())
        }
    }
}

/// What the releases wait for that may still start somewhere.
fn waits(gauges: &mut Gauges, seen: &Seen, now: Timestamp) {
    let open = seen.releases.iter().filter(|release| release.phase().is_open() && !release.deleting);
    for release in open {
        let Some(status) = release.status() else { continue };
        let stages = status.environments.iter().filter(|stage| is_entered(stage));
        for stage in stages {
            let environment = EnvironmentId { project: release.project(), environment: stage.name.clone() };
            if !gauges.alarms.contains_key(&environment) {
                continue;
            }
            let lane = LaneId { environment, application: release.application_name() };
            let entry = gauges.lanes.entry(lane).or_default();
            let gate = Reason::from(stage.state.as_str());
            if let Some(since) = stage.since.as_ref().filter(|_| gate.is_wait()) {
                let waiting = entry.waiting.entry(gate).or_default();
                waiting.releases += 1;
                waiting.longest = waiting.longest.max(now.duration_since(since.0).as_secs());
            }
        }
    }
}

/// Whether a release may be promoted to the environment of this stage.
fn is_entered(stage: &StageStatus) -> bool {
    Reason::from(stage.state.as_str()) != Reason::NotAStage
}

fn alarms(environment: &Environment) -> BTreeSet<Reason> {
    let conditions = environment.status.iter().flat_map(|status| &status.conditions);
    let is_raised =
        |alarm: &Reason| conditions.clone().any(|it| alarm.as_str() == it.type_ && it.status == "True");
    ALARMS.into_iter().filter(is_raised).collect()
}

/// Whether the condition `Ready` is known and not True.
fn is_unready(conditions: &[Condition]) -> bool {
    ready(conditions).is_some_and(|ready| ready.status != "True")
}

#[cfg(test)]
#[path = "gauges_tests.rs"]
mod tests;
