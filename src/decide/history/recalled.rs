//! The recalls that apply to a content of a lane.
//!
//! Invariant: a recall applies to content by the digest of its release, whatever the release is called, and however it came to run. It does
//! not apply to a promotion whose author knew the recall: one that overrides the gate `Recall` and was created after it.

use super::lane::Lane;
use crate::api::{GateName, Meta, Promotion, PromotionPhase, Recall};

/// Whether a promotion was created in spite of a recall. Both times come from the API server.
pub fn is_overridden(promotion: &Promotion, recall: &Recall) -> bool {
    let overridden = promotion.spec.override_.as_ref().is_some_and(|it| it.gates.contains(&GateName::Recall));
    overridden && promotion.created() >= recall.created()
}

impl<'a> Lane<'a> {
    /// The digest of the release whose content a promotion wrote: for a rollback, that of the release that it restored. None for what ran
    /// before Towpath first wrote.
    pub fn release_digest(&self, promotion: &'a Promotion) -> Option<&'a str> {
        self.content_of(promotion)?.status.as_ref()?.release_digest.as_deref()
    }

    /// The oldest recall of a digest.
    pub fn recall_of(&self, digest: &str) -> Option<&'a Recall> {
        self.recalls.iter().copied().find(|recall| recall.names(digest))
    }

    /// The oldest recall that applies to a promotion that has started.
    pub fn recalled_by(&self, promotion: &'a Promotion) -> Option<&'a Recall> {
        if self.recalls.is_empty() {
            return None;
        }
        let digest = self.release_digest(promotion)?;
        let mut recalls = self.recalls.iter().copied().filter(|recall| recall.names(digest));
        recalls.find(|recall| !is_overridden(promotion, recall))
    }

    /// The recall of the content of a revision that a rollback would restore.
    pub fn recall_of_target(&self, promotion: &'a Promotion) -> Option<&'a Recall> {
        if self.recalls.is_empty() {
            return None;
        }
        self.recall_of(self.release_digest(promotion)?)
    }

    /// Verified revisions, newest first, without those whose content is recalled or was rolled back.
    pub fn verified_targets(&self) -> impl Iterator<Item = &'a Promotion> + '_ {
        let verified = self.here().rev().filter(|promotion| promotion.phase() == PromotionPhase::Verified);
        verified.filter(|promotion| self.is_target(promotion))
    }

    /// Whether a rollback that names no revision may restore this verified one.
    pub fn is_target(&self, promotion: &'a Promotion) -> bool {
        self.recall_of_target(promotion).is_none() && !self.is_reverted(promotion) && !self.is_left(promotion)
    }
}
