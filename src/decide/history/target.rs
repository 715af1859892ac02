//! The revision that a rollback restores, and the revisions that it reverts.

use super::lane::Lane;
use crate::api::{Meta, Promotion, PromotionKind, PromotionPhase};

/// The revision that a rollback restores: the one in its spec, else the last verified one with other content than the release that is
/// rolled back, else the baseline. A repeated rollback of the same release therefore changes nothing.
pub fn rollback_revision(lane: &Lane<'_>, promotion: &Promotion) -> Option<i64> {
    let restores = promotion.status.as_ref().and_then(|status| status.restores);
    let is_other = |other| has_other_content(lane, other, promotion);
    restores.or(promotion.spec.to_revision).or_else(|| last_verified(lane, is_other))
}

/// Whether a revision has other content than the release that this rollback takes back. Another release may have the same content.
fn has_other_content<'a>(lane: &Lane<'a>, other: &'a Promotion, rollback: &Promotion) -> bool {
    let is_of_release = |promotion: &&Promotion| {
        promotion.spec.kind == PromotionKind::Promote && promotion.spec.release == rollback.spec.release
    };
    let rolled_back = lane.revisions.iter().rev().copied().find(is_of_release);
    match (lane.release_digest(other), rolled_back.and_then(|promotion| lane.release_digest(promotion))) {
        (Some(digest), Some(rolled_back)) => digest != rolled_back,
        (Some(_) | None, _) => {
            origin(lane, other).is_none_or(|origin| origin.spec.release != rollback.spec.release)
        }
    }
}

/// Whether a promotion restores the baseline.
pub fn restores_baseline(lane: &Lane<'_>, promotion: &Promotion) -> bool {
    promotion.spec.kind == PromotionKind::Rollback && rollback_revision(lane, promotion) == Some(0)
}

/// The last verified revision before the current one; the baseline if nothing was verified and the baseline was healthy. Content that is
/// recalled or was rolled back is no target.
pub fn default_target(lane: &Lane<'_>) -> Option<i64> {
    let current = lane.current().and_then(Promotion::revision);
    last_verified(lane, |promotion| promotion.revision() != current)
}

fn last_verified<'a>(lane: &Lane<'a>, may_be: impl Fn(&'a Promotion) -> bool) -> Option<i64> {
    let verified = lane
        .verified_targets()
        .find(|promotion| may_be(promotion))
        .map(|promotion| origin(lane, promotion).and_then(Promotion::revision).unwrap_or(0));
    let is_rejected = |promotion: &'a Promotion| {
        promotion.phase() == PromotionPhase::Verified && may_be(promotion) && !lane.is_target(promotion)
    };
    // Only a person restores what ran before the first release: a recall or a second rollback does not.
    verified.or_else(|| (has_healthy_baseline(lane) && !lane.here().any(is_rejected)).then_some(0))
}

/// The newest verified revision with other content than a verified promotion, from before it. What ran before Towpath first wrote is no
/// target: a person restores it.
pub fn verified_before(lane: &Lane<'_>, promotion: &Promotion) -> Option<i64> {
    let has_other_content = |other: &&Promotion| {
        let digest = |promotion: &Promotion| promotion.status.as_ref().and_then(|it| it.digest.clone());
        digest(other).is_none() || digest(other) != digest(promotion)
    };
    let earlier = lane.verified_targets().filter(|other| other.revision() < promotion.revision());
    let origins = earlier.filter_map(|other| lane.content_of(other));
    origins.filter(has_other_content).find_map(Promotion::revision)
}

/// Whether revision 0 can be restored.
pub fn has_healthy_baseline(lane: &Lane<'_>) -> bool {
    lane.first().and_then(|first| first.status.as_ref()?.baseline_healthy) == Some(true)
}

/// The revision that a recall restores: the last verified content of a release that is not recalled.
pub fn recall_target(lane: &Lane<'_>) -> Option<i64> {
    lane.verified_targets().find_map(|promotion| lane.content_of(promotion)?.revision())
}

/// Longest promotion name to which `-rollback-99` can be added: names have at most 253 characters. A longer name is replaced by its
/// beginning and the UID.
const LONGEST_NAME: usize = 241;
/// Length of that beginning.
const CUT_NAME: usize = 200;

/// The possible names of a rollback of a promotion, in order of preference: the name of the promotion with a suffix, then with a number.
pub fn rollback_names(promotion: &Promotion, suffix: &str) -> impl Iterator<Item = String> + use<> {
    let own = promotion.name();
    let base = match own.get(..CUT_NAME).filter(|_| own.len() > LONGEST_NAME) {
        None => format!("{own}-{suffix}"),
        Some(start) => format!("{}-{}-{suffix}", start.trim_end_matches(['-', '.']), promotion.uid()),
    };
    let numbered = (2..100).map({
        let base = base.clone();
        move |number| format!("{base}-{number}")
    });
    std::iter::once(base).chain(numbered)
}

/// The revisions to revert in order to restore the target: those since the content of the target last ran here.
pub fn reverted<'a, 'b>(
    lane: &'b Lane<'a>,
    target: i64,
) -> (i64, impl Iterator<Item = &'a Promotion> + use<'a, 'b>) {
    // Compares the content, because the history may no longer contain the revision that it came from.
    let wanted = rollback_content(lane, Some(target));
    let has_content = |promotion: &&'a Promotion| {
        let content = promotion.status.as_ref().and_then(|status| status.content.as_ref());
        promotion.phase() == PromotionPhase::Verified && content.is_some() && content == wanted.as_ref()
    };
    let last = lane.here().rev().find(has_content).and_then(Promotion::revision).unwrap_or(target);
    (last, lane.here().filter(move |promotion| promotion.revision() > Some(last)))
}

/// The newest promotion of an irreversible release that a rollback to a revision would revert. One that a verified rollback reverted already
/// keeps nothing from being restored.
pub fn irreversible<'a>(lane: &Lane<'a>, target: i64) -> Option<&'a Promotion> {
    let (_, reverted) = reverted(lane, target);
    reverted.filter(|promotion| !promotion.is_reversible() && !lane.is_reverted(promotion)).last()
}

/// That a rollback would revert an irreversible release, and what a person can do.
pub fn irreversible_release(promotion: &Promotion, target: i64) -> String {
    format!(
        "{} is irreversible (spec.change.reversible: false), so automation does not roll back behind it: promote a release that repairs it, \
         or, if its predecessor works on what it left behind, create a Promotion with kind: Rollback and toRevision: {target}",
        promotion.spec.release
    )
}

/// The promotion that first wrote the content of a revision; `None` for the baseline.
pub fn origin<'a>(lane: &Lane<'a>, promotion: &'a Promotion) -> Option<&'a Promotion> {
    lane.content_of(promotion)
}

/// The Content of a revision.
pub fn rollback_content(lane: &Lane<'_>, revision: Option<i64>) -> Option<String> {
    match revision? {
        0 => lane.first()?.status.as_ref()?.baseline.clone(),
        number => lane.revision(number)?.status.as_ref()?.content.clone(),
    }
}
