//! What a rollout or rollback in progress says about itself.

use super::Scene;
use crate::api::{ChangeAction, PromotionStatus, Reason};
use crate::decide::moments::span;

/// The reason of a rollout or rollback that makes progress.
pub(super) fn rolling_reason(scene: &Scene<'_>) -> Reason {
    if scene.is_rollback() { Reason::RollingBack } else { Reason::RollingOut }
}

/// What a rollout or rollback changes, and how long it is observed.
pub(super) fn rolling_message(scene: &Scene<'_>, status: &PromotionStatus) -> String {
    let count = |action| status.changes.iter().filter(|change| change.action == action).count();
    let message = format!(
        "{} to create, {} to change, {} to remove",
        count(ChangeAction::Create),
        count(ChangeAction::Update) + count(ChangeAction::Replace),
        count(ChangeAction::Delete)
    );
    let message = match count(ChangeAction::Keep) {
        0 => message,
        kept => format!("{message}, {kept} kept"),
    };
    let window = span(scene.policy.observe_window);
    match scene.is_rollback() || window.is_zero() {
        true => message,
        false => format!("{message}; observed for {window:#} after the rollout"),
    }
}
