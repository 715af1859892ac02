//! Which content has which version. The promotions are the only record of it.

use super::lane::is_of_version;
use crate::api::{CachedRelease, Meta, Promotion, PromotionKind};
use crate::decide::world::Project;

/// The newest promotion that wrote another content under the version of this release, if none wrote the content with this digest.
///
/// A version means one content: a release that is created again after its source has moved on is another release.
pub fn other_content<'a>(
    project: &'a Project,
    release: &CachedRelease,
    digest: &str,
) -> Option<&'a Promotion> {
    let digest_of =
        |promotion: &Promotion| promotion.status.as_ref().and_then(|status| status.release_digest.clone());
    let wrote = project.promotions.values().map(AsRef::as_ref).filter(|promotion: &&Promotion| {
        promotion.spec.kind == PromotionKind::Promote
            && promotion.revision().is_some()
            && project.is_of(promotion, &release.application_name())
            && is_of_version(promotion, release)
    });
    let (mut same, mut other) = (false, None);
    for promotion in wrote {
        match digest_of(promotion) {
            Some(written) if written == digest => same = true,
            Some(_) => {
                let is_newer = |found: &Promotion| promotion.created() > found.created();
                if other.is_none_or(is_newer) {
                    other = Some(promotion);
                }
            }
            None => {}
        }
    }
    other.filter(|_| !same)
}

/// What to tell the author of a release whose version has another content: which promotion wrote it, and what to do.
pub fn refusal(release: &CachedRelease, digest: &str, found: &Promotion) -> String {
    let short = |digest: &str| digest.chars().take(12).collect::<String>();
    let written = found.status.as_ref().and_then(|status| status.release_digest.as_deref());
    format!(
        "version {} of {} was promoted to {} by {} with the digest {}; this content has the digest {}: create a Release with another \
         version",
        release.version(),
        release.application(),
        found.spec.environment,
        found.name(),
        short(written.unwrap_or_default()),
        short(digest),
    )
}

/// Whether a version is another one or newer. Semantic versions are compared as such, others by the order in which they were first promoted:
/// `promotions` are those of the application.
pub fn is_at_least<'a>(
    version: &str,
    wanted: &str,
    promotions: impl Iterator<Item = &'a Promotion> + Clone,
) -> bool {
    if version == wanted {
        return true;
    }
    if let (Ok(version), Ok(wanted)) = (semver::Version::parse(version), semver::Version::parse(wanted)) {
        return version >= wanted;
    }
    let first = |version: &str| {
        let is_of = |promotion: &&Promotion| {
            let recorded = promotion.status.as_ref().and_then(|status| status.version.as_deref());
            promotion.spec.kind == PromotionKind::Promote && recorded == Some(version)
        };
        promotions.clone().filter(is_of).map(Meta::created).min()
    };
    matches!((first(version), first(wanted)), (Some(version), Some(wanted)) if version > wanted)
}
