//! Which content a revision has.

use super::lane::Lane;
use crate::api::Promotion;

impl<'a> Lane<'a> {
    /// The digest of the release whose content a promotion wrote: for a rollback, that of the release that it restored. None for what ran
    /// before Towpath first wrote.
    pub fn release_digest(&self, promotion: &'a Promotion) -> Option<&'a str> {
        self.content_of(promotion)?.status.as_ref()?.release_digest.as_deref()
    }
}
