//! Which promotions are deployments, which of them failed, and what repaired them, as DORA defines its figures.
//!
//! All functions read entries of the record, so that they say the same about promotions that exist and about those that were deleted. `all`
//! are the entries of one application, in the order of their starts.

use super::decision::{Decision, Delivered};
use super::world::{Project, PromotionWorld};
use crate::api::{
    ApplicationName, ChangeType, EnvironmentId, LaneId, Meta, Promotion, PromotionKind, PromotionPhase,
    PromotionStatus, RecordEntry,
};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// Since when users had a bad revision: from the start of a deployment that failed, or from the request to roll back one that was verified.
/// None if nothing was wrong with it.
pub fn impaired_since(entry: &RecordEntry, all: &[&RecordEntry]) -> Option<Timestamp> {
    let started = entry.started_at.as_ref()?.0;
    match has_failed(entry) {
        true => Some(started),
        false => rollback_of(entry, all).map(|rollback| rollback.created_at.0),
    }
}

/// Whether a promotion ended without a good revision.
pub fn has_failed(entry: &RecordEntry) -> bool {
    entry.ended().is_some_and(PromotionPhase::has_failed)
}

/// Whether a promotion ended with a good revision.
pub fn is_verified(entry: &RecordEntry) -> bool {
    entry.ended() == Some(PromotionPhase::Verified)
}

/// Whether the release of this promotion was verified by it for the first time. A release that is promoted again is no new change, and an
/// earlier release may have had the same name.
pub fn is_first_verified(entry: &RecordEntry, lane: &[&RecordEntry]) -> bool {
    let is_same = |other: &&&RecordEntry| is_promoted(other) && other.release == entry.release;
    let first = lane.iter().filter(is_same).find(|other| is_verified(other));
    is_verified(entry) && first.is_some_and(|first| first.uid == entry.uid)
}

/// Whether a deployment repairs something: it is declared so, or the deployment before it was bad, whenever that one was.
pub fn is_rework(entry: &RecordEntry, lane: &[&RecordEntry]) -> bool {
    let earlier = lane.iter().rev().skip_while(|other| other.uid != entry.uid).skip(1);
    let before = earlier.copied().find(|other| is_promoted(other) && other.started_at.is_some());
    entry.change_type == Some(ChangeType::Emergency)
        || before.is_some_and(|before| impaired_since(before, lane).is_some())
}

/// The rollback that replaced a revision, or one that restored it after it had been replaced.
pub fn rollback_of<'a>(entry: &RecordEntry, all: &[&'a RecordEntry]) -> Option<&'a RecordEntry> {
    // The revisions with its content.
    let mut same = BTreeSet::from([entry.revision?]);
    for other in after(entry, all).filter(|other| other.kind == PromotionKind::Rollback) {
        match (other.restores, other.revision) {
            (Some(restored), Some(revision)) if same.contains(&restored) => _ = same.insert(revision),
            (_, _) if other.replaces.is_some_and(|replaced| same.contains(&replaced)) => return Some(other),
            (_, _) => {}
        }
    }
    None
}

/// The first revision that was verified after this one had failed or was rolled back. None if nothing was wrong with it.
pub fn restored_after<'a>(entry: &RecordEntry, all: &[&'a RecordEntry]) -> Option<&'a RecordEntry> {
    let good = |other: &&RecordEntry| other.revision.is_some() && is_verified(other);
    match has_failed(entry) {
        true => after(entry, all).filter(good).min_by_key(|other| other.revision),
        false => {
            let rollback = rollback_of(entry, all)?;
            let is_later = |other: &&RecordEntry| other.revision >= rollback.revision;
            after(entry, all).filter(good).filter(is_later).min_by_key(|other| other.revision)
        }
    }
}

/// Sorts entries in the order of their starts.
pub fn sort(entries: &mut [RecordEntry]) {
    let order = |entry: &RecordEntry| entry.started_at.as_ref().unwrap_or(&entry.created_at).0;
    entries.sort_by(|a, b| (order(a), a.revision, &a.promotion).cmp(&(order(b), b.revision, &b.promotion)));
}

fn is_promoted(entry: &RecordEntry) -> bool {
    entry.kind == PromotionKind::Promote
}

/// The revisions after this one, up to the one that has its number again: an environment that was recreated counts from 1.
fn after<'a>(entry: &RecordEntry, all: &[&'a RecordEntry]) -> impl Iterator<Item = &'a RecordEntry> {
    let here = all.iter().copied().filter(move |other| other.environment == entry.environment);
    let later = here.skip_while(move |other| other.uid != entry.uid).skip(1);
    later.take_while(move |other| other.revision.is_none() || other.revision > entry.revision)
}

/// What a promotion adds to the figures, if the decision ends it.
pub fn delivered(world: &PromotionWorld, decision: &Decision<PromotionStatus>) -> Option<Delivered> {
    let promotion = &world.promotion;
    let status = decision.memory.as_ref().or(decision.report.as_ref())?;
    if !status.phase.is_final() || promotion.spec.dry_run {
        return None;
    }
    let ended = Promotion { status: Some(status.clone()), ..Promotion::clone(promotion) };
    let application = world.project.application_of(&ended)?;
    let lane = LaneId {
        environment: EnvironmentId {
            project: world.project.name.clone(),
            environment: promotion.spec.environment.clone(),
        },
        application: application.clone(),
    };
    let entries = of_lane(&world.project, &ended, &application);
    let created = world.project.releases.get(&promotion.spec.release).and_then(|release| release.created);
    figures(lane, promotion.uid(), &entries, created)
}

/// The entries of the application in the environment of a promotion, with this one as it ended.
fn of_lane(project: &Project, ended: &Promotion, application: &ApplicationName) -> Vec<RecordEntry> {
    let others = project.promotions.values().map(AsRef::as_ref).filter(|other: &&Promotion| {
        other.uid() != ended.uid()
            && other.spec.environment == ended.spec.environment
            && project.is_of(other, application)
    });
    let mut entries: Vec<RecordEntry> = others.chain([ended]).map(RecordEntry::from).collect();
    sort(&mut entries);
    entries
}

/// What the promotion with this UID adds to the figures. `entries`: those of its lane, sorted. `created`: when its release was created.
pub fn figures(
    lane: LaneId,
    uid: &str,
    entries: &[RecordEntry],
    created: Option<Timestamp>,
) -> Option<Delivered> {
    let all: Vec<&RecordEntry> = entries.iter().collect();
    let own = entries.iter().find(|entry| entry.uid == uid)?;
    let end = own.finished_at.as_ref()?.0;
    let started = own.started_at.as_ref().map(|at| at.0);
    let is_own = |other: &RecordEntry| other.uid == own.uid;
    let deployed = || entries.iter().filter(|entry| is_promoted(entry) && entry.started_at.is_some());
    let reverted =
        deployed().filter(|entry| is_verified(entry) && rollback_of(entry, &all).is_some_and(is_own));
    let is_deployment = is_promoted(own) && started.is_some();
    let failed = reverted.chain(Some(own).filter(|own| is_deployment && has_failed(own)));
    let repaired = deployed().filter(|entry| restored_after(entry, &all).is_some_and(is_own));
    let created = created.filter(|created| *created <= own.created_at.0);
    let start = |entry: &RecordEntry| entry.started_at.as_ref().map(|at| at.0);
    Some(Delivered {
        lane,
        kind: own.kind,
        phase: own.ended()?,
        worked: started.map(|started| (started, end.duration_since(started))),
        failed: failed.filter_map(start).collect(),
        is_rework: is_deployment && is_rework(own, &all),
        lead_time: created
            .filter(|_| is_deployment && is_first_verified(own, &all))
            .map(|created| end.duration_since(created)),
        recovered: repaired
            .filter_map(|entry| Some((start(entry)?, end.duration_since(impaired_since(entry, &all)?))))
            .collect(),
    })
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
mod tests;
