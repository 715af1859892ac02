//! The time for which a promotion waits for a person.
//!
//! Invariant: it is in the record, so that no deadline counts it, whether the controller runs on or starts again.

use super::Scene;
use crate::api::PromotionStatus;
use jiff::Timestamp;

/// Until when the promotion waited for a person: until now, if nothing says that it has ended. The deadlines count from there.
pub(super) fn waited(scene: &Scene<'_>, status: &PromotionStatus) -> Option<Timestamp> {
    match &status.waiting_since {
        Some(_) => Some(scene.now),
        None => status.waited_until.as_ref().map(|time| time.0),
    }
}

/// The status that says whether the promotion waits for a person, and since or until when.
pub(super) fn waits_for_a_person(
    scene: &Scene<'_>,
    mut status: PromotionStatus,
    waits: bool,
) -> PromotionStatus {
    match (waits, &status.waiting_since) {
        (true, None) => status.waiting_since = Some(scene.time()),
        (false, Some(_)) => (status.waiting_since, status.waited_until) = (None, Some(scene.time_after())),
        (true, Some(_)) | (false, None) => {}
    }
    status
}
