//! Reviews as a gate: after a release failed in an environment that requires reviews, the next one waits until it was reviewed.

use super::gate::Gate;
use crate::api::{
    CachedRelease, Environment, Meta, Promotion, PromotionKind, PromotionPhase, Reason, ReviewMode,
};
use crate::decide::conditions::seconds;
use crate::decide::history::lane::{Lane, has_failed, is_of_other_content};
use crate::decide::release::review::newest;
use crate::decide::world::Project;
use jiff::Timestamp;

/// A release that failed in a lane.
struct Failure<'a> {
    promotion: &'a Promotion,
    /// What happened to it.
    how: &'static str,
    /// When. A review before that is not about it.
    at: Timestamp,
}

/// The last release that failed here was reviewed.
pub(super) fn failure_is_reviewed(
    project: &Project,
    environment: &Environment,
    lane: &Lane<'_>,
    release: &CachedRelease,
) -> Gate {
    if environment.spec.review == ReviewMode::Optional {
        return Gate::Open;
    }
    let is_same =
        |failed: &Promotion| failed.spec.release == release.name() && !is_of_other_content(failed, release);
    let Some(failure) = failure(lane).filter(|failure| !is_same(failure.promotion)) else {
        return Gate::Open;
    };
    let (name, how) = (&failure.promotion.spec.release, failure.how);
    match newest(project.reviews.iter().map(AsRef::as_ref), name, seconds(failure.at)) {
        Some(_) => Gate::Open,
        None => Gate::closed(
            Reason::Review,
            format!(
                "{name} {how} here ({}) and was not reviewed; the gate opens when it is: kubectl towpath review {name} --outcome OUTCOME",
                failure.promotion.name()
            ),
        ),
    }
}

/// The last failure since a release was verified here and stayed. A release that runs again after a later one failed can itself be rolled
/// back, so the last failure need not be that of the newest release.
fn failure<'a>(lane: &Lane<'a>) -> Option<Failure<'a>> {
    let promotions = lane.revisions.iter().rev().copied().filter(|it| it.spec.kind == PromotionKind::Promote);
    let mut failures = Vec::new();
    for promotion in promotions {
        let undone = undone_at(lane, promotion).map(|at| Failure { promotion, how: "was rolled back", at });
        match promotion.phase() {
            PromotionPhase::Failed if has_failed(promotion) => {
                let finished = promotion.status.as_ref().and_then(|status| status.finished_at.as_ref());
                let at = finished.map_or_else(|| promotion.created(), |at| at.0);
                failures.push(Failure { promotion, how: "failed", at });
            }
            PromotionPhase::Verified if undone.is_none() => break,
            PromotionPhase::Verified | PromotionPhase::Inconclusive => failures.extend(undone),
            PromotionPhase::Failed
            | PromotionPhase::Pending
            | PromotionPhase::Promoting
            | PromotionPhase::Observing
            | PromotionPhase::Superseded
            | PromotionPhase::Cancelled
            | PromotionPhase::Compared => {}
        }
    }
    // Of failures in the same second, that of the newest release counts.
    failures.into_iter().rev().max_by_key(|failure| failure.at)
}

/// When the rollback was created that reverted a revision.
fn undone_at(lane: &Lane<'_>, promotion: &Promotion) -> Option<Timestamp> {
    let number = promotion.revision()?;
    let later = lane.revisions.iter().filter(|other| other.revision() > Some(number));
    later
        .filter(|other| other.spec.kind == PromotionKind::Rollback)
        .find(|rollback| lane.reverts(rollback, number))
        .map(|rollback| rollback.created())
}
