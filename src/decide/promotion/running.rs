//! A promotion whose intent is recorded: it continues, is superseded, fails, or is verified.

use super::health::{health_of, workloads};
use super::outcome::{Outcome, finish};
use super::writes::{Next, is_written, next_writes, run_hooks};
use super::{Decision, Scene, note};
use crate::api::Meta;
use crate::api::{Delivery, Promotion, PromotionKind, PromotionPhase, Reason};
use crate::content::{Desired, Hook, ObjectKey};
use crate::decide::decision::Action;
use crate::decide::health::{Health, Mode};

use crate::decide::moments::{earliest, later, span};
use crate::decide::world::{Grant, Loaded};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeSet;

/// The interval in which consent is checked again.
const CONSENT: SignedDuration = SignedDuration::from_secs(10);

/// Decides about a promotion whose intent is recorded.
pub(super) fn decide(scene: &Scene<'_>) -> Decision {
    if let Some(newer) = superseded_by(scene) {
        return match has_soaked(scene) {
            true => finish(
                scene,
                Outcome::Verified {
                    reason: Reason::Verified,
                    message: "healthy until a newer revision replaced it",
                },
            ),
            false => finish(scene, Outcome::Superseded { by: &newer }),
        };
    }
    if let Some(decision) = target_is_gone(scene) {
        return decision;
    }
    if !scene.is_rollback() && rollback_is_pending(scene) {
        // The rollback may have written already. Its start or end requeues this promotion.
        return Decision::default();
    }
    let is_writing = scene.world.promotion.phase() == PromotionPhase::Promoting;
    if scene.environment.spec.delivery == Delivery::Observed && is_writing {
        let message = "the delivery of the environment changed to Observed during the promotion, so nothing more is written";
        return finish(scene, Outcome::Interrupted { reason: Reason::Observed, message });
    }
    let wanted = match &scene.world.plans.content {
        Some(Ok(plan)) => &plan.objects,
        Some(Err(error)) => {
            return finish(
                scene,
                Outcome::Failed { reason: Reason::InvalidContent, message: &error.to_string() },
            );
        }
        None => {
            return finish(
                scene,
                Outcome::Failed {
                    reason: Reason::ContentMissing,
                    message: "the Content of this revision cannot be read",
                },
            );
        }
    };
    if let Grant::Missing(message) = scene.world.project.grant(scene.environment.name()) {
        return scene.wait(&Reason::NotGranted, message, Some(later(scene.now, super::RETRY)));
    }
    if is_withdrawn(scene) {
        return finish(
            scene,
            Outcome::Failed {
                reason: Reason::Withdrawn,
                message: "the release was deleted during its promotion",
            },
        );
    }
    match rolled_out_at(scene) {
        Some(since) => observe(scene, wanted, since),
        None => roll_out(scene, wanted),
    }
}

/// Since when everything is rolled out, if that was observed. With delivery `Observed` it is the start of the promotion.
fn rolled_out_at(scene: &Scene<'_>) -> Option<Timestamp> {
    let status = scene.status();
    let from_the_start = match scene.environment.spec.delivery {
        Delivery::Managed => None,
        Delivery::Observed => status.started_at.or_else(|| Some(scene.time())),
    };
    status.rolled_out_at.map(|time| time.0).or(scene.world.rolled_out).or(from_the_start.map(|time| time.0))
}

/// A later revision in this lane that has started.
fn superseded_by(scene: &Scene<'_>) -> Option<String> {
    let own = scene.world.promotion.revision()?;
    scene.lane.here().find(|other| other.revision() > Some(own)).map(|other| other.name().to_owned())
}

/// Whether a rollback of this lane is pending.
fn rollback_is_pending(scene: &Scene<'_>) -> bool {
    // A user's rollback that is refused must not hide a failure of this promotion.
    let is_refused = |other: &Promotion| {
        !other.is_automatic() && other.status.as_ref().is_some_and(|status| status.refused_since.is_some())
    };
    scene.lane.waiting_rollbacks().any(|other| !is_refused(other))
}

/// Whether a release that another tool deploys was healthy for `soak`. Another tool replaces it without waiting for the observe window.
fn has_soaked(scene: &Scene<'_>) -> bool {
    match (scene.environment.spec.delivery, scene.environment.spec.soak, rolled_out_at(scene)) {
        (Delivery::Observed, Some(soak), Some(at)) => later(at, span(soak)) <= scene.now,
        (Delivery::Managed | Delivery::Observed, _, _) => false,
    }
}

/// Ends the promotion if its target namespace was deleted or recreated.
fn target_is_gone(scene: &Scene<'_>) -> Option<Decision> {
    let facts = scene.world.project.namespace(scene.environment);
    let stored = scene.world.promotion.status.as_ref().and_then(|status| status.namespace_uid.as_deref());
    let same = facts
        .is_some_and(|facts| !facts.terminating && (stored.is_none() || stored == Some(facts.uid.as_str())));
    (!same).then(|| {
        finish(
            scene,
            Outcome::Interrupted {
                reason: Reason::NamespaceDeleted,
                message: "the target namespace was deleted during the promotion",
            },
        )
    })
}

/// Whether the release was deleted, which withdraws it. An undecodable release was not deleted.
fn is_withdrawn(scene: &Scene<'_>) -> bool {
    let release = ("Release".to_owned(), scene.world.promotion.spec.release.to_string());
    let gone = scene.release.is_none_or(Meta::deleting) || scene.is_of_another_release();
    !scene.world.project.undecodable.contains_key(&release)
        && scene.world.promotion.spec.kind == PromotionKind::Promote
        && gone
}

fn roll_out(scene: &Scene<'_>, wanted: &[Desired]) -> Decision {
    let status = scene.status();
    let since = status.started_at.as_ref().map_or(scene.now, |time| time.0);
    if let Some((key, message)) = scene.world.refused.iter().next() {
        return finish(
            scene,
            Outcome::Failed {
                reason: Reason::WriteRefused,
                message: &format!("{key} was refused: {message}"),
            },
        );
    }
    let next = next_writes(scene, &status, wanted);
    if !next.actions.is_empty() && scene.now >= write_deadline(scene, wanted, since) {
        return finish(
            scene,
            Outcome::Failed {
                reason: Reason::WriteDeadlineExceeded,
                message: "not all objects were written before the progress deadline",
            },
        );
    }
    // Written workloads are checked while the remaining objects are still being written.
    let mut checked: Vec<ObjectKey> = match (&next.gate, next.complete) {
        (_, true) => workloads(wanted),
        (Some(keys), false) => keys.clone(),
        (None, false) => Vec::new(),
    };
    checked.extend(
        wanted
            .iter()
            .filter(|item| item.hook.is_none() && is_written(scene, &item.key))
            .map(|item| item.key.clone()),
    );
    checked.retain(|key| next.complete || is_written(scene, key) || scene.world.workloads.contains_key(key));
    checked.sort();
    checked.dedup();
    // Times are whole seconds: a pod of the failed revision may have been created in the second in which the rollback starts.
    let settling = SignedDuration::from_secs(i64::from(scene.is_rollback()));
    let mode = Mode::Rollout(later(since, settling));
    match health_of(scene, &checked, mode) {
        Health::Failing { reason, message } => finish(scene, Outcome::Failed { reason, message: &message }),
        // The progress of a workload is in its own status. Repeating it here would cost a write per pod.
        Health::Progressing { recheck_at, .. } => proceed(scene, next, recheck_at),
        Health::Healthy if next.complete => {
            if let Some(hooks) =
                (!scene.is_rollback()).then(|| run_hooks(scene, wanted, Hook::PostPromote)).flatten()
            {
                let keys = hooks.gate.clone().unwrap_or_default();
                return match health_of(scene, &keys, mode) {
                    Health::Failing { reason, message } if hooks.actions.is_empty() => {
                        finish(scene, Outcome::Failed { reason, message: &message })
                    }
                    Health::Failing { .. } | Health::Healthy | Health::Progressing { .. } => {
                        proceed(scene, hooks, None)
                    }
                };
            }
            rolled_out(scene, wanted)
        }
        Health::Healthy => proceed(scene, next, None),
    }
}

/// The time by which every object must be written: one progress deadline per wave, and two for hooks.
fn write_deadline(scene: &Scene<'_>, wanted: &[Desired], since: Timestamp) -> Timestamp {
    let waves: BTreeSet<i32> = wanted.iter().map(|item| item.wave).collect();
    let count = i64::try_from(waves.len()).unwrap_or(i64::MAX).saturating_add(2);
    let limit = i64::from(scene.policy.failing.progress_deadline_seconds).saturating_mul(count);
    later(since, SignedDuration::from_secs(limit))
}

/// Carries out the next writes. Requeues at the next deadline, and to check consent.
fn proceed(scene: &Scene<'_>, next: Next, recheck_at: Option<Timestamp>) -> Decision {
    let mut actions = next.actions;
    actions.extend(stuck_pods(scene));
    let soon = (!actions.is_empty()).then(|| later(scene.now, SignedDuration::from_secs(1)));
    let limit = SignedDuration::from_secs(i64::from(scene.policy.failing.progress_deadline_seconds));
    let wake_at = earliest(earliest(recheck_at, soon), Some(later(scene.now, limit.min(CONSENT))));
    Decision { actions, wake_at, ..Decision::default() }
}

/// Deletes the pods of the replaced revision that are not ready: with `OrderedReady` the StatefulSet controller never replaces them
/// (kubernetes#67250).
fn stuck_pods(scene: &Scene<'_>) -> Vec<Action> {
    let replaces = scene.status().replaces.and_then(|number| scene.lane.revision(number));
    let replaces_a_failure = replaces.is_some_and(|promotion| promotion.phase() == PromotionPhase::Failed);
    if !scene.is_rollback() && !replaces_a_failure {
        return Vec::new();
    }
    scene
        .world
        .workloads
        .iter()
        .filter(|(key, _)| key.kind() == "StatefulSet" && is_written(scene, key))
        .filter(|(_, workload)| workload.observed)
        .flat_map(|(_, workload)| &workload.stuck)
        .map(|(name, uid)| Action::DeletePod { target: scene.target(), name: name.clone(), uid: uid.clone() })
        .collect()
}

/// Ends a rollback, whose content was verified before; starts the observe window of a promotion.
fn rolled_out(scene: &Scene<'_>, wanted: &[Desired]) -> Decision {
    if scene.is_rollback() {
        return finish(
            scene,
            Outcome::Verified { reason: Reason::Restored, message: "restored and healthy again" },
        );
    }
    let window = span(scene.policy.observe_window);
    if window.is_zero() {
        return finish(
            scene,
            Outcome::Verified { reason: Reason::Verified, message: "rolled out and healthy" },
        );
    }
    let since = last_ready(scene, wanted);
    let until = later(since, window);
    let message = format!(
        "{}: revision {} is rolled out; observed until {until}",
        scene.environment.name(),
        scene.revision()
    );
    Decision {
        actions: vec![Action::MarkRolledOut { since }],
        wake_at: (until > scene.now).then_some(until),
        notes: vec![note(Reason::RolledOut, message)],
        ..Decision::default()
    }
}

/// The time when the last pod became ready: a function of the pods, so that every replica computes the same. Pods report whole
/// seconds, so the next second is used.
fn last_ready(scene: &Scene<'_>, wanted: &[Desired]) -> Timestamp {
    let started = scene.status().started_at.map_or(scene.now, |time| time.0);
    let ready = workloads(wanted)
        .iter()
        .filter_map(|key| scene.world.workloads.get(key))
        .flat_map(|workload| &workload.pods)
        .filter(|pod| pod.ready)
        .filter_map(|pod| pod.ready_since)
        .max();
    later(ready.map_or(started, |at| at.max(started)), SignedDuration::from_secs(1)).min(scene.time_after().0)
}

/// Checks health until the observe window ends.
fn observe(scene: &Scene<'_>, wanted: &[Desired], since: Timestamp) -> Decision {
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
