//! The facts of a release that has ended, and who closed its review.
//!
//! Invariant: facts are only added. What the history limit deleted later is still among them.

use super::MOST_LINES;
use super::figures::{figures, on_path, own};
use super::summary::Summary;
use crate::api::{
    CachedRelease, ClosedReview, Meta, Promotion, Reason, RecordEntry, ReleasePhase, ReleaseReview,
    ReleaseStatus, Review, StageFigures, StageStatus, UserInfo,
};
use crate::decide::conditions::seconds;
use crate::decide::delivery;
use crate::decide::history::incidents::incidents;
use crate::decide::world::Project;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Maximum number of incidents.
const MOST_INCIDENTS: usize = 20;
/// Maximum number of overrides.
const MOST_OVERRIDES: usize = 10;

/// The review of a release. None until it has ended. `status`: as it will be written; `stored`: as it is.
pub(super) fn review(
    project: &Project,
    release: &CachedRelease,
    stored: &ReleaseStatus,
    status: &ReleaseStatus,
    summary: &Summary,
    now: Timestamp,
) -> Option<ReleaseReview> {
    let before = stored.review.as_ref();
    let Some(reason) = ended(summary.phase) else {
        // It is promoted again. What it met before is still a fact.
        return before.map(|before| ReleaseReview {
            ending: None,
            ended_at: None,
            closed: None,
            ..before.clone()
        });
    };
    // It ended before Towpath kept reviews, and no user reviewed it: its status stays as it is.
    let newest = |since| newest(project.reviews.iter().map(AsRef::as_ref), release.name(), since);
    let first = newest(release.created());
    if before.is_none() && first.is_none() && stored.phase == summary.phase {
        return None;
    }
    let is_same = |before: &&ReleaseReview| {
        before.ending.is_some() && stored.phase == summary.phase && is_complete(before, summary.phase)
    };
    let facts = match before.filter(is_same) {
        Some(same) => same.clone(),
        None => observed(project, release, before, status, (reason, &summary.reason), now),
    };
    let since = facts.ended_at.as_ref().map_or(release.created(), |at| seconds(at.0));
    let closed = newest(since).map(closed);
    Some(ReleaseReview { closed, ..facts })
}

/// How a release in this phase has ended. None if it has not.
fn ended(phase: ReleasePhase) -> Option<Reason> {
    match phase {
        ReleasePhase::Verified => Some(Reason::Verified),
        ReleasePhase::RolledBack => Some(Reason::RolledBack),
        ReleasePhase::Failed => Some(Reason::Failed),
        ReleasePhase::Inconclusive => Some(Reason::Inconclusive),
        ReleasePhase::Superseded => Some(Reason::Superseded),
        ReleasePhase::Pending
        | ReleasePhase::Promoting
        | ReleasePhase::Waiting
        | ReleasePhase::RollingBack
        | ReleasePhase::Invalid => None,
    }
}

/// Whether nothing can be added: other changes of the application do not queue a release that is settled, and an incident ends once.
fn is_complete(review: &ReleaseReview, phase: ReleasePhase) -> bool {
    let is_settled = matches!(phase, ReleasePhase::Verified | ReleasePhase::Superseded);
    is_settled || review.incidents.iter().all(|incident| incident.restored_at.is_some())
}

/// What is stored, with what can be observed now.
fn observed(
    project: &Project,
    release: &CachedRelease,
    before: Option<&ReleaseReview>,
    status: &ReleaseStatus,
    (ended, reason): (Reason, &Reason),
    now: Timestamp,
) -> ReleaseReview {
    let entries = entries(project, release);
    let all: Vec<&RecordEntry> = entries.iter().collect();
    let own = own(&entries, release.name(), release.created());
    let found = facts(&own, &all, release, &status.environments);
    let facts = match before {
        Some(before) => added(before.clone(), found),
        None => found,
    };
    let last = own.iter().filter_map(|entry| entry.finished_at.as_ref()).map(|at| seconds(at.0)).max();
    let known = before.and_then(|before| before.ended_at.as_ref()).map(|at| at.0);
    let ended_at = last.max(known).unwrap_or_else(|| seconds(now));
    let was_bad = matches!(ended, Reason::RolledBack | Reason::Failed);
    let ending = match was_bad && (*reason == Reason::Recalled || is_recalled(&own)) {
        true => Reason::Recalled,
        false => ended,
    };
    ReleaseReview { ending: Some(ending.to_string()), ended_at: Some(Time(ended_at)), ..facts }
}

/// Whether a Recall ended a release. `own`: its promotions and rollbacks.
fn is_recalled(own: &[&RecordEntry]) -> bool {
    let word = own.last().and_then(|entry| entry.cause.as_ref().or(entry.reason.as_ref()));
    word.is_some_and(|word| Reason::from(word.as_str()) == Reason::Recalled)
}

/// The newest of these reviews that is of a release, has an author, and was created after a time. Both times come from the API server.
pub fn newest<'a>(
    reviews: impl Iterator<Item = &'a Review>,
    release: &str,
    after: Timestamp,
) -> Option<&'a Review> {
    let counts = |review: &&Review| {
        let is_named = review.spec.release == *release && review.spec.author.is_some();
        is_named && !review.deleting() && review.created() >= after
    };
    reviews.filter(counts).max_by(|a, b| (a.created(), a.name()).cmp(&(b.created(), b.name())))
}

fn closed(review: &Review) -> ClosedReview {
    let by = |author: &UserInfo| author.username.clone();
    ClosedReview {
        review: review.name().to_owned(),
        outcome: review.spec.outcome,
        by: review.spec.author.as_ref().map(by),
        at: Time(review.created()),
    }
}

/// The promotions of the application, in the order of their starts.
fn entries(project: &Project, release: &CachedRelease) -> Vec<RecordEntry> {
    let application = release.application_name();
    let promotions = project.promotions.values().map(AsRef::as_ref);
    let of_it = promotions.filter(|promotion: &&Promotion| project.is_of(promotion, &application));
    let mut all: Vec<RecordEntry> = of_it.map(RecordEntry::from).collect();
    delivery::sort(&mut all);
    all
}

/// What can be observed now. `own`: the promotions and rollbacks of the release; `all`: those of the application.
fn facts(
    own: &[&RecordEntry],
    all: &[&RecordEntry],
    release: &CachedRelease,
    lines: &[StageStatus],
) -> ReleaseReview {
    let environments = on_path(lines);
    let overrides = own.iter().filter_map(|entry| {
        let gates = entry.overridden.as_ref()?;
        Some(format!("{}: {gates}", entry.environment))
    });
    ReleaseReview {
        ending: None,
        ended_at: None,
        // Promotions and waits that last are not facts yet: they would change the status with every reconcile.
        environments: environments
            .map(|line| figures(line, own, &line.waits, release.created(), None))
            .collect(),
        approvals: own.iter().map(|entry| i64::try_from(entry.approved.len()).unwrap_or(0)).sum(),
        overrides: overrides.take(MOST_OVERRIDES).collect(),
        incidents: incidents(own, all).into_iter().take(MOST_INCIDENTS).collect(),
        closed: None,
    }
}

/// What is stored, and what was found.
fn added(stored: ReleaseReview, found: ReleaseReview) -> ReleaseReview {
    let mut overrides = stored.overrides;
    overrides.extend(found.overrides.into_iter().filter(|one| !overrides.contains(one)).collect::<Vec<_>>());
    overrides.truncate(MOST_OVERRIDES);
    let mut incidents = stored.incidents;
    for incident in found.incidents {
        match incidents.iter_mut().find(|known| known.promotion == incident.promotion) {
            // The promotions that show its repair may have been deleted since.
            Some(known) if known.restored_at.is_some() => {}
            Some(known) => *known = incident,
            None => incidents.push(incident),
        }
    }
    incidents.truncate(MOST_INCIDENTS);
    let mut environments = stored.environments;
    for found in found.environments {
        match environments.iter_mut().find(|known| known.environment == found.environment) {
            Some(known) => *known = most(known, &found),
            None => environments.push(found),
        }
    }
    environments.truncate(MOST_LINES);
    ReleaseReview {
        environments,
        approvals: stored.approvals.max(found.approvals),
        overrides,
        incidents,
        ending: None,
        ended_at: None,
        closed: None,
    }
}

fn most(known: &StageFigures, found: &StageFigures) -> StageFigures {
    StageFigures {
        environment: found.environment.clone(),
        lead_time: known.lead_time.or(found.lead_time),
        waited_for_people: known.waited_for_people.max(found.waited_for_people),
        waited_otherwise: known.waited_otherwise.max(found.waited_otherwise),
        worked: known.worked.max(found.worked),
        tries: known.tries.max(found.tries),
    }
}
