//! The report of a release: its way through the environments, what it waited for, and what went wrong, from its record.

pub mod delivery;
mod html;
mod shown;
mod time_line;

use super::record::{Event, Kind, Objects, events_of, promotions};
use crate::api::{
    EnvironmentName, GateWait, Incident, Meta, PromotionKind, RecordEntry, Release, ReleaseChange,
    ReleasePhase, ReleaseStatus, Review, ReviewOutcome, StageFigures, StageStatus,
};
use crate::decide::history::incidents::incidents;
use crate::decide::release::figures::{figures, on_path, own};
use crate::decide::release::review::newest;
use crate::decide::release::waits::waits_until;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;
use std::collections::BTreeSet;

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
    /// How it ended, such as `RolledBack`. Absent while it is in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ending: Option<String>,
    /// When it ended so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Who closed its review, and with which words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review: Option<Closing>,
    /// The environments on its path.
    pub environments: Vec<InEnvironment>,
    /// Its promotions and rollbacks, in the order of their starts.
    pub promotions: Vec<Way>,
    /// Failures and rollbacks, oldest first.
    pub incidents: Vec<Incident>,
    /// Everything that happened, oldest first.
    pub events: Vec<Event>,
}

/// A review that a person closed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Closing {
    /// How it went.
    pub outcome: ReviewOutcome,
    /// The user who closed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    pub at: Timestamp,
    /// What was learned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// What will be done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub actions: Vec<String>,
}

/// The times of one promotion or rollback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Way {
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// Name of the promotion.
    pub promotion: String,
    /// Whether it is a rollback.
    pub rollback: bool,
    /// The phase that it is in, or ended in.
    pub phase: String,
    /// When it was requested.
    pub created_at: Timestamp,
    /// When it started to write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When all workloads were rolled out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rolled_out_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
}

/// A release in one environment. All lengths are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InEnvironment {
    /// What it needed.
    #[serde(flatten)]
    pub figures: StageFigures,
    /// Phase of the promotion, or the gate that the release waits at.
    pub state: String,
    /// The waits by gate, with one that lasts.
    pub waits: Vec<GateWait>,
}

/// The report of a release. `objects`: those of its project.
pub fn report(objects: &Objects, release: &Release, now: Timestamp) -> Report {
    let name = release.metadata.name.clone().unwrap_or_default();
    let application = release.spec.application.to_string();
    let all = promotions(objects);
    let created = release.metadata.creation_timestamp.as_ref().map_or(now, |at| at.0);
    let status = release.status.clone().unwrap_or_default();
    let own = own(&all, &name, created);
    let named =
        objects.recalls.iter().filter(|recall| status.digest.as_ref().is_some_and(|it| recall.names(it)));
    let lifted = status.interventions.iter().filter_map(|one| one.name.as_deref());
    let recalls: BTreeSet<&str> = named.map(Meta::name).chain(lifted).collect();
    let concerns = |event: &Event| {
        let is_recall = || event.name.as_deref().is_some_and(|name| recalls.contains(name));
        event.release.as_deref() == Some(&name)
            || (matches!(event.event, Kind::Recalled | Kind::Lifted) && is_recall())
    };
    let events = events_of(&all, objects).into_iter().filter(|event| concerns(event)).collect();
    let lines = on_path(&status.environments);
    let environments = lines.map(|line| in_environment(line, &own, created, now)).collect();
    let lane = |entry: &RecordEntry| entry.application.as_deref() == Some(application.as_str());
    let of_application: Vec<&RecordEntry> = all.iter().filter(|entry| lane(entry)).collect();
    let ReleaseStatus { phase, message, review, .. } = status;
    let ended_at = review.as_ref().and_then(|review| review.ended_at.as_ref()).map(|at| at.0);
    let mut incidents = incidents(&own, &of_application);
    // The controller saw those whose promotions are not in the record any more.
    let known = review.iter().flat_map(|review| &review.incidents);
    let is_found = |known: &Incident| incidents.iter().any(|found| found.promotion == known.promotion);
    let lost: Vec<Incident> = known.filter(|known| !is_found(known)).cloned().collect();
    incidents.extend(lost);
    incidents.sort_by_key(|incident| incident.began_at.0);
    Report {
        version: release.spec.version.clone(),
        change: release.spec.change.clone(),
        created_by: release.spec.requested_by.as_ref().map(|user| user.username.clone()),
        ending: review.as_ref().and_then(|review| review.ending.clone()),
        review: newest(objects.reviews.iter(), &name, ended_at.unwrap_or(created)).map(closing),
        ended_at,
        promotions: own.iter().map(|entry| way(entry)).collect(),
        incidents,
        events,
        release: name,
        application,
        phase,
        message,
        created_at: created,
        environments,
    }
}

fn closing(review: &Review) -> Closing {
    let spec = &review.spec;
    Closing {
        outcome: spec.outcome,
        by: spec.author.as_ref().map(|user| user.username.clone()),
        at: review.created(),
        notes: spec.notes.clone(),
        actions: spec.actions.clone(),
    }
}

fn way(entry: &RecordEntry) -> Way {
    let at = |time: &Option<Time>| time.as_ref().map(|time| time.0);
    Way {
        environment: entry.environment.clone(),
        promotion: entry.promotion.clone(),
        rollback: entry.kind == PromotionKind::Rollback,
        phase: entry.phase.clone(),
        created_at: entry.created_at.0,
        started_at: at(&entry.started_at),
        rolled_out_at: at(&entry.rolled_out_at),
        finished_at: at(&entry.finished_at),
    }
}

fn in_environment(
    line: &StageStatus,
    own: &[&RecordEntry],
    created: Timestamp,
    now: Timestamp,
) -> InEnvironment {
    let waits = waits_until(line, now);
    let figures = figures(line, own, &waits, created, Some(now));
    InEnvironment { figures, state: line.state.clone(), waits }
}

#[cfg(test)]
mod review_tests;
#[cfg(test)]
mod tests;
