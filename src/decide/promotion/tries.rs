//! Earlier promotions since the last verified revision. A release that is promoted again to measure it again runs already: it is compared
//! with what was before the first try, and not with itself.

use super::Scene;
use crate::api::{Check, CheckReport, Promotion, PromotionKind, PromotionPhase};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The value of a check from before the first try.
pub(super) fn baseline(scene: &Scene<'_>, check: &Check) -> Option<String> {
    unverified(scene).filter_map(|promotion| report(promotion, check)?.baseline.clone()).last()
}

/// When the first try of this release started, for each check that measured one.
pub(super) fn measured_since(scene: &Scene<'_>) -> BTreeMap<String, Timestamp> {
    let own = scene.world.promotion.status.as_ref().and_then(|status| status.release_digest.as_deref());
    let own = own.or_else(|| scene.release.and_then(|release| release.digest()));
    let is_same = |promotion: &&Promotion| {
        let digest = promotion.status.as_ref().and_then(|status| status.release_digest.as_deref());
        promotion.spec.kind == PromotionKind::Promote && digest.is_some() && digest == own
    };
    let tries: Vec<&Promotion> = unverified(scene).take_while(is_same).collect();
    let first = |check: &Check| {
        let has_measured = |report: &CheckReport| report.passed + report.failed > 0;
        let of_check = tries.iter().filter(|it| report(it, check).is_some_and(has_measured));
        of_check.filter_map(|it| Some(it.status.as_ref()?.started_at.as_ref()?.0)).next_back()
    };
    let checks = scene.policy.checks.iter();
    checks.filter_map(|check| Some((check.name.clone(), first(check)?))).collect()
}

/// The promotions before this one that were not verified, newest first.
fn unverified<'a>(scene: &'a Scene<'_>) -> impl Iterator<Item = &'a Promotion> {
    let own = scene.world.promotion.revision();
    let earlier =
        scene.lane.here().rev().filter(move |other| own.is_none_or(|own| other.revision() < Some(own)));
    earlier.take_while(|promotion| promotion.phase() != PromotionPhase::Verified)
}

fn report<'a>(promotion: &'a Promotion, check: &Check) -> Option<&'a CheckReport> {
    promotion.status.as_ref()?.checks.iter().find(|report| report.name == check.name)
}
