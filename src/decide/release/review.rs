//! The facts of a release that has ended, and who closed its review.
//!
//! Invariant: facts are only added. What the history limit deleted later is still among them.

use super::figures::figures;
use super::summary::Summary;
use crate::api::{
    CachedRelease, ClosedReview, Incident, Meta, Reason, RecordEntry, ReleasePhase, ReleaseReview,
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

/// The review of a release. None while it is in progress. `status`: as it will be written; `stored`: as it is.
pub(super) fn review(
    project: &Project,
    release: &CachedRelease,
    stored: &ReleaseStatus,
    status: &ReleaseStatus,
    summary: &Summary,
    now: Timestamp,
) -> Option<ReleaseReview> {
    let ending = ending(project, release, summary)?;
    let closed = newest(project, release.name(), release.created()).map(closed);
    let before = stored.review.as_ref();
    // It ended before Towpath wrote reviews, and no user reviewed it: its status stays as it is.
    if before.is_none() && closed.is_none() && stored.phase == summary.phase {
        return None;
    }
    let same = before.filter(|before| before.ending == ending.as_str());
    let ended_at = same.map_or_else(|| Time(seconds(now)), |before| before.ended_at.clone());
    let facts = match (same, before) {
        // Other changes of the application do not queue a release that is settled.
        (Some(same), _) if matches!(summary.phase, ReleasePhase::Verified | ReleasePhase::Superseded) => {
            same.clone()
        }
        (_, Some(before)) => added(before.clone(), facts(project, release, &status.environments)),
        (_, None) => facts(project, release, &status.environments),
    };
    Some(ReleaseReview { ending: ending.as_str().to_owned(), ended_at, closed, ..facts })
}

/// How a release ended. None while it is in progress.
fn ending(project: &Project, release: &CachedRelease, summary: &Summary) -> Option<Reason> {
    let is_recalled = || {
        let digest = release.digest();
        digest.is_some_and(|digest| project.recalls.iter().any(|recall| recall.names(digest)))
    };
    match summary.phase {
        ReleasePhase::Verified => Some(Reason::Verified),
        ReleasePhase::RolledBack | ReleasePhase::Failed if is_recalled() => Some(Reason::Recalled),
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

/// The newest review of a release that was created after a time and has an author. Both times come from the API server.
pub fn newest<'a>(project: &'a Project, release: &str, after: Timestamp) -> Option<&'a Review> {
    let of_it = project.reviews.iter().filter(|review| review.spec.release == release);
    of_it.map(AsRef::as_ref).rfind(|review| review.created() >= after && review.spec.author.is_some())
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

/// What can be observed now.
fn facts(project: &Project, release: &CachedRelease, lines: &[StageStatus]) -> ReleaseReview {
    let of_application = |promotion: &&crate::api::Promotion| {
        project.application_of(promotion).is_some_and(|name| name == release.application())
    };
    let promotions = project.promotions.values().map(AsRef::as_ref).filter(of_application);
    let mut all: Vec<RecordEntry> = promotions.map(RecordEntry::from).collect();
    delivery::sort(&mut all);
    let all: Vec<&RecordEntry> = all.iter().collect();
    let is_own =
        |entry: &&RecordEntry| entry.release == *release.name() && entry.created_at.0 >= release.created();
    let own: Vec<&RecordEntry> = all.iter().copied().filter(is_own).collect();
    let is_on_path = |line: &&StageStatus| Reason::from(line.state.as_str()) != Reason::NotAStage;
    let environments = lines.iter().filter(is_on_path);
    let overrides = own.iter().filter_map(|entry| {
        let gates = entry.overridden.as_ref()?;
        Some(format!("{}: {gates}", entry.environment))
    });
    ReleaseReview {
        ending: String::new(),
        ended_at: Time(release.created()),
        // Promotions and waits that last are not facts yet: they would change the status with every reconcile.
        environments: environments
            .map(|line| figures(line, &own, &line.waits, release.created(), None))
            .collect(),
        approvals: own.iter().map(|entry| i64::try_from(entry.approved.len()).unwrap_or(0)).sum(),
        overrides: overrides.take(MOST_OVERRIDES).collect(),
        incidents: incidents(&own, &all).into_iter().take(MOST_INCIDENTS).collect(),
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
            Some(known) => *known = repaired(known.clone(), incident),
            None => incidents.push(incident),
        }
    }
    incidents.truncate(MOST_INCIDENTS);
    let environments = found.environments.into_iter().map(|found| {
        let known = stored.environments.iter().find(|known| known.environment == found.environment);
        known.map_or_else(|| found.clone(), |known| most(known, &found))
    });
    ReleaseReview {
        environments: environments.collect(),
        approvals: stored.approvals.max(found.approvals),
        overrides,
        incidents,
        ..found
    }
}

/// An incident that is known, with its repair. The promotions that show it may have been deleted since.
fn repaired(known: Incident, found: Incident) -> Incident {
    match known.restored_at {
        Some(_) => known,
        None => found,
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
