//! A lane: one application in one environment, computed from its promotions.
//!
//! Invariant: promotions are the only record of what runs where. Everything else is computed from them here.

use crate::api::{
    ApplicationName, CachedRelease, Environment, EnvironmentName, Meta, Promotion, PromotionKind,
    PromotionPhase, Reason, Recall,
};
use crate::decide::world::Project;
use jiff::Timestamp;

/// One application in one environment.
#[derive(Clone, Debug)]
pub struct Lane<'a> {
    /// The environment.
    pub environment: EnvironmentName,
    /// The application.
    pub application: ApplicationName,
    /// Its promotions with a revision, oldest first.
    pub revisions: Vec<&'a Promotion>,
    /// Its promotions without one, oldest first.
    pub pending: Vec<&'a Promotion>,
    /// The recalls of the application, oldest first.
    pub recalls: Vec<&'a Recall>,
    /// UID of the target namespace that exists now.
    namespace_uid: Option<&'a str>,
}

/// Whether a promotion is of this release, and not of a deleted release of the same name with another version or other content. A failed
/// promotion counts whatever the content, so that recreating a release does not bypass a failure.
pub fn is_of(promotion: &Promotion, release: &CachedRelease) -> bool {
    promotion.spec.release == release.name()
        && promotion.spec.kind == PromotionKind::Promote
        && is_of_version(promotion, release)
        && (promotion.phase().has_failed() || !is_of_other_content(promotion, release))
}

/// Whether a promotion is of the version of this release. True as long as the version of the promotion is not recorded.
pub fn is_of_version(promotion: &Promotion, release: &CachedRelease) -> bool {
    let version = promotion.status.as_ref().and_then(|status| status.version.as_deref());
    version.is_none_or(|version| version == release.version())
}

/// Whether a promotion promoted the content of this release, under whatever name.
pub fn is_of_content(promotion: &Promotion, release: &CachedRelease) -> bool {
    let digest = promotion.status.as_ref().and_then(|status| status.release_digest.as_deref());
    promotion.spec.kind == PromotionKind::Promote && digest.is_some() && digest == release.digest()
}

/// Whether the release was deleted and recreated with other content after the promotion read its digest.
pub fn is_of_other_content(promotion: &Promotion, release: &CachedRelease) -> bool {
    let seen = promotion.status.as_ref().and_then(|status| status.release_digest.as_deref());
    let now = release.digest();
    seen.zip(now).is_some_and(|(seen, now)| seen != now)
}

/// Whether the release failed in this promotion, or nothing shows whether it is good. It did not if its namespace was deleted.
pub fn has_failed(promotion: &Promotion) -> bool {
    let reason = promotion.status.as_ref().and_then(|status| status.reason.as_deref());
    promotion.phase().has_failed()
        && reason.is_none_or(|reason| Reason::from(reason) != Reason::NamespaceDeleted)
}

impl<'a> Lane<'a> {
    /// The lane of an application in an environment of a project.
    pub fn of(project: &'a Project, environment: &Environment, application: &ApplicationName) -> Self {
        let name = environment.name();
        let all = project.promotions.values().map(AsRef::as_ref);
        let here = all.filter(|promotion: &&Promotion| promotion.spec.environment == name);
        let of_it = here.filter(|promotion| project.is_of(promotion, application));
        Self::among(of_it, project, environment, application)
    }

    /// The lane of another application that was loaded with the project.
    pub fn of_other(project: &'a Project, environment: &Environment, application: &ApplicationName) -> Self {
        let all = project.others.get(application).into_iter().flatten().map(AsRef::as_ref);
        let here = all.filter(|promotion: &&Promotion| promotion.spec.environment == environment.name());
        Self::among(here, project, environment, application)
    }

    fn among(
        promotions: impl Iterator<Item = &'a Promotion>,
        project: &'a Project,
        environment: &Environment,
        application: &ApplicationName,
    ) -> Self {
        let mut revisions = Vec::new();
        let mut pending = Vec::new();
        for promotion in promotions {
            match promotion.revision() {
                Some(_) => revisions.push(promotion),
                None => pending.push(promotion),
            }
        }
        revisions.sort_by(|a, b| (a.revision(), a.name()).cmp(&(b.revision(), b.name())));
        pending.sort_by(|a, b| (a.created(), a.name()).cmp(&(b.created(), b.name())));
        let namespace_uid = project.namespace(environment).map(|facts| facts.uid.as_str());
        let recalls = project.recalls.iter().map(AsRef::as_ref);
        let recalls = recalls.filter(|recall| recall.spec.application == *application).collect();
        let (environment, application) = (environment.environment_name(), application.clone());
        Self { environment, application, revisions, pending, recalls, namespace_uid }
    }

    /// The number of the next revision.
    pub fn next_revision(&self) -> i64 {
        self.revisions.last().and_then(|promotion| promotion.revision()).unwrap_or(0) + 1
    }

    /// Revisions in the target namespace that exists now. A recreated namespace has none.
    pub fn here(&self) -> impl DoubleEndedIterator<Item = &'a Promotion> + '_ {
        self.revisions.iter().copied().filter(|promotion| {
            promotion.status.as_ref().is_some_and(|status| {
                status.namespace_uid.is_none() || status.namespace_uid.as_deref() == self.namespace_uid
            })
        })
    }

    /// The newest revision, regardless of its outcome.
    pub fn current(&self) -> Option<&'a Promotion> {
        self.here().next_back()
    }

    /// The newest revision that was verified.
    pub fn last_verified(&self) -> Option<&'a Promotion> {
        self.here().rev().find(|promotion| promotion.phase() == PromotionPhase::Verified)
    }

    /// The promotion that is in progress.
    pub fn running(&self) -> Option<&'a Promotion> {
        self.revisions.iter().rev().copied().find(|promotion| promotion.phase().is_running())
    }

    /// Rollbacks that have not started and have not ended.
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

    /// The first promotion in the target namespace that exists now. It holds the baseline.
    pub fn first(&self) -> Option<&'a Promotion> {
        self.here()
            .find(|promotion| promotion.status.as_ref().is_some_and(|status| status.baseline.is_some()))
    }

    /// Promotions of one release, newest first.
    pub fn of_release<'b>(&'b self, release: &'b CachedRelease) -> impl Iterator<Item = &'a Promotion> + 'b {
        let all = self.pending.iter().rev().chain(self.revisions.iter().rev()).copied();
        all.filter(move |promotion| is_of(promotion, release))
    }

    /// The promotion that counts for a release: the one that has not ended, else the last that wrote to the namespace that exists now,
    /// else the last of the others. A promotion that ended before it wrote anything says nothing about a release that ran here.
    pub fn latest<'b>(&'b self, release: &'b CachedRelease) -> Option<&'a Promotion> {
        let own = |promotion: &&Promotion| is_of(promotion, release);
        let running = || self.running().filter(own);
        let pending = || self.pending.iter().rev().copied().filter(own);
        let others = || pending().chain(self.revisions.iter().rev().copied().filter(own));
        let is_cancelled = |promotion: &&Promotion| promotion.phase() == PromotionPhase::Cancelled;
        running()
            .or_else(|| pending().find(|promotion| !promotion.phase().is_final()))
            .or_else(|| self.here().rev().find(own))
            // A cancelled promotion counts only if no other promotion of the release exists.
            .or_else(|| others().find(|promotion| !is_cancelled(promotion)))
            .or_else(|| others().next())
    }

    /// When the release was verified here. None if it failed here since.
    pub fn verified_at(&self, release: &CachedRelease) -> Option<Timestamp> {
        let has_outcome = |promotion: &&Promotion| {
            promotion.phase() == PromotionPhase::Verified || promotion.phase().has_failed()
        };
        let mut of_it = self.revisions.iter().rev().copied().filter(|promotion| is_of(promotion, release));
        let last = of_it.find(has_outcome)?;
        let status = last.status.as_ref().filter(|status| status.phase == PromotionPhase::Verified)?;
        status.finished_at.as_ref().map(|time| time.0)
    }

    /// Whether a rollback to an earlier revision followed the newest promotion that verified the release.
    pub fn was_rolled_back(&self, release: &CachedRelease) -> bool {
        let verified = |promotion: &&Promotion| promotion.phase() == PromotionPhase::Verified;
        let Some(number) = self.of_release(release).find(verified).and_then(Promotion::revision) else {
            return false;
        };
        let last = self.here().rev().find(|other| other.spec.kind == PromotionKind::Rollback);
        last.is_some_and(|other| other.revision() > Some(number) && self.reverts(other, number))
    }

    /// Whether a verified promotion was rolled back, and its content does not run here again.
    pub fn is_rolled_back(&self, promotion: &Promotion) -> bool {
        let Some(number) = promotion.revision() else { return false };
        promotion.phase() == PromotionPhase::Verified
            && self.is_undone(promotion, |rollback| self.reverts(rollback, number))
    }

    /// Whether a verified rollback restored what was before a promotion, and the content of the promotion does not run here again.
    pub fn is_reverted(&self, promotion: &Promotion) -> bool {
        let restores = |rollback: &Promotion| rollback.status.as_ref().and_then(|status| status.restores);
        self.is_undone(promotion, |rollback| {
            rollback.phase() == PromotionPhase::Verified && restores(rollback) < promotion.revision()
        })
    }

    /// Whether a rollback took the place of a promotion, however it ended, and the content of the promotion does not run here again.
    pub fn is_left(&self, promotion: &Promotion) -> bool {
        let replaces = |rollback: &Promotion| rollback.status.as_ref().and_then(|status| status.replaces);
        self.is_undone(promotion, |rollback| replaces(rollback) == promotion.revision())
    }

    /// Whether the content of a promotion does not run here, and one of the later rollbacks is such.
    fn is_undone(&self, promotion: &Promotion, by: impl Fn(&Promotion) -> bool) -> bool {
        let is_later = |other: &Promotion| other.revision() > promotion.revision();
        let is_rollback = |other: &Promotion| {
            let restores = other.status.as_ref().and_then(|status| status.restores);
            other.spec.kind == PromotionKind::Rollback && restores.is_some()
        };
        !self.runs(promotion)
            && self.revisions.iter().any(|other| is_later(other) && is_rollback(other) && by(other))
    }

    /// The last rollback that reverted a release: it restored a revision before one of the release. If the history no longer contains
    /// the release, the rollback that names it counts.
    pub fn rolled_back_by(&self, release: &CachedRelease) -> Option<&'a Promotion> {
        let of_it = self.revisions.iter().filter(|promotion| is_of(promotion, release));
        let numbers: Vec<i64> = of_it.filter_map(|promotion| promotion.revision()).collect();
        let rolled_back = |other: &&Promotion| {
            let restores = other.status.as_ref().and_then(|status| status.restores);
            match (other.revision(), restores) {
                (Some(own), Some(_)) if !numbers.is_empty() => {
                    numbers.iter().any(|number| *number < own && self.reverts(other, *number))
                }
                (Some(_), _) => other.spec.release == release.name(),
                (None, _) => false,
            }
        };
        let rollbacks = self.revisions.iter().rev().copied();
        rollbacks.filter(|other| other.spec.kind == PromotionKind::Rollback).find(rolled_back)
    }

    /// Whether a rollback reverted a revision: it restored an earlier one, or it replaced a rollback that had restored the revision.
    pub fn reverts(&self, rollback: &Promotion, number: i64) -> bool {
        let Some(status) = &rollback.status else { return false };
        let Some(to) = status.restores else { return false };
        let origin = |number: i64| self.content_of(self.revision(number)?)?.revision();
        let replaced = || status.replaces.and_then(origin) == Some(number) && origin(to) != Some(number);
        to < number || replaced()
    }

    /// Whether the content of a promotion is the one that runs here, or runs here again after a rollback.
    pub fn runs(&self, promotion: &Promotion) -> bool {
        let origin = self.last_verified().and_then(|other| self.content_of(other));
        origin.is_some_and(|origin| origin.name() == promotion.name())
    }

    /// The promotion that first wrote the content of a revision: for a rollback, that of the restored revision.
    pub fn content_of(&self, promotion: &'a Promotion) -> Option<&'a Promotion> {
        let mut at = promotion;
        // A rollback may restore a revision that is a rollback itself. The loop ends because the numbers decrease.
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
