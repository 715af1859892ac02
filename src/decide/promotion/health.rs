//! The health of the objects of a promotion, by the thresholds of its environment.

use super::Scene;
use crate::content::{Desired, ObjectKey};
use crate::decide::health::{Health, Mode, of_all, subjects};

pub(super) fn is_healthy(scene: &Scene<'_>, keys: &[ObjectKey]) -> bool {
    health_of(scene, keys, Mode::Rollout(scene.now)) == Health::Healthy
}

/// The health of these objects. Workloads that were failing before the promotion are ignored.
pub(super) fn health_of(scene: &Scene<'_>, keys: &[ObjectKey], mode: Mode) -> Health {
    let status = scene.world.promotion.status.as_ref();
    let failing_before = status.map(|status| status.failing_before.as_slice()).unwrap_or_default();
    let exempt =
        |key: &ObjectKey| failing_before.iter().any(|old| old.kind == key.kind() && old.name == key.name());
    let subjects = subjects(keys.iter(), &scene.world.workloads, exempt);
    of_all(&subjects, &scene.policy.failing, mode, scene.now)
}

/// The objects whose health counts: all of the content but hooks.
pub(super) fn workloads(wanted: &[Desired]) -> Vec<ObjectKey> {
    wanted.iter().filter(|item| item.hook.is_none()).map(|item| item.key.clone()).collect()
}
