//! Counts the end of a promotion, after its last status was written.
//!
//! Invariant: a promotion that has ended is not decided about again, so each is counted once.

use crate::api::PromotionKind;
use crate::decide::decision::Delivered;
use crate::process::{Delivery, Metrics};
use jiff::SignedDuration;
use std::time::Duration;

/// Counts what was delivered, if something was.
pub(super) fn count(metrics: &Metrics, delivered: Option<Delivered>) {
    let Some(delivered) = delivered else { return };
    let is_deployment = delivered.is_deployment();
    let Delivered { lane, kind, phase, worked, failed, is_rework, lead_time, recovered } = delivered;
    if kind == PromotionKind::Promote {
        metrics.promotion_ended(phase.as_str(), worked.map(|(_, lasted)| unsigned(lasted)));
    }
    let delivery = Delivery {
        deployment: is_deployment.then_some(phase),
        rollback: (kind == PromotionKind::Rollback && worked.is_some()).then_some(phase),
        failed: u64::try_from(failed.len()).unwrap_or(u64::MAX),
        is_rework,
        lead_time: lead_time.map(unsigned),
        recovery_times: recovered.into_iter().map(|(_, time)| unsigned(time)).collect(),
    };
    metrics.delivered(lane, &delivery);
}

/// The time, or none at all if a clock was set back.
fn unsigned(time: SignedDuration) -> Duration {
    Duration::try_from(time).unwrap_or_default()
}
