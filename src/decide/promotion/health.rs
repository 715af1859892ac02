//! What health says of the objects of a promotion, under the policy of its environment.

use super::Scene;
use crate::content::{Desired, ObjectKey};
use crate::decide::health::{Stage, Verdict, subjects, verdict};

pub(super) fn is_healthy(scene: &Scene<'_>, keys: &[ObjectKey]) -> bool {
    judge(scene, keys, Stage::Rollout(scene.now)) == Verdict::Healthy
}

pub(super) fn judge(scene: &Scene<'_>, keys: &[ObjectKey], stage: Stage) -> Verdict {
    let status = scene.world.promotion.status.as_ref();
    let failing_before = status.map(|status| status.failing_before.as_slice()).unwrap_or_default();
    let exempt =
        |key: &ObjectKey| failing_before.iter().any(|old| old.kind == key.kind() && old.name == key.name());
    let subjects = subjects(keys.iter(), &scene.world.workloads, exempt);
    verdict(&subjects, &scene.policy.failing, stage, scene.now)
}

/// Workloads whose health counts: all of the content, without hooks of other moments.
pub(super) fn workloads(wanted: &[Desired]) -> Vec<ObjectKey> {
    wanted.iter().filter(|item| item.hook.is_none()).map(|item| item.key.clone()).collect()
}
