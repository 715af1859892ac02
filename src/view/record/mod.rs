//! The record of a project: one event for each thing that people and the controller did, from the objects and from what is left of
//! promotions that the history limit has deleted.
//!
//! Invariant: the events of a promotion follow from its [`RecordEntry`], so they are the same before and after it is deleted.

pub mod chain;
pub mod log;

use super::log::why;
use crate::api::{
    Approved, ChangeFreeze, Environment, EnvironmentName, InterventionKind, Meta, Promotion, PromotionKind,
    Recall, RecordEntry, Recorded, Release, Review,
};
use crate::decide::delivery;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The objects of a project that the record is made of.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Releases.
    pub releases: Vec<Release>,
    /// Environments.
    pub environments: Vec<Environment>,
    /// Promotions.
    pub promotions: Vec<Promotion>,
    /// Recalls.
    pub recalls: Vec<Recall>,
    /// Reviews.
    pub reviews: Vec<Review>,
    /// Freezes.
    pub freezes: Vec<ChangeFreeze>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When it happened, in whole seconds.
    pub at: Timestamp,
    /// UID of the object and what happened to it. No two events of a cluster have the same one.
    pub id: String,
    /// What happened.
    pub event: Kind,
    /// Name of the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// Name of the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// Name of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Version of the release or, of a rollback, of the content that it restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Name of the Promotion, Recall, Review or ChangeFreeze.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether the promotion is a rollback.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
    /// Number of the revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// SHA-256 of what was written, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The user who did it; `towpath` if the controller did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// How it ended, or a reason in one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Details in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What happened. Within a second, events are in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Kind {
    /// A Release was created.
    ReleaseCreated,
    /// A release was held.
    Held,
    /// The hold of a release ended.
    Resumed,
    /// A Recall was created.
    Recalled,
    /// A Recall was deleted.
    Lifted,
    /// A promotion or rollback was requested.
    Requested,
    /// A user approved it.
    Approved,
    /// A user rejected it.
    Rejected,
    /// It passed closed gates.
    Overridden,
    /// It started to write.
    Started,
    /// All workloads were rolled out.
    RolledOut,
    /// It ended.
    Ended,
    /// A Review of a release was created.
    Reviewed,
    /// A ChangeFreeze was created or changed.
    Frozen,
    /// Older entries of the record were dropped: the message says how many.
    Dropped,
}

impl Event {
    fn new(at: Timestamp, uid: &str, kind: Kind) -> Self {
        Self {
            at: Timestamp::from_second(at.as_second()).unwrap_or(at),
            id: format!("{uid}/{kind:?}"),
            event: kind,
            application: None,
            environment: None,
            release: None,
            version: None,
            name: None,
            rollback: false,
            revision: None,
            digest: None,
            by: None,
            result: None,
            message: None,
        }
    }
}

/// All events, oldest first.
pub fn events(objects: &Objects) -> Vec<Event> {
    events_of(&promotions(objects), objects)
}

/// The events of these promotions, and those of the other objects, oldest first. A Recall that exists and the releases that it names say the
/// same.
pub fn events_of(promotions: &[RecordEntry], objects: &Objects) -> Vec<Event> {
    let mut events: Vec<Event> = promotions.iter().flat_map(of_promotion).chain(of_others(objects)).collect();
    // Times are whole seconds: within one, a request comes before what followed from it.
    events.sort_by(|a, b| (a.at, a.event, &a.id).cmp(&(b.at, b.event, &b.id)));
    let mut recalls = BTreeSet::new();
    let is_recall = |event: &Event| matches!(event.event, Kind::Recalled | Kind::Lifted);
    events.retain(|event| !is_recall(event) || recalls.insert(event.id.clone()));
    events
}

/// The promotions of a project, deleted ones included, in the order of their starts; those that did not start, of their creation. A dry run
/// is no part of the record.
pub fn promotions(objects: &Objects) -> Vec<RecordEntry> {
    let live = objects.promotions.iter().filter(|promotion| !promotion.spec.dry_run);
    let mut all: Vec<RecordEntry> = live.map(RecordEntry::from).collect();
    let uids: BTreeSet<&str> = all.iter().map(|entry| entry.uid.as_str()).collect();
    let deleted = entries(&objects.releases, &objects.environments);
    let deleted: Vec<RecordEntry> =
        deleted.filter(|entry| !uids.contains(entry.uid.as_str())).cloned().collect();
    all.extend(deleted);
    delivery::sort(&mut all);
    all
}

/// The entries of promotions that were deleted.
pub fn entries<'a>(
    releases: &'a [Release],
    environments: &'a [Environment],
) -> impl Iterator<Item = &'a RecordEntry> {
    let of_releases = releases.iter().filter_map(Recorded::recorded);
    let all = of_releases.chain(environments.iter().filter_map(Recorded::recorded));
    all.flat_map(|(record, _)| record.values())
}

impl Objects {
    /// Whether older promotions were dropped from a record.
    pub fn are_incomplete(&self) -> bool {
        let of_releases = self.releases.iter().filter_map(Recorded::recorded);
        let mut all = of_releases.chain(self.environments.iter().filter_map(Recorded::recorded));
        all.any(|(_, dropped)| dropped.is_some_and(|dropped| dropped > 0))
    }
}

/// What happened in a promotion.
fn of_promotion(entry: &RecordEntry) -> Vec<Event> {
    let event = |at: Timestamp, kind: Kind| Event {
        application: entry.application.as_ref().map(ToString::to_string),
        environment: Some(entry.environment.clone()),
        release: Some(entry.release.to_string()),
        version: entry.version.clone(),
        name: Some(entry.promotion.clone()),
        rollback: entry.kind == PromotionKind::Rollback,
        revision: entry.revision,
        ..Event::new(at, &entry.uid, kind)
    };
    let timed = |at: &Option<Time>, kind: Kind| at.as_ref().map(|at| event(at.0, kind));
    let by = entry.by().to_owned();
    let requested = Event {
        by: Some(by.clone()),
        result: entry.cause.clone(),
        message: entry.request.clone(),
        // They are not known from the beginning.
        application: None,
        revision: None,
        version: None,
        ..event(entry.created_at.0, Kind::Requested)
    };
    let overridden = entry.overridden.as_ref().zip(entry.started_at.as_ref()).map(|(gates, at)| Event {
        by: Some(by.clone()),
        message: Some(gates.clone()),
        ..event(at.0, Kind::Overridden)
    });
    let decided = |one: &Approved, kind: Kind| {
        let decided = event(one.at.as_ref().map_or(entry.created_at.0, |at| at.0), kind);
        let id = format!("{}/{}", decided.id, one.by);
        Event { id, by: Some(one.by.clone()), message: one.comment.clone(), revision: None, ..decided }
    };
    let started =
        timed(&entry.started_at, Kind::Started).map(|it| Event { digest: entry.digest.clone(), ..it });
    let ended = timed(&entry.finished_at, Kind::Ended).map(|it| Event {
        result: Some(entry.phase.clone()),
        message: Some(ending(entry)),
        ..it
    });
    let mut events = vec![requested];
    events.extend(entry.approved.iter().map(|one| decided(one, Kind::Approved)));
    events.extend(entry.rejected.iter().map(|one| decided(one, Kind::Rejected)));
    events.extend(overridden);
    events.extend(started);
    events.extend(timed(&entry.rolled_out_at, Kind::RolledOut));
    events.extend(ended);
    events
}

/// How a promotion ended: its reason and message, and the checks and tests that did not pass.
fn ending(entry: &RecordEntry) -> String {
    let why = why(&entry.phase, entry.reason.as_ref(), entry.message.as_ref());
    let results = entry.checks.iter().map(|one| ("check", one));
    let results = results.chain(entry.tests.iter().map(|one| ("test", one)));
    let bad = results.filter(|(_, one)| !matches!(one.result.as_str(), "Passed" | "Skipped" | ""));
    let bad: Vec<String> = bad.map(|(what, one)| format!("{what} {}: {}", one.name, one.result)).collect();
    [vec![why], bad].concat().join("; ")
}

/// What happened to releases, recalls, reviews and freezes.
fn of_others(objects: &Objects) -> impl Iterator<Item = Event> + use<'_> {
    let releases = objects.releases.iter().flat_map(|release| {
        let name = release.metadata.name.clone();
        let dropped = dropped(release, &release.metadata).map(|event| Event { release: name, ..event });
        [Some(of_release(release)), dropped]
    });
    let environments =
        objects.environments.iter().map(|environment| dropped(environment, &environment.metadata));
    let recalls = objects.recalls.iter().map(|recall| Event {
        application: Some(recall.spec.application.to_string()),
        name: Some(recall.name().to_owned()),
        by: recall.spec.author.as_ref().map(|user| user.username.clone()),
        message: Some(format!("{}: {}", recalled(recall, objects), recall.spec.reason)),
        ..Event::new(recall.created(), recall.uid(), Kind::Recalled)
    });
    let freezes = objects.freezes.iter().map(|freeze| {
        let spec = &freeze.spec;
        let names: Vec<&str> = spec.environments.iter().map(|name| name.as_str()).collect();
        let which = if names.is_empty() { "all environments".to_owned() } else { names.join(", ") };
        Event {
            // A freeze can be changed: each version of it is an event.
            id: format!(
                "{}/Frozen/{}",
                freeze.metadata.uid.as_deref().unwrap_or_default(),
                freeze.metadata.generation.unwrap_or(1)
            ),
            name: freeze.metadata.name.clone(),
            message: Some(format!("{which} from {} to {}: {}", spec.from.0, spec.to.0, spec.reason)),
            ..of_object(&freeze.metadata, Kind::Frozen)
        }
    });
    let reviews = objects.reviews.iter().map(of_review);
    let interventions = objects.releases.iter().flat_map(of_interventions);
    let others = recalls.chain(interventions).chain(reviews).chain(freezes);
    releases.chain(environments).flatten().chain(others)
}

/// The releases whose content a recall declares bad; the digests, of those that were deleted.
fn recalled(recall: &Recall, objects: &Objects) -> String {
    let digest = |release: &Release| release.status.as_ref().and_then(|status| status.digest.clone());
    let named = recall.spec.digests.iter().map(|recalled| {
        let of_it = objects.releases.iter().filter(|release| digest(release).as_ref() == Some(recalled));
        let names: Vec<&str> = of_it.filter_map(|release| release.metadata.name.as_deref()).collect();
        if names.is_empty() { recalled.clone() } else { names.join(", ") }
    });
    named.collect::<Vec<_>>().join(", ")
}

fn of_object(metadata: &ObjectMeta, kind: Kind) -> Event {
    let created = metadata.creation_timestamp.as_ref().map_or(Timestamp::UNIX_EPOCH, |at| at.0);
    Event::new(created, metadata.uid.as_deref().unwrap_or_default(), kind)
}

fn of_release(release: &Release) -> Event {
    let spec = &release.spec;
    Event {
        application: Some(spec.application.to_string()),
        release: release.metadata.name.clone(),
        version: Some(spec.version.clone()),
        by: spec.requested_by.as_ref().map(|user| user.username.clone()),
        message: spec.change.as_ref().and_then(|change| change.description.summary.clone()),
        ..of_object(&release.metadata, Kind::ReleaseCreated)
    }
}

/// The holds of a release, and its recalls, which may be lifted and gone.
fn of_interventions(release: &Release) -> Vec<Event> {
    let (spec, uid) = (&release.spec, release.metadata.uid.as_deref().unwrap_or_default());
    let interventions = release.status.iter().flat_map(|status| &status.interventions);
    let events = interventions.flat_map(|one| {
        let (began, ended) = match one.kind {
            InterventionKind::Hold => (Kind::Held, Kind::Resumed),
            InterventionKind::Recall => (Kind::Recalled, Kind::Lifted),
        };
        let event = |at: &Time, kind: Kind| {
            let event = Event::new(at.0, one.uid.as_deref().unwrap_or(uid), kind);
            // A release can be held several times.
            let id = match one.kind {
                InterventionKind::Hold => format!("{}/{}", event.id, at.0.as_second()),
                InterventionKind::Recall => event.id.clone(),
            };
            let release = release.metadata.name.clone().filter(|_| one.kind == InterventionKind::Hold);
            let application = Some(spec.application.to_string());
            Event { id, application, release, name: one.name.clone(), ..event }
        };
        let begin = Event { by: one.by.clone(), message: one.reason.clone(), ..event(&one.from, began) };
        let end = one.to.as_ref().map(|to| event(to, ended));
        std::iter::once(begin).chain(end).collect::<Vec<_>>()
    });
    events.collect()
}

fn of_review(review: &Review) -> Event {
    let spec = &review.spec;
    let actions = spec.actions.iter().map(|action| format!("action: {action}"));
    let words: Vec<String> = spec.notes.iter().cloned().chain(actions).collect();
    Event {
        release: Some(spec.release.to_string()),
        name: Some(review.name().to_owned()),
        by: spec.author.as_ref().map(|user| user.username.clone()),
        result: Some(spec.outcome.as_str().to_owned()),
        message: Some(words.join("; ")).filter(|words| !words.is_empty()),
        ..Event::new(review.created(), review.uid(), Kind::Reviewed)
    }
}

/// That the record of an object has lost its oldest entries, at the time of the oldest one that is left.
fn dropped(object: &impl Recorded, metadata: &ObjectMeta) -> Option<Event> {
    let (record, count) = object.recorded()?;
    let (count, oldest) = count.zip(record.values().next())?;
    let uid = metadata.uid.as_deref().unwrap_or_default();
    let event = Event::new(oldest.created_at.0, uid, Kind::Dropped);
    Some(Event {
        id: format!("{}/{count}", event.id),
        name: metadata.name.clone(),
        message: Some(format!("{count} older promotions are not in the record any more")),
        ..event
    })
}

#[cfg(test)]
mod tests;
