//! What the status of an environment records about one application: the current, previous and last verified revision, and the history.

use crate::api::{ApplicationStatus, Ended, Meta, Promotion, RevisionRecord, RevisionRef};
use crate::decide::history::lane::Lane;

/// Maximum number of revisions in the history of an application.
const MOST_RECORDS: usize = 60;

/// The entry of an application in the status of its environment.
pub(super) fn entry(lane: &Lane<'_>) -> ApplicationStatus {
    let reference = |promotion: &Promotion| -> Option<RevisionRef> {
        let origin = lane.content_of(lane.revision(promotion.revision()?)?);
        let version = |promotion: &Promotion| promotion.status.as_ref()?.version.clone();
        // History may have forgotten the revision that a rollback restored. The rollback has its version.
        let is_forgotten = origin.is_none() && restored(lane, promotion.revision()?).is_some_and(|to| to > 0);
        Some(RevisionRef {
            revision: promotion.revision()?,
            version: origin.and_then(version).or_else(|| version(promotion).filter(|_| is_forgotten)),
            release: origin.map(|origin| origin.spec.release.clone()),
        })
    };
    // The current revision is the last one that ended. A promotion in progress is reported as active.
    let current = lane.here().rev().find(|promotion| promotion.phase().is_final());
    let number = current.and_then(Promotion::revision);
    let previous = lane.here().rev().find(|promotion| promotion.revision() < number);
    ApplicationStatus {
        name: lane.application.clone(),
        current: current.and_then(reference),
        previous: previous.and_then(reference),
        last_verified: lane.last_verified().and_then(reference),
        active: None,
        waiting: None,
        failing: None,
        recalled: None,
        delivery: Vec::new(),
        delivered: None,
        history: lane.revisions.iter().rev().copied().filter_map(record).take(MOST_RECORDS).collect(),
    }
}

/// The record of a promotion that ended.
fn record(promotion: &Promotion) -> Option<RevisionRecord> {
    let status = promotion.status.as_ref().filter(|status| status.phase.is_final())?;
    Some(RevisionRecord {
        revision: status.revision?,
        promotion: promotion.name().to_owned(),
        release: promotion.spec.release.clone(),
        digest: status.digest.clone(),
        outcome: Ended { kind: promotion.spec.kind, restores: status.restores, phase: status.phase }
            .to_string(),
        started_at: status.started_at.clone(),
        finished_at: status.finished_at.clone(),
    })
}

/// `shop 1.4.0 (r3)`.
pub(super) fn shown(lane: &Lane<'_>, entry: &ApplicationStatus) -> String {
    let Some(current) = &entry.current else { return format!("{} -", entry.name) };
    let version = current.version.as_deref().unwrap_or_else(|| match restored(lane, current.revision) {
        Some(0) => "baseline",
        Some(_) | None => "unknown",
    });
    format!("{} {version} (r{})", entry.name, current.revision)
}

/// The number at which a chain of restored revisions ends: 0 for what ran before Towpath first wrote. None if the revision restored nothing.
fn restored(lane: &Lane<'_>, revision: i64) -> Option<i64> {
    let restores = |number: i64| lane.revision(number)?.status.as_ref()?.restores.filter(|to| *to < number);
    std::iter::successors(restores(revision), |number| restores(*number)).last()
}
