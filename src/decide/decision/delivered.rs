//! What the end of a promotion adds to the delivery figures of its lane.

use crate::api::{LaneId, PromotionKind, PromotionPhase};
use jiff::{SignedDuration, Timestamp};

/// One promotion that ended. Counted once, after its last status was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The application and environment.
    pub lane: LaneId,
    /// Whether a release was promoted or rolled back.
    pub kind: PromotionKind,
    /// The phase in which it ended.
    pub phase: PromotionPhase,
    /// When it started to write, and how long it lasted from then on. None if nothing was written.
    pub worked: Option<(Timestamp, SignedDuration)>,
    /// The starts of deployments that are now known to have failed: this one, or those that this rollback replaced after they were verified.
    pub failed: Vec<Timestamp>,
    /// Whether it is a deployment that repairs something.
    pub is_rework: bool,
    /// From the creation of the release until it was first verified here.
    pub lead_time: Option<SignedDuration>,
    /// For each failed deployment that it repairs: its start, and the time until a verified revision ran again.
    pub recovered: Vec<(Timestamp, SignedDuration)>,
}

impl Delivered {
    /// Whether it is a deployment: a promotion of a release that started to write.
    pub fn is_deployment(&self) -> bool {
        self.kind == PromotionKind::Promote && self.worked.is_some()
    }
}
