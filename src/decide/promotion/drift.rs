//! The gate `Drift`: objects that another manager changed keep a promotion from starting, in an environment with `drift: Block`.
//!
//! Every object is read before a promotion starts, so objects of kinds that nothing watches are compared here as well.

use super::gates::is_overridden;
use super::{Decision, Scene};
use crate::api::{DriftMode, DriftedField, FIELD_MANAGER, GateName, Reason};
use crate::content::Plan;
use crate::content::ownership::drift::drift;
use crate::decide::environment::drift::{field_of, how_to_restore, running};
use crate::decide::health::is_workload;
use crate::decide::moments::later;
use jiff::SignedDuration;

/// Fields that a message names.
const NAMED: usize = 5;
/// When objects are read again that nothing watches.
const AGAIN: SignedDuration = SignedDuration::from_secs(60);

/// The drift of every object that the running revision wrote.
pub(super) fn found(scene: &Scene<'_>) -> Vec<DriftedField> {
    let is_compared = running(&scene.world.project, scene.environment, &scene.application).is_some();
    let Some(Ok(replaced)) = scene.world.plans.replaced.as_ref().filter(|_| is_compared) else {
        return Vec::new();
    };
    let items = replaced.objects.iter().filter(|item| item.hook.is_none());
    let live = items.filter_map(|item| Some((item, scene.world.live.get(&item.key)?.present()?)));
    live.flat_map(|(item, live)| {
        let fields = drift(live, &item.object, FIELD_MANAGER, NAMED);
        fields.into_iter().map(|field| field_of(&item.key, &scene.application, &field)).collect::<Vec<_>>()
    })
    .collect()
}

/// Waits while objects have drifted. What runs already may be promoted again: that restores it.
pub(super) fn closed(scene: &Scene<'_>, plan: &Plan) -> Option<Decision> {
    let current = scene.lane.current().and_then(|current| current.status.as_ref()?.digest.as_deref());
    if scene.environment.spec.drift == DriftMode::Report
        || is_overridden(scene, GateName::Drift)
        || current == Some(plan.digest())
    {
        return None;
    }
    let found = found(scene);
    if found.is_empty() {
        return None;
    }
    let watched = |field: &DriftedField| {
        let keys = scene.world.live.keys().filter(|key| key.kind() == field.kind && key.name() == field.name);
        keys.into_iter().all(is_workload)
    };
    let wake_at = (!found.iter().all(watched)).then(|| later(scene.now, AGAIN));
    let message = format!(
        "{}; {}; users granted override can pass the gate Drift",
        sentences(&found),
        how_to_restore(scene.environment)
    );
    Some(scene.wait(&Reason::Drift, &message, wake_at))
}

/// The warnings in the record of a promotion that starts in spite of drift.
pub(super) fn warnings(scene: &Scene<'_>) -> Vec<String> {
    let found = found(scene);
    if found.is_empty() {
        Vec::new()
    } else {
        vec![format!("drift before the promotion: {}", sentences(&found))]
    }
}

fn sentences(found: &[DriftedField]) -> String {
    let named: Vec<String> = found.iter().take(NAMED).map(DriftedField::sentence).collect();
    match found.len().saturating_sub(NAMED) {
        0 => named.join("; "),
        more => format!("{}; and {more} more", named.join("; ")),
    }
}
