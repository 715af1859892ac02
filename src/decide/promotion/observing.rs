//! The observe window: health decides until it ends whether the promotion is verified.

use super::health::{health_of, workloads};
use super::outcome::{Outcome, finish};
use super::{Decision, Scene};
use crate::api::{Delivery, Reason};
use crate::content::Desired;
use crate::decide::health::{Health, Mode};
use crate::decide::moments::{earliest, later, span};
use crate::decide::world::Loaded;
use jiff::Timestamp;

/// Checks health until the observe window ends.
pub(super) fn observe(scene: &Scene<'_>, wanted: &[Desired], since: Timestamp) -> Decision {
    let until = later(since, span(scene.policy.observe_window));
    let keys = match scene.environment.spec.delivery {
        Delivery::Managed => workloads(wanted),
        // Another tool deploys the objects under the names that they were captured with.
        Delivery::Observed => match &scene.world.content {
            Loaded::Here(content) => content.objects().keys().cloned().collect(),
            Loaded::NotAsked | Loaded::Missing(_) | Loaded::Broken(_) => Vec::new(),
        },
    };
    match health_of(scene, &keys, Mode::Observe) {
        Health::Failing { reason, message } => finish(scene, Outcome::Failed { reason, message: &message }),
        Health::Healthy if scene.now < until => Decision { wake_at: Some(until), ..Decision::default() },
        Health::Progressing { recheck_at, .. } if scene.now < until => {
            Decision { wake_at: earliest(recheck_at, Some(until)), ..Decision::default() }
        }
        // At the end of the window every workload must be rolled out again. A progressing one has the progress deadline.
        Health::Healthy | Health::Progressing { .. } => match health_of(scene, &keys, Mode::Rollout(until)) {
            Health::Healthy => finish(
                scene,
                Outcome::Verified {
                    reason: Reason::Verified,
                    message: "stayed healthy through the observe window",
                },
            ),
            Health::Failing { reason, message } => {
                finish(scene, Outcome::Failed { reason, message: &message })
            }
            // Not reported: the progress of a workload is in its own status.
            Health::Progressing { recheck_at, .. } => Decision { wake_at: recheck_at, ..Decision::default() },
        },
    }
}
