//! Earlier tries of a release that is promoted again because it could not be measured: it runs already, so it is compared with what was
//! before the first try, and not with itself.

use super::Scene;
use crate::api::{Promotion, PromotionKind, PromotionPhase};
use jiff::Timestamp;

/// The value of a query from before the first try. None if the check asked something else then.
pub(super) fn baseline(scene: &Scene<'_>, check: &str, query: &str) -> Option<String> {
    let reports = tries(scene)
        .filter_map(|promotion| promotion.status.as_ref()?.checks.iter().find(|report| report.name == check));
    let same = reports.filter(|report| report.query.as_deref() == Some(query));
    same.filter_map(|report| report.baseline.clone()).last()
}

/// When the first try started.
pub(super) fn first_started(scene: &Scene<'_>) -> Option<Timestamp> {
    tries(scene).filter_map(|promotion| Some(promotion.status.as_ref()?.started_at.as_ref()?.0)).last()
}

/// The promotions of the same release just before this one that were not verified, newest first.
fn tries<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = &'a Promotion> {
    let promotion = &scene.world.promotion;
    let digest = promotion.status.as_ref().and_then(|status| status.release_digest.as_deref());
    let digest = digest.or_else(|| scene.release.and_then(|release| release.digest()));
    let is_same = move |other: &&Promotion| {
        let other_digest = other.status.as_ref().and_then(|status| status.release_digest.as_deref());
        other.spec.kind == PromotionKind::Promote
            && other.phase() != PromotionPhase::Verified
            && digest.is_some()
            && other_digest == digest
    };
    let own = promotion.revision();
    let is_earlier = move |other: &&Promotion| own.is_none_or(|own| other.revision() < Some(own));
    scene.lane.here().rev().filter(is_earlier).take_while(is_same)
}
