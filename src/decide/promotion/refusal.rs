//! A promotion that cannot start yet because the API server or an existing object refuses a write.

use super::Scene;
use super::outcome::{Outcome, Turn};
use crate::api::Reason;
use crate::decide::moments::later;
use jiff::{SignedDuration, Timestamp};

/// Reports the refusal and retries. Gives up after the progress deadline, which counts from the first refusal.
pub(super) fn refuse(scene: &Scene<'_>, reason: Reason, message: &str, retry: SignedDuration) -> Turn {
    refuse_at(scene, (reason.clone(), reason), message, later(scene.now, retry))
}

/// The same, with the time of the retry, and with a reason of its own for the end.
pub(super) fn refuse_at(
    scene: &Scene<'_>,
    (waits, ends): (Reason, Reason),
    message: &str,
    retry_at: Timestamp,
) -> Turn {
    let limit = SignedDuration::from_secs(i64::from(scene.policy.failing.progress_deadline_seconds));
    let mut status = scene.status.clone();
    let since = status.refused_since.get_or_insert_with(|| scene.time()).0;
    let deadline = later(since, limit);
    if scene.now >= deadline {
        let message = format!("{message} (given up after {} s)", limit.as_secs());
        return Err(Outcome::Refused { reason: ends, message });
    }
    let message = format!("nothing was written: {message}");
    Ok(scene.stay(status, &waits, &message, Some(retry_at.min(deadline))))
}
