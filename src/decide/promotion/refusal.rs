//! A promotion that cannot start yet because the API server or an existing object refuses a write.

use super::outcome::{Outcome, finish};
use super::{Decision, Scene};
use crate::api::Reason;
use crate::decide::moments::later;
use jiff::SignedDuration;

/// Reports the refusal and retries. Gives up after the progress deadline, which counts from the first refusal.
pub(super) fn refuse(scene: &Scene<'_>, reason: Reason, message: &str, retry: SignedDuration) -> Decision {
    let limit = SignedDuration::from_secs(i64::from(scene.policy.failing.progress_deadline_seconds));
    let mut status = scene.status.clone();
    let since = status.refused_since.get_or_insert_with(|| scene.time()).0;
    let deadline = later(since, limit);
    if scene.now >= deadline {
        let message = format!("{message} (given up after {} s)", limit.as_secs());
        return finish(scene, Outcome::Refused { reason, message: &message });
    }
    let message = format!("nothing was written: {message}");
    let wake_at = Some(later(scene.now, retry).min(deadline));
    scene.stay(status, &reason, &message, wake_at)
}
