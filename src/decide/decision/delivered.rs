//! What the end of a promotion adds to the delivery figures of its lane.

use crate::api::{LaneId, PromotionKind, PromotionPhase};
use jiff::SignedDuration;

/// One promotion that ended. Counted once, after its last status was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The application and environment.
    pub lane: LaneId,
    /// Whether a release was promoted or rolled back.
    pub kind: PromotionKind,
    /// The phase in which it ended.
    pub phase: PromotionPhase,
    /// From the first write to the end. None if nothing was written.
    pub lasted: Option<SignedDuration>,
    /// Number of deployments that are now known to have failed: this one, or those that this rollback replaced after they were verified.
    pub failed: u64,
    /// Whether it is a deployment that repairs something.
    pub is_rework: bool,
    /// From the creation of the release until it was first verified here.
    pub lead_time: Option<SignedDuration>,
    /// For each failed deployment that it ends: the time until a verified revision ran again.
    pub recovery_times: Vec<SignedDuration>,
}

impl Delivered {
    /// Whether it is a deployment: a promotion of a release that started to write.
    pub fn is_deployment(&self) -> bool {
        self.kind == PromotionKind::Promote && self.lasted.is_some()
    }
}
