//! A lane: one application in one environment, read from the promotions that are its memory.
//!
//! Every fact about what runs where comes from here: promotions are the record, everything else is computed from it.

use crate::api::{Environment, KeptRelease, Promotion, PromotionKind, PromotionPhase};
use crate::decide::world::Project;
use jiff::Timestamp;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

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

/// The application of a promotion.
pub fn application_of<'a>(project: &'a Project, promotion: &'a Promotion) -> Option<&'a str> {
    promotion
        .status
        .as_ref()
        .and_then(|status| status.application.as_deref())
        .or(promotion.spec.application.as_deref())
        .or_else(|| project.releases.get(&promotion.spec.release).map(|release| release.application()))
}

/// Each application of a project by itself: a look at one does not pass all the others.
pub fn by_application(project: &Project) -> BTreeMap<String, Project> {
    let frame = Project {
        name: project.name.clone(),
        environments: project.environments.clone(),
        policies: project.policies.clone(),
        releases: BTreeMap::new(),
        promotions: BTreeMap::new(),
        undecodable: project.undecodable.clone(),
        namespaces: project.namespaces.clone(),
        targets: project.targets.clone(),
        approvals: project.approvals.clone(),
        freezes: project.freezes.clone(),
        rights: project.rights.clone(),
        admission: project.admission.clone(),
        grants: project.grants.clone(),
    };
    let mut parts: BTreeMap<String, Project> = BTreeMap::new();
    for (name, release) in &project.releases {
        let part = parts.entry(release.application().to_owned()).or_insert_with(|| frame.clone());
        part.releases.insert(name.clone(), Arc::clone(release));
    }
    for (name, promotion) in &project.promotions {
        let Some(application) = application_of(project, promotion) else { continue };
        let part = parts.entry(application.to_owned()).or_insert_with(|| frame.clone());
        part.promotions.insert(name.clone(), Arc::clone(promotion));
    }
    parts
}

/// The phase of a promotion; one without a status is pending.
pub fn phase_of(promotion: &Promotion) -> PromotionPhase {
    promotion.status.as_ref().map(|status| status.phase).unwrap_or_default()
}

/// Whether Towpath made the promotion by itself.
pub fn is_automatic(promotion: &Promotion) -> bool {
    promotion.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(crate::api::mark::AUTOMATIC))
}

/// Whether a promotion puts this release somewhere, and not another content that had its name and was deleted since. What
/// failed is remembered by name, so that nobody gets around it by creating the release again.
pub fn is_of(promotion: &Promotion, release: &KeptRelease) -> bool {
    promotion.spec.release == release.name()
        && promotion.spec.kind == PromotionKind::Promote
        && (phase_of(promotion) == PromotionPhase::Failed || !is_of_other_content(promotion, release))
}

/// Whether the release was deleted and created again with another content since the promotion looked at it.
pub fn is_of_other_content(promotion: &Promotion, release: &KeptRelease) -> bool {
    let seen = promotion.status.as_ref().and_then(|status| status.release_digest.as_deref());
    let now = release.digest();
    seen.zip(now).is_some_and(|(seen, now)| seen != now)
}

/// Who asked for a promotion; nobody for those that Towpath made by itself.
pub fn asked_by(promotion: &Promotion) -> Option<&crate::api::UserInfo> {
    promotion.spec.requested_by.as_ref().filter(|_| !is_automatic(promotion))
}

/// The number of a promotion in the history.
pub fn revision_of(promotion: &Promotion) -> Option<i64> {
    promotion.status.as_ref().and_then(|status| status.revision)
}

/// When an object was created.
pub fn created<K: kube_meta::Meta>(object: &K) -> Timestamp {
    object.created().unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The little of object metadata that a decision reads.
pub mod kube_meta {
    use jiff::Timestamp;

    /// Objects with a name and a moment of creation.
    pub trait Meta {
        /// The name; empty before the API server gave one.
        fn name(&self) -> &str;
        /// The UID; empty before the API server gave one.
        fn uid(&self) -> &str;
        /// The generation of the spec.
        fn generation(&self) -> i64;
        /// When it was created.
        fn created(&self) -> Option<Timestamp>;
        /// It is being deleted.
        fn deleting(&self) -> bool;
    }

    macro_rules! meta {
        ($($kind:ty),*) => { $(
            impl Meta for $kind {
                fn name(&self) -> &str {
                    self.metadata.name.as_deref().unwrap_or_default()
                }
                fn uid(&self) -> &str {
                    self.metadata.uid.as_deref().unwrap_or_default()
                }
                fn generation(&self) -> i64 {
                    self.metadata.generation.unwrap_or_default()
                }
                fn created(&self) -> Option<Timestamp> {
                    self.metadata.creation_timestamp.as_ref().map(|time| time.0)
                }
                fn deleting(&self) -> bool {
                    self.metadata.deletion_timestamp.is_some()
                }
            }
        )* };
    }
    meta!(crate::api::Environment, crate::api::Promotion, crate::api::Approval);

    impl Meta for crate::api::KeptRelease {
        fn name(&self) -> &str {
            self.name()
        }
        fn uid(&self) -> &str {
            self.uid()
        }
        fn generation(&self) -> i64 {
            self.generation
        }
        fn created(&self) -> Option<Timestamp> {
            self.created
        }
        fn deleting(&self) -> bool {
            self.deleting
        }
    }
}

use kube_meta::Meta;

impl<'a> Lane<'a> {
    /// Reads the lane out of the project.
    pub fn of(project: &'a Project, environment: &'a Environment, application: &'a str) -> Self {
        let name = environment.name();
        let mut revisions = Vec::new();
        let mut pending = Vec::new();
        for promotion in project.promotions.values() {
            if promotion.spec.environment != name || application_of(project, promotion) != Some(application) {
                continue;
            }
            match revision_of(promotion) {
                Some(_) => revisions.push(promotion.as_ref()),
                None => pending.push(promotion.as_ref()),
            }
        }
        revisions.sort_by(|a, b| (revision_of(a), a.name()).cmp(&(revision_of(b), b.name())));
        pending.sort_by(|a, b| (created(*a), a.name()).cmp(&(created(*b), b.name())));
        let namespace_uid =
            project.namespaces.get(&environment.spec.namespace).map(|facts| facts.uid.as_str());
        Self { environment: name, application, revisions, pending, namespace_uid }
    }

    /// The number of the next revision.
    pub fn next_revision(&self) -> i64 {
        self.revisions.last().and_then(|promotion| revision_of(promotion)).unwrap_or(0) + 1
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
        self.here().rev().find(|promotion| phase_of(promotion) == PromotionPhase::Verified)
    }

    /// The promotion that is under way.
    pub fn running(&self) -> Option<&'a Promotion> {
        self.revisions.iter().rev().copied().find(|promotion| phase_of(promotion).is_running())
    }

    /// Rollbacks that have not started, and may still.
    pub fn waiting_rollbacks(&self) -> impl Iterator<Item = &'a Promotion> + '_ {
        self.pending.iter().copied().filter(|promotion| {
            promotion.spec.kind == PromotionKind::Rollback
                && !phase_of(promotion).is_final()
                && !promotion.deleting()
        })
    }

    /// A promotion by its number.
    pub fn revision(&self, number: i64) -> Option<&'a Promotion> {
        self.revisions.iter().copied().find(|promotion| revision_of(promotion) == Some(number))
    }

    /// The first promotion of this lane in the namespace as it is: it holds the baseline.
    pub fn first(&self) -> Option<&'a Promotion> {
        self.here()
            .find(|promotion| promotion.status.as_ref().is_some_and(|status| status.baseline.is_some()))
    }

    /// Promotions of one release, newest first.
    pub fn of_release<'b>(&'b self, release: &'b KeptRelease) -> impl Iterator<Item = &'a Promotion> + 'b {
        let all = self.pending.iter().rev().chain(self.revisions.iter().rev()).copied();
        all.filter(move |promotion| is_of(promotion, release))
    }

    /// When the release was verified here.
    pub fn verified_at(&self, release: &KeptRelease) -> Option<Timestamp> {
        self.of_release(release)
            .filter(|promotion| phase_of(promotion) == PromotionPhase::Verified)
            .filter_map(|promotion| promotion.status.as_ref()?.finished_at.as_ref().map(|time| time.0))
            .next()
    }

    /// Whether a rollback to something older followed the newest promotion that verified the release.
    pub fn was_taken_back(&self, release: &KeptRelease) -> bool {
        let verified = |promotion: &&Promotion| phase_of(promotion) == PromotionPhase::Verified;
        let Some(number) = self.of_release(release).find(verified).and_then(revision_of) else {
            return false;
        };
        let restored = |other: &&Promotion| other.status.as_ref().and_then(|status| status.restores);
        let last = self.here().rev().find(|other| other.spec.kind == PromotionKind::Rollback);
        last.is_some_and(|other| {
            revision_of(other) > Some(number) && restored(&other).is_some_and(|to| to < number)
        })
    }

    /// The release whose content runs here: a rollback restored the release of an earlier revision.
    pub fn content_of(&self, promotion: &'a Promotion) -> Option<&'a Promotion> {
        let mut at = promotion;
        // A rollback names the revision that it restored, which may itself be a rollback; numbers only decrease.
        loop {
            match (at.spec.kind, at.status.as_ref().and_then(|status| status.restores)) {
                (PromotionKind::Promote, _) => return Some(at),
                (PromotionKind::Rollback, Some(number))
                    if revision_of(at).is_some_and(|own| number < own) =>
                {
                    at = self.revision(number)?;
                }
                (PromotionKind::Rollback, _) => return None,
            }
        }
    }
}

/// The order of releases: creation, then semantic version, then name.
pub fn newer(a: &KeptRelease, b: &KeptRelease) -> Ordering {
    created(a)
        .cmp(&created(b))
        .then_with(|| match (semver::Version::parse(a.version()), semver::Version::parse(b.version())) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            (Ok(_), Err(_)) => Ordering::Greater,
            (Err(_), Ok(_)) => Ordering::Less,
            (Err(_), Err(_)) => Ordering::Equal,
        })
        .then_with(|| a.name().cmp(b.name()))
}

/// The releases of one application, newest first; those being deleted take part in nothing.
pub fn releases_of<'a>(project: &'a Project, application: &str) -> Vec<&'a Arc<KeptRelease>> {
    let mut releases: Vec<_> = project
        .releases
        .values()
        .filter(|release| release.application() == application && !release.deleting())
        .collect();
    releases.sort_by(|a, b| newer(b, a));
    releases
}
