//! The objects that the content no longer contains: when each is deleted and what it had, or why it is kept.

use super::Scene;
use crate::api::{ChangeAction, ObjectChange, Promotion, PromotionPhase, Removal, mark};
use crate::content::object::metadata::annotation;
use crate::content::ownership::removal::{Fate, fate, is_never_deleted};
use crate::content::ownership::restored::had;
use crate::content::{Desired, ObjectKey};
use crate::decide::world::Live;
use std::collections::BTreeSet;

/// The removal of a live object: when it is deleted and what it had, or why it is kept.
pub(super) fn removal(key: &ObjectKey, live: &serde_json::Value, at: Option<Removal>) -> ObjectChange {
    match fate(live) {
        Fate::Kept(reason) => {
            ObjectChange { message: Some(reason.to_owned()), ..key.change(ChangeAction::Keep) }
        }
        Fate::Deleted(removal) => ObjectChange {
            removal: Some(at.unwrap_or(removal)),
            had: had(live).map(Box::new),
            ..key.change(ChangeAction::Delete)
        },
    }
}

/// Whether the content has the object, be it in another version of its kind: deleting the one would delete the other.
pub(super) fn is_wanted(key: &ObjectKey, content: &BTreeSet<&ObjectKey>) -> bool {
    content.contains(key) || content.iter().any(|wanted| wanted.is_same_object(key))
}

/// The removal of an object that cannot be read: whether it can be restored is not known.
fn unread_removal(key: &ObjectKey) -> ObjectChange {
    match is_never_deleted(key) {
        true => key.change(ChangeAction::Keep),
        false => {
            ObjectChange { removal: Some(Removal::AfterVerification), ..key.change(ChangeAction::Delete) }
        }
    }
}

/// The objects that a revision does not contain and that may exist all the same: those that it kept, and those that it did not delete.
pub(super) fn left_behind(promotion: &Promotion) -> Vec<ObjectKey> {
    let is_verified = promotion.phase() == PromotionPhase::Verified;
    let changes = promotion.status.iter().flat_map(|status| &status.changes);
    let is_left = |change: &&ObjectChange| match change.action {
        ChangeAction::Keep => true,
        ChangeAction::Delete => change.remaining || !is_verified,
        ChangeAction::Create | ChangeAction::Update | ChangeAction::Replace => false,
    };
    changes.filter(is_left).filter_map(ObjectKey::of_change).collect()
}

impl Scene<'_> {
    /// The objects of the replaced revision, and those that it left itself, that are not in the content: deleted or kept.
    pub(super) fn removals(
        &self,
        replaced: &[Desired],
        keep: &BTreeSet<&ObjectKey>,
        known: &BTreeSet<ObjectKey>,
    ) -> Vec<ObjectChange> {
        let of_content =
            replaced.iter().filter(|old| old.hook.is_none() && !old.is_copy()).map(|old| &old.key);
        let left: Vec<ObjectKey> = self.lane.current().map(left_behind).unwrap_or_default();
        let keys: BTreeSet<&ObjectKey> = of_content.chain(&left).collect();
        let mut changes = Vec::new();
        for key in keys.into_iter().filter(|key| !is_wanted(key, keep) && !known.contains(*key)) {
            match self.world.live.get(key) {
                // The objects of a restored baseline do not belong to Towpath.
                Some(Live::Present(live)) if annotation(live, mark::OWNER) == Some(self.owner().as_str()) => {
                    changes.push(self.listed(key).unwrap_or_else(|| removal(key, live, None)));
                }
                // It may exist: it is deleted once it can be read, by this promotion or by a later one.
                Some(Live::Refused(_) | Live::Unreadable(_)) => {
                    changes.push(self.listed(key).unwrap_or_else(|| unread_removal(key)));
                }
                Some(Live::Present(_) | Live::Absent | Live::Unserved(_)) | None => {}
            }
        }
        changes
    }

    /// The change of an object that `spec.keeps` lists, and that an earlier revision wrote.
    pub(super) fn listed(&self, key: &ObjectKey) -> Option<ObjectChange> {
        let keeps = &self.environment.spec.keeps;
        let is_listed = keeps.iter().any(|keep| key.is_named_by(keep));
        let message = Some("spec.keeps of the environment lists it".to_owned());
        is_listed.then(|| ObjectChange { message, ..key.change(ChangeAction::Keep) })
    }
}
