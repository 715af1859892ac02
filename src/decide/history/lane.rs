//! A lane: one application in one environment, read from the promotions that are its memory.
//!
//! Every fact about what runs where comes from here: promotions are the record, everything else is computed from it.

use crate::api::{CachedRelease, Environment, Meta, Promotion, PromotionKind, PromotionPhase};
use crate::decide::world::Project;
use jiff::Timestamp;

/// One application in one environment.
#[derive(Clone, Debug)]
pub struct Lane<'a> {
    /// The environment.
    pub environment: &'a str,
    /// The application.
    pub application: &'a str,
    /// Its promotions with a revision, oldest first.
    pub revisions: Vec<&'a Promotion>,
    /// Its promotions without one, oldest first.
    pub pending: Vec<&'a Promotion>,
    /// UID of the target namespace as it is now.
    namespace_uid: Option<&'a str>,
}

/// Whether a promotion puts this release somewhere, and not another content that had its name and was deleted since. What
/// failed is remembered by name, so that nobody gets around it by creating the release again.
pub fn is_of(promotion: &Promotion, release: &CachedRelease) -> bool {
    promotion.spec.release == release.name()
        && promotion.spec.kind == PromotionKind::Promote
        && (promotion.phase() == PromotionPhase::Failed || !is_of_other_content(promotion, release))
}

/// Whether the release was deleted and created again with another content since the promotion looked at it.
pub fn is_of_other_content(promotion: &Promotion, release: &CachedRelease) -> bool {
    let seen = promotion.status.as_ref().and_then(|status| status.release_digest.as_deref());
    let now = release.digest();
    seen.zip(now).is_some_and(|(seen, now)| seen != now)
}

impl<'a> Lane<'a> {
    /// Reads the lane out of the project.
    pub fn of(project: &'a Project, environment: &'a Environment, application: &'a str) -> Self {
        let name = environment.name();
        let mut revisions = Vec::new();
        let mut pending = Vec::new();
        for promotion in project.promotions.values() {
            if promotion.spec.environment != name || project.application_of(promotion) != Some(application) {
                continue;
            }
            match promotion.revision() {
                Some(_) => revisions.push(promotion.as_ref()),
                None => pending.push(promotion.as_ref()),
            }
        }
        revisions.sort_by(|a, b| (a.revision(), a.name()).cmp(&(b.revision(), b.name())));
        pending.sort_by(|a, b| (a.created(), a.name()).cmp(&(b.created(), b.name())));
        let namespace_uid = project.namespace(environment).map(|facts| facts.uid.as_str());
        Self { environment: name, application, revisions, pending, namespace_uid }
    }

    /// The number of the next revision.
    pub fn next_revision(&self) -> i64 {
        self.revisions.last().and_then(|promotion| promotion.revision()).unwrap_or(0) + 1
    }

    /// Revisions of the target namespace as it exists now: one that was deleted and created again holds nothing.
    pub fn here(&self) -> impl DoubleEndedIterator<Item = &'a Promotion> + '_ {
        self.revisions.iter().copied().filter(|promotion| {
            promotion.status.as_ref().is_some_and(|status| {
                status.namespace_uid.is_none() || status.namespace_uid.as_deref() == self.namespace_uid
            })
        })
    }

    /// The revision that was put here last, however it ended.
    pub fn current(&self) -> Option<&'a Promotion> {
        self.here().next_back()
    }

    /// The newest revision that was verified.
    pub fn last_verified(&self) -> Option<&'a Promotion> {
        self.here().rev().find(|promotion| promotion.phase() == PromotionPhase::Verified)
    }

    /// The promotion that is under way.
    pub fn running(&self) -> Option<&'a Promotion> {
        self.revisions.iter().rev().copied().find(|promotion| promotion.phase().is_running())
    }

    /// Rollbacks that have not started, and may still.
    pub fn waiting_rollbacks(&self) -> impl Iterator<Item = &'a Promotion> + '_ {
        self.pending.iter().copied().filter(|promotion| {
            promotion.spec.kind == PromotionKind::Rollback
                && !promotion.phase().is_final()
                && !promotion.deleting()
        })
    }

    /// A promotion by its number.
    pub fn revision(&self, number: i64) -> Option<&'a Promotion> {
        self.revisions.iter().copied().find(|promotion| promotion.revision() == Some(number))
    }

    /// The first promotion of this lane in the namespace as it is: it holds the baseline.
    pub fn first(&self) -> Option<&'a Promotion> {
        self.here()
            .find(|promotion| promotion.status.as_ref().is_some_and(|status| status.baseline.is_some()))
    }

    /// Promotions of one release, newest first.
    pub fn of_release<'b>(&'b self, release: &'b CachedRelease) -> impl Iterator<Item = &'a Promotion> + 'b {
        let all = self.pending.iter().rev().chain(self.revisions.iter().rev()).copied();
        all.filter(move |promotion| is_of(promotion, release))
    }

    /// When the release was verified here.
    pub fn verified_at(&self, release: &CachedRelease) -> Option<Timestamp> {
        self.of_release(release)
            .filter(|promotion| promotion.phase() == PromotionPhase::Verified)
            .filter_map(|promotion| promotion.status.as_ref()?.finished_at.as_ref().map(|time| time.0))
            .next()
    }

    /// Whether a rollback to something older followed the newest promotion that verified the release.
    pub fn was_rolled_back(&self, release: &CachedRelease) -> bool {
        let verified = |promotion: &&Promotion| promotion.phase() == PromotionPhase::Verified;
        let Some(number) = self.of_release(release).find(verified).and_then(Promotion::revision) else {
            return false;
        };
        let restored = |other: &&Promotion| other.status.as_ref().and_then(|status| status.restores);
        let last = self.here().rev().find(|other| other.spec.kind == PromotionKind::Rollback);
        last.is_some_and(|other| {
            other.revision() > Some(number) && restored(&other).is_some_and(|to| to < number)
        })
    }

    /// The release whose content runs here: a rollback restored the release of an earlier revision.
    pub fn content_of(&self, promotion: &'a Promotion) -> Option<&'a Promotion> {
        let mut at = promotion;
        // A rollback names the revision that it restored, which may itself be a rollback; numbers only decrease.
        loop {
            match (at.spec.kind, at.status.as_ref().and_then(|status| status.restores)) {
                (PromotionKind::Promote, _) => return Some(at),
                (PromotionKind::Rollback, Some(number)) if at.revision().is_some_and(|own| number < own) => {
                    at = self.revision(number)?;
                }
                (PromotionKind::Rollback, _) => return None,
            }
        }
    }
}
