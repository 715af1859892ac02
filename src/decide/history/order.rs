//! The order of releases.

use crate::api::{ApplicationName, CachedRelease, Meta, Promotion, PromotionKind, PromotionPhase};
use crate::decide::world::Project;
use std::cmp::Ordering;
use std::sync::Arc;

/// The order of releases: creation, then semantic version, then name.
pub fn newer(a: &CachedRelease, b: &CachedRelease) -> Ordering {
    a.created()
        .cmp(&b.created())
        .then_with(|| match (semver::Version::parse(a.version()), semver::Version::parse(b.version())) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            (Ok(_), Err(_)) => Ordering::Greater,
            (Err(_), Ok(_)) => Ordering::Less,
            (Err(_), Err(_)) => Ordering::Equal,
        })
        .then_with(|| a.name().cmp(b.name()))
}

/// Whether a promotion promoted a newer release than this one.
///
/// The creation time of a deleted release is unknown. While its promotion runs, and after it was verified, the deleted release counts as
/// newer than a release that was created before that promotion and that does not have the greater semantic version. Deleting a release
/// therefore does not start a promotion of an older one.
pub fn promotes_newer(project: &Project, promotion: &Promotion, release: &CachedRelease) -> bool {
    if promotion.spec.kind != PromotionKind::Promote || promotion.spec.release == release.name() {
        return false;
    }
    if let Some(other) = project.releases.get(&promotion.spec.release) {
        return other.application() == release.application() && newer(other, release).is_gt();
    }
    let still_counts = promotion.phase().is_running() || promotion.phase() == PromotionPhase::Verified;
    still_counts && release.created() <= promotion.created() && !has_greater_version(release, promotion)
}

/// Whether the version of a release is greater than the one that was promoted. False unless both are semantic versions.
fn has_greater_version(release: &CachedRelease, promotion: &Promotion) -> bool {
    let promoted = promotion.status.as_ref().and_then(|status| status.version.as_deref()).unwrap_or_default();
    match (semver::Version::parse(release.version()), semver::Version::parse(promoted)) {
        (Ok(own), Ok(promoted)) => own > promoted,
        (Ok(_) | Err(_), _) => false,
    }
}

/// The releases of one application, newest first, without those that are being deleted.
pub fn releases_of<'a>(project: &'a Project, application: &ApplicationName) -> Vec<&'a Arc<CachedRelease>> {
    let mut releases: Vec<_> = project
        .releases
        .values()
        .filter(|release| *application == *release.application() && !release.deleting())
        .collect();
    releases.sort_by(|a, b| newer(b, a));
    releases
}
