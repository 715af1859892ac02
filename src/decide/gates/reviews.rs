//! Reviews as a gate: after a release failed in an environment that requires reviews, the next one waits until it was reviewed.

use super::gate::Gate;
use crate::api::{
    CachedRelease, Environment, Meta, Promotion, PromotionKind, PromotionPhase, Reason, ReviewMode,
};
use crate::decide::history::lane::Lane;
use crate::decide::release::review::newest;
use crate::decide::world::Project;

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
    let Some((failed, how)) = failure(lane).filter(|(failed, _)| failed.spec.release != release.name())
    else {
        return Gate::Open;
    };
    let name = &failed.spec.release;
    match newest(project, name, failed.created()) {
        Some(_) => Gate::Open,
        None => Gate::closed(
            Reason::Review,
            format!(
                "{name} {how} here ({}) and was not reviewed; the gate opens when it is: kubectl towpath review {name}",
                failed.name()
            ),
        ),
    }
}

/// The last promotion with a verdict, if it failed or was rolled back, and which of both.
fn failure<'a>(lane: &Lane<'a>) -> Option<(&'a Promotion, &'static str)> {
    let promotions = lane.revisions.iter().rev().filter(|it| it.spec.kind == PromotionKind::Promote);
    for promotion in promotions {
        match promotion.phase() {
            PromotionPhase::Failed => return Some((promotion, "failed")),
            PromotionPhase::Verified => {
                return lane.is_rolled_back(promotion).then_some((promotion, "was rolled back"));
            }
            PromotionPhase::Inconclusive => return None,
            PromotionPhase::Pending
            | PromotionPhase::Promoting
            | PromotionPhase::Observing
            | PromotionPhase::Superseded
            | PromotionPhase::Cancelled
            | PromotionPhase::Compared => {}
        }
    }
    None
}
