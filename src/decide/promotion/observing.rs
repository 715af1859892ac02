//! The observe window: health decides until it ends whether the promotion is verified.

use super::checks::{Checks, Evidence};
use super::health::{health_of, template_change, unchanged, unjudged, without_replicas, workloads};
use super::outcome::{Outcome, finish};
use super::{Decision, Scene};
use crate::api::{Delivery, ObjectRef, Reason};
use crate::content::Desired;
use crate::decide::decision::Action;
use crate::decide::health::{Health, Mode};
use crate::decide::moments::{earliest, later, span};
use crate::decide::world::Loaded;
use jiff::Timestamp;

/// Checks health until the observe window ends.
pub(super) fn observe(scene: &Scene<'_>, wanted: &[Desired], since: Timestamp) -> Decision {
    let until = later(since, span(scene.policy.observe_window));
    let is_managed = scene.environment.spec.delivery == Delivery::Managed;
    if let Some((key, changed)) = template_change(scene, wanted).filter(|_| is_managed) {
        let message = format!(
            "{key} no longer runs what was written: {} changed {} before the release was verified",
            changed.manager, changed.field
        );
        return finish(scene, Outcome::Interrupted { reason: Reason::TemplateChanged, message: &message });
    }
    let keys = match scene.environment.spec.delivery {
        Delivery::Managed => workloads(wanted),
        // Another tool deploys the objects under the names that they were captured with.
        Delivery::Observed => match &scene.world.content {
            Loaded::Here(content) => content.objects().keys().cloned().collect(),
            Loaded::NotAsked | Loaded::Missing(_) | Loaded::Broken(_) => Vec::new(),
        },
    };
    let checked = unchanged(scene, wanted);
    let health = health_of(scene, &keys, Mode::Observe);
    if let Health::Failing { reason, message } = health {
        return finish(scene, Outcome::Failed { reason, message: &message });
    }
    let checks = Checks::of(scene, wanted, since, until);
    if let Some(decision) = checks.failed(scene) {
        return decision;
    }
    let decision = match health {
        Health::Healthy if scene.now < until => Decision { wake_at: Some(until), ..Decision::default() },
        Health::Progressing { recheck_at, .. } if scene.now < until => {
            Decision { wake_at: earliest(recheck_at, Some(until)), ..Decision::default() }
        }
        // At the end of the window, pods that were added in it must be ready too.
        Health::Healthy | Health::Progressing { .. } | Health::Failing { .. } => {
            match health_of(scene, &keys, Mode::Settle(until)) {
                Health::Healthy => match end(scene, wanted, &checks) {
                    Some(decision) => return decision,
                    None => Decision::default(),
                },
                Health::Failing { reason, message } => {
                    return finish(scene, Outcome::Failed { reason, message: &message });
                }
                Health::Progressing { obstacle: Some(reason), message, recheck_at } => {
                    scene.stay(scene.status(), &reason, &message, recheck_at)
                }
                // Not reported: the progress of a workload is in its own status.
                Health::Progressing { obstacle: None, recheck_at, .. } => {
                    Decision { wake_at: recheck_at, ..Decision::default() }
                }
            }
        }
    };
    // Nothing watches objects of custom kinds.
    let poll = (!scene.world.customs.is_empty()).then(|| later(scene.now, super::RETRY));
    let wake_at = earliest(decision.wake_at, poll);
    let actions =
        if checked.is_empty() { Vec::new() } else { vec![Action::MarkUnchanged { generations: checked }] };
    checks.attach(scene, Decision { actions, wake_at, ..decision })
}

/// Ends the promotion after the observe window: verified, unless nothing shows whether the release is good. None while a check needs
/// further measurements.
fn end(scene: &Scene<'_>, wanted: &[Desired], checks: &Checks<'_>) -> Option<Decision> {
    let status = scene.status();
    let idle: Vec<ObjectRef> = without_replicas(scene, wanted)
        .into_iter()
        .filter(|it| status.without_replicas.contains(it))
        .collect();
    if !idle.is_empty() {
        return Some(nothing_ran(scene, &idle));
    }
    match checks.evidence() {
        Evidence::Complete => {}
        Evidence::Open => return None,
        Evidence::Missing { reason, message } => {
            return Some(finish(scene, Outcome::Inconclusive { reason, message: &message }));
        }
    }
    let notes = unjudged(scene, &workloads(wanted));
    let message = [vec!["stayed healthy through the observe window".to_owned()], notes].concat().join("; ");
    Some(finish(scene, Outcome::Verified { reason: Reason::Verified, message: &message }))
}

/// Ends a promotion of which a workload has no replicas.
pub(super) fn nothing_ran(scene: &Scene<'_>, idle: &[ObjectRef]) -> Decision {
    let names: Vec<String> = idle.iter().map(|it| format!("{} {}", it.kind, it.name)).collect();
    let (has, them) = if names.len() == 1 { ("has", "it") } else { ("have", "them") };
    let message = format!(
        "nothing shows whether the release is good: {} {has} 0 replicas, so no pod ran; scale {them} up and promote again, or set \
         replicas: 0 in the content or in spec.overrides of the environment",
        names.join(", ")
    );
    finish(scene, Outcome::Inconclusive { reason: Reason::NothingRan, message: &message })
}
