//! A promotion that writes nothing: refused for now, refused for good, or not wanted any more.

use super::{Scene, changed, warning};
use crate::api::PromotionPhase;
use crate::decide::decision::Decision;
use crate::decide::history::lane::kube_meta::Meta;
use crate::decide::moments::later;
use jiff::SignedDuration;

/// Not now: shown, tried again, and given up after the progress deadline, however long its gates were closed before.
pub(super) fn refuse(scene: &Scene<'_>, reason: &str, message: &str, again: SignedDuration) -> Decision {
    let limit = SignedDuration::from_secs(i64::from(scene.policy.failing.progress_deadline_seconds));
    let mut status = scene.status();
    let since = status.refused_since.get_or_insert_with(|| scene.time()).0;
    let deadline = later(since, limit);
    if scene.now >= deadline {
        return fail(scene, reason, &format!("{message} (given up after {} s)", limit.as_secs()));
    }
    let message = format!("nothing was written: {message}");
    let wake_at = Some(later(scene.now, again).min(deadline));
    scene.stay(status, reason, &message, wake_at)
}

/// It cannot be done; nothing was written.
pub(super) fn fail(scene: &Scene<'_>, reason: &str, message: &str) -> Decision {
    end(scene, PromotionPhase::Failed, reason, &format!("nothing was written: {message}"))
}

pub(super) fn cancel(scene: &Scene<'_>, reason: &str, message: &str) -> Decision {
    end(scene, PromotionPhase::Cancelled, reason, message)
}

fn end(scene: &Scene<'_>, phase: PromotionPhase, reason: &str, message: &str) -> Decision {
    let mut status = scene.status();
    status.finished_at = Some(scene.time());
    let report = scene.write(status, phase, reason, message);
    Decision {
        report: changed(scene.world, report),
        notes: vec![warning("PromotionRefused", format!("{}: {message}", scene.environment.name()))],
        ..Decision::default()
    }
}
