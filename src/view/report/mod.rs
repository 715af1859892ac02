//! The report of a release: its way through the environments, what it waited for, and what went wrong, from its record.

pub mod delivery;
mod shown;

use super::record::{Event, Kind, Objects, events_of, promotions};
use crate::api::{
    EnvironmentName, GateWait, Meta, PromotionKind, Reason, RecordEntry, Release, ReleaseChange,
    ReleasePhase, ReleaseStatus, StageStatus,
};
use crate::decide::delivery::{has_failed, impaired_since, is_verified, restored_after, rollback_of};
use crate::decide::release::waits::waits_until;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;

/// Gates and obstacles that end when a person acts. Others end by themselves, or when something else has ended.
const NEED_A_PERSON: [Reason; 22] = [
    Reason::Approval,
    Reason::Manual,
    Reason::Hold,
    Reason::Recall,
    Reason::FailureHold,
    Reason::EvidenceHold,
    Reason::Requester,
    Reason::Drift,
    Reason::Override,
    Reason::NotGranted,
    Reason::NamespaceMissing,
    Reason::Environment,
    Reason::Security,
    Reason::Preflight,
    Reason::CheckRefused,
    Reason::ContentMissing,
    Reason::SharedNamespace,
    Reason::Paused,
    Reason::OnDelete,
    Reason::Partition,
    Reason::Suspended,
    Reason::SchedulingGated,
];

/// What happened to a release.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Name of the release.
    pub release: String,
    /// Name of the application.
    pub application: String,
    /// Its version.
    pub version: String,
    /// Phase of the release.
    pub phase: ReleasePhase,
    /// The phase in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What the release says about its change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ReleaseChange>,
    /// When it was created.
    pub created_at: Timestamp,
    /// The user who created it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// The environments on its path.
    pub environments: Vec<InEnvironment>,
    /// Failures and rollbacks, oldest first.
    pub incidents: Vec<Incident>,
    /// Everything that happened, oldest first.
    pub events: Vec<Event>,
}

/// A release in one environment. All lengths are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InEnvironment {
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// Phase of the promotion, or the gate that the release waits at.
    pub state: String,
    /// From the creation of the release until it was first verified here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_time: Option<i64>,
    /// Waits that ended when a person acted.
    pub waited_for_people: i64,
    /// Other waits: windows, freezes, soak times, environments before this one.
    pub waited_otherwise: i64,
    /// From the starts of its promotions to their ends.
    pub worked: i64,
    /// The waits by gate, with one that lasts.
    pub waits: Vec<GateWait>,
    /// Number of promotions of the release here.
    pub tries: usize,
}

/// A failure, and how it was repaired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// Name of the promotion that failed, or that was rolled back after it was verified.
    pub promotion: String,
    /// What failed, in one word.
    pub cause: String,
    /// The cause in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the promotion started; of one that was verified, when its rollback was requested.
    pub began_at: Timestamp,
    /// When a verified revision ran again. Absent if none did so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_at: Option<Timestamp>,
    /// Version that ran then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored: Option<String>,
}

/// The report of a release. `objects`: those of its project.
pub fn report(objects: &Objects, release: &Release, now: Timestamp) -> Report {
    let name = release.metadata.name.clone().unwrap_or_default();
    let application = release.spec.application.to_string();
    let all = promotions(objects);
    let created = release.metadata.creation_timestamp.as_ref().map_or(now, |at| at.0);
    let status = release.status.clone().unwrap_or_default();
    // An earlier release may have had the same name.
    let is_own = |entry: &&RecordEntry| entry.release == *name.as_str() && entry.created_at.0 >= created;
    let own: Vec<&RecordEntry> = all.iter().filter(is_own).collect();
    let recalls: BTreeSet<&str> = objects
        .recalls
        .iter()
        .filter(|recall| status.digest.as_ref().is_some_and(|digest| recall.names(digest)))
        .map(Meta::name)
        .collect();
    let concerns = |event: &Event| {
        let is_recall = || event.name.as_deref().is_some_and(|name| recalls.contains(name));
        event.release.as_deref() == Some(&name) || (event.event == Kind::Recalled && is_recall())
    };
    let events = events_of(&all, objects).into_iter().filter(|event| concerns(event)).collect();
    let is_on_path = |line: &&StageStatus| Reason::from(line.state.as_str()) != Reason::NotAStage;
    let lines = status.environments.iter().filter(is_on_path);
    let environments = lines.map(|line| in_environment(line, &own, created, now)).collect();
    let lane = |entry: &RecordEntry| entry.application.as_deref() == Some(application.as_str());
    let of_application: Vec<&RecordEntry> = all.iter().filter(|entry| lane(entry)).collect();
    let ReleaseStatus { phase, message, .. } = status;
    Report {
        version: release.spec.version.clone(),
        change: release.spec.change.clone(),
        created_by: release.spec.requested_by.as_ref().map(|user| user.username.clone()),
        incidents: incidents(&own, &of_application),
        events,
        release: name,
        application,
        phase,
        message,
        created_at: created,
        environments,
    }
}

fn in_environment(
    line: &StageStatus,
    own: &[&RecordEntry],
    created: Timestamp,
    now: Timestamp,
) -> InEnvironment {
    let here = || own.iter().filter(|entry| entry.environment == line.name);
    let promoted = || here().filter(|entry| entry.kind == PromotionKind::Promote);
    let verified = promoted().filter(|entry| is_verified(entry));
    let first = verified.filter_map(|entry| entry.finished_at.as_ref()).map(|at| at.0).min();
    let worked = here().filter_map(|entry| {
        let start = entry.started_at.as_ref()?.0;
        Some(length(start, entry.finished_at.as_ref().map_or(now, |at| at.0)))
    });
    let waits = waits_until(line, now);
    let of_people = |wait: &&GateWait| NEED_A_PERSON.contains(&Reason::from(wait.gate.as_str()));
    let (people, other): (Vec<&GateWait>, Vec<&GateWait>) = waits.iter().partition(of_people);
    let sum = |waits: &[&GateWait]| waits.iter().map(|wait| wait.seconds).sum();
    InEnvironment {
        environment: line.name.clone(),
        state: line.state.clone(),
        lead_time: first.map(|at| length(created, at)),
        waited_for_people: sum(&people),
        waited_otherwise: sum(&other),
        worked: worked.sum(),
        tries: promoted().count(),
        waits,
    }
}

fn length(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs().max(0)
}

/// The promotions of a release that failed or were rolled back. `all`: those of the application.
fn incidents(own: &[&RecordEntry], all: &[&RecordEntry]) -> Vec<Incident> {
    let promoted = own.iter().filter(|entry| entry.kind == PromotionKind::Promote);
    promoted.filter_map(|entry| incident(entry, all)).collect()
}

/// What went wrong with a promotion, if something did. `all`: the promotions of the application.
fn incident(entry: &RecordEntry, all: &[&RecordEntry]) -> Option<Incident> {
    let began = impaired_since(entry, all)?;
    let rollback = rollback_of(entry, all);
    let restored = restored_after(entry, all);
    let cause = rollback.and_then(|rollback| rollback.cause.clone()).or_else(|| entry.reason.clone());
    let message = match has_failed(entry) {
        true => entry.message.clone(),
        false => rollback.and_then(|rollback| rollback.request.clone()),
    };
    Some(Incident {
        environment: entry.environment.clone(),
        promotion: entry.promotion.clone(),
        cause: cause.unwrap_or_else(|| entry.phase.clone()),
        message,
        began_at: began,
        restored_at: restored.and_then(|entry| entry.finished_at.as_ref()).map(|at| at.0),
        restored: restored.and_then(|entry| entry.version.clone()),
    })
}

#[cfg(test)]
mod tests;
