//! The observe window: health decides until it ends whether the promotion is verified.

use super::as_written::{Comparison, compare};
use super::awaited::{waited, waits_for_a_person};
use super::checks::{Checks, Evidence, with_action};
use super::ending::finish;
use super::health::{
    health_of, template_changes, unchanged, unjudged, without_new_pods, without_replicas, workloads,
};
use super::outcome::{Outcome, Turn};
use super::{Decision, Scene, test_runs};
use crate::api::{Delivery, ObjectRef, PromotionStatus, Reason, mark};
use crate::content::object::metadata::annotation;
use crate::content::ownership::fields::Changed;
use crate::content::{Desired, ObjectKey};
use crate::decide::decision::Action;
use crate::decide::health::{Health, Mode};
use crate::decide::moments::{earliest, later, span};
use crate::decide::world::Loaded;
use jiff::Timestamp;

/// Checks health until the observe window ends.
pub(super) fn observe(scene: &Scene<'_>, wanted: &[Desired], since: Timestamp) -> Turn {
    let until = later(since, span(scene.policy.observe_window));
    if let Some(outcome) = rewritten(scene, wanted) {
        return Err(outcome);
    }
    let keys = judged(scene, wanted);
    let checked = unchanged(scene, wanted);
    let health = health_of(scene, &keys, Mode::Observe);
    if let Health::Failing { reason, message } = health {
        return Err(failed(scene, reason, message));
    }
    if let Some((reason, message)) = test_runs::failure(scene) {
        return Err(Outcome::Failed { reason, message });
    }
    let mut checks = Checks::of(scene, wanted, since, until);
    if let Some((outcome, action)) = checks.failed() {
        let scene = with_action(scene, action);
        return Ok(checks.recorded(&scene, finish(&scene, outcome)));
    }
    let tests = test_runs::advance(scene, |_| true);
    // The window lasts at least until the tests have ended.
    let is_open = scene.now < until || tests.is_some();
    checks = checks.held(scene.now >= until && tests.is_some());
    let until_then = Some(until).filter(|at| *at > scene.now);
    let decision = match health {
        Health::Healthy if is_open => Decision { wake_at: until_then, ..Decision::default() },
        Health::Progressing { recheck_at, .. } if is_open => {
            Decision { wake_at: earliest(recheck_at, until_then), ..Decision::default() }
        }
        Health::Healthy | Health::Progressing { .. } | Health::Failing { .. } => {
            let settled = settled(scene, &keys, until);
            checks = checks.held(settled != Health::Healthy);
            match settled {
                Health::Healthy => match end(scene, wanted, &checks)? {
                    Some(decision) => return Ok(decision),
                    None => Decision { memory: end_of_wait(scene), ..Decision::default() },
                },
                Health::Failing { reason, message } => return Err(failed(scene, reason, message)),
                Health::Progressing { obstacle: Some(reason), message, recheck_at } => {
                    let status = waits_for_a_person(scene, scene.status.clone(), true);
                    scene.stay(status, &reason, &message, recheck_at)
                }
                // Not reported: the progress of a workload is in its own status.
                Health::Progressing { obstacle: None, recheck_at, .. } => {
                    Decision { memory: end_of_wait(scene), wake_at: recheck_at, ..Decision::default() }
                }
            }
        }
    };
    // Nothing watches objects of custom kinds.
    let poll = (!scene.world.customs.is_empty()).then(|| later(scene.now, super::RETRY));
    let tests = tests.unwrap_or_default();
    let wake_at = earliest(earliest(decision.wake_at, poll), tests.wake_at);
    let mut actions = tests.actions;
    if !checked.is_empty() {
        actions.push(Action::MarkUnchanged { generations: checked });
    }
    Ok(checks
        .attach(scene, Decision { memory: tests.memory.or(decision.memory), actions, wake_at, ..decision }))
}

/// Ends a promotion that wrote a template which another manager changed.
fn rewritten(scene: &Scene<'_>, wanted: &[Desired]) -> Option<Outcome> {
    if scene.environment.spec.delivery != Delivery::Managed {
        return None;
    }
    let (key, changed) = template_changes(scene, wanted).next()?;
    Some(template_changed(&key, &changed))
}

/// The end of a promotion whose template another manager changed.
pub(super) fn template_changed(key: &ObjectKey, changed: &Changed) -> Outcome {
    let message = format!(
        "{key} no longer runs what was written: {} changed {} before the release was verified",
        changed.manager, changed.field
    );
    Outcome::Interrupted { reason: Reason::TemplateChanged, message }
}

/// The objects whose health decides.
fn judged(scene: &Scene<'_>, wanted: &[Desired]) -> Vec<ObjectKey> {
    match (scene.environment.spec.delivery, &scene.world.content) {
        (Delivery::Managed, _) => workloads(wanted),
        // Another tool deploys the objects under the names that they were captured with.
        (Delivery::Observed, Loaded::Here(content)) => {
            let is_test = |object| annotation(object, mark::TEST).is_some();
            let objects = content.objects().iter().filter(|(_, object)| !is_test(object));
            objects.map(|(key, _)| key.clone()).collect()
        }
        (Delivery::Observed, Loaded::NotAsked | Loaded::Missing(_) | Loaded::Broken(_)) => Vec::new(),
    }
}

/// The health at the end of the window: pods that were added in it must be ready too.
fn settled(scene: &Scene<'_>, keys: &[ObjectKey], until: Timestamp) -> Health {
    // As in a rollout, the time for which a person is awaited is no silence of a workload.
    let settling = waited(scene, &scene.status).map_or(until, |at| at.max(until).min(scene.now));
    health_of(scene, keys, Mode::Settle(settling))
}

/// The status of a promotion that does not wait for a person any more. None if it did not.
fn end_of_wait(scene: &Scene<'_>) -> Option<PromotionStatus> {
    scene.status.waiting_since.as_ref()?;
    let status = waits_for_a_person(scene, scene.status.clone(), false);
    let phase = status.phase;
    Some(scene.write(
        status,
        phase,
        &Reason::Observing,
        "rolled out; the wait after the observe window has ended",
    ))
}

/// Ends a promotion of which a workload failed. One that was deleted is like one whose template was changed: another user did it, not the
/// release.
fn failed(scene: &Scene<'_>, reason: Reason, message: String) -> Outcome {
    if reason == Reason::Missing && scene.environment.spec.delivery == Delivery::Managed {
        let message = format!(
            "{message} before the release was verified; promote the release again to create it again"
        );
        return Outcome::Interrupted { reason, message };
    }
    Outcome::Failed { reason, message }
}

/// Ends the promotion after the observe window: verified, unless nothing shows whether the release is good. None while a check needs
/// further measurements.
fn end(scene: &Scene<'_>, wanted: &[Desired], checks: &Checks<'_>) -> Turn<Option<Decision>> {
    if let Some((reason, message)) = test_runs::error(scene) {
        return Err(Outcome::Inconclusive { reason, message });
    }
    let idle: Vec<ObjectRef> = without_replicas(scene, wanted)
        .into_iter()
        .filter(|it| scene.status.without_replicas.contains(it))
        .collect();
    if !idle.is_empty() {
        return Err(nothing_ran(&idle));
    }
    if let Some(outcome) = no_new_pods(scene) {
        return Err(outcome);
    }
    match checks.evidence() {
        Evidence::Complete => {}
        Evidence::Open => return Ok(None),
        Evidence::Missing { reason, message } => {
            return Err(Outcome::Inconclusive { reason, message });
        }
    }
    match compare(scene, wanted) {
        Comparison::AsWritten => {}
        Comparison::Unread => {
            let actions = vec![Action::MarkComparing { at: scene.now }];
            return Ok(Some(Decision { actions, wake_at: Some(scene.shortly()), ..Decision::default() }));
        }
        Comparison::Changed { reason, message } => {
            return Err(Outcome::Interrupted { reason, message });
        }
    }
    let notes = unjudged(scene, &workloads(wanted));
    let message = [vec!["stayed healthy through the observe window".to_owned()], notes].concat().join("; ");
    Err(Outcome::Verified { reason: Reason::Verified, message })
}

/// Ends a promotion that changed the pod template of a custom object of which only earlier pods run.
pub(super) fn no_new_pods(scene: &Scene<'_>) -> Option<Outcome> {
    let names: Vec<String> = without_new_pods(scene).iter().map(ToString::to_string).collect();
    let (has, them) =
        if names.len() == 1 { ("has", "its controller keeps") } else { ("have", "their controllers keep") };
    let message = format!(
        "nothing shows whether the release is good: the pod template of {} was changed and {has} no pod of it; {them} the earlier pods. \
         The status of the object says why; promote again when it runs",
        names.join(", ")
    );
    (!names.is_empty()).then_some(Outcome::Inconclusive { reason: Reason::NothingRan, message })
}

/// Ends a promotion of which a workload has no pods.
pub(super) fn nothing_ran(idle: &[ObjectRef]) -> Outcome {
    let (nowhere, idle): (Vec<_>, Vec<_>) = idle.iter().partition(|it| it.kind == "DaemonSet");
    let names = |all: &[&ObjectRef]| {
        let names: Vec<String> = all.iter().map(|it| format!("{} {}", it.kind, it.name)).collect();
        names.join(", ")
    };
    let many = |all: &[&ObjectRef], one, more| if all.len() == 1 { one } else { more };
    let without_replicas = (!idle.is_empty()).then(|| {
        format!(
            "{} {} 0 replicas, so no pod ran; scale {} up and promote again, or set replicas: 0 in the content or in spec.overrides of \
             the environment",
            names(&idle),
            many(&idle, "has", "have"),
            many(&idle, "it", "them"),
        )
    });
    let without_nodes = (!nowhere.is_empty()).then(|| {
        format!(
            "{} {} no node, so no pod ran; correct {} nodeSelector or affinity, or add a node, and promote again",
            names(&nowhere),
            many(&nowhere, "selects", "select"),
            many(&nowhere, "its", "their"),
        )
    });
    let why: Vec<String> = without_replicas.into_iter().chain(without_nodes).collect();
    let message = format!("nothing shows whether the release is good: {}", why.join("; "));
    Outcome::Inconclusive { reason: Reason::NothingRan, message }
}
