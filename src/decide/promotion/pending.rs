//! A promotion that has written nothing yet: gates, consent, approvals, the dry-run of every object, and then the intent.

use super::checks::before_start;
use super::ending::finish;
use super::gates::{busy_lane, closed_gate, no_consent, unapproved};
use super::intent::{begin, intend, launch};
use super::outcome::{Outcome, Turn};
use super::refusal::refuse;
use super::{Decision, RETRY, Scene, dependants, drift, test_runs};
use crate::api::{Delivery, Meta, ObjectRef, PromotionPhase, Reason};
use crate::content::plan::ingress::unchanged_hosts;
use crate::content::{Digested, ObjectKey, Plan};
use crate::decide::history::target::has_healthy_baseline;
use crate::decide::moments::later;
use crate::decide::world::{Loaded, Trial};
use jiff::SignedDuration;

/// How long the answers of a dry-run without refusals count.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// Decides about a promotion that has written nothing.
pub(super) fn decide(scene: &Scene<'_>) -> Decision {
    test_runs::attend(scene, next(scene).unwrap_or_else(|outcome| finish(scene, outcome)))
}

fn next(scene: &Scene<'_>) -> Turn {
    let waits = closed_gate(scene)?.or_else(|| busy_lane(scene)).or_else(|| no_consent(scene));
    if let Some(decision) = waits.or_else(|| dependants::rolled_back_first(scene)) {
        return Ok(decision);
    }
    let content = match &scene.world.content {
        Loaded::Here(content) => content.as_ref(),
        Loaded::NotAsked => return no_target(scene),
        Loaded::Missing(name) => {
            return refuse(scene, Reason::ContentMissing, &format!("the Content {name} was deleted"), RETRY);
        }
        Loaded::Broken(message) => {
            return Err(Outcome::Refused { reason: Reason::ContentBroken, message: message.clone() });
        }
    };
    match (scene.environment.spec.delivery, scene.is_rollback()) {
        (Delivery::Observed, false) => return Ok(start_observing(scene, content)),
        (Delivery::Observed, true) => {
            let message =
                "the environment has delivery: Observed; roll back with the tool that deploys to it".into();
            return Err(Outcome::Refused { reason: Reason::Observed, message });
        }
        (Delivery::Managed, _) => {}
    }
    match (&scene.world.plans.content, scene.is_rollback()) {
        (Some(Ok(plan)), false) => start_promotion(scene, content, plan),
        (Some(Ok(plan)), true) => start_rollback(scene, plan),
        (Some(Err(error)), _) => {
            Err(Outcome::Refused { reason: Reason::InvalidContent, message: error.to_string() })
        }
        // Unreachable: a loaded content has a plan.
        (None, _) => no_target(scene),
    }
}

fn no_target(scene: &Scene<'_>) -> Turn {
    match (scene.is_rollback(), scene.world.promotion.spec.to_revision) {
        (true, Some(number)) => {
            let message = format!(
                "spec.toRevision is {number}, and {} has no such revision of {}; see status.applications of the environment",
                scene.environment.name(),
                scene.application
            );
            Err(Outcome::Refused { reason: Reason::NoTarget, message })
        }
        (true, None) => {
            let baseline = match has_healthy_baseline(&scene.lane) {
                true => " (0 restores what ran before Towpath first wrote)",
                false => "",
            };
            let message = format!(
                "there is no other verified revision to roll back to that was not recalled or rolled back itself; name one with \
                 spec.toRevision{baseline}"
            );
            Err(Outcome::Refused { reason: Reason::NoTarget, message })
        }
        (false, _) => {
            Ok(scene.wait(&Reason::Content, "the content of the release has not been captured yet", None))
        }
    }
}

/// Starts the observe window of a release that another tool deploys.
fn start_observing(scene: &Scene<'_>, content: &Digested) -> Decision {
    let mut status = begin(scene, content);
    status.rolled_out_at = Some(scene.time_after());
    status.content = scene.release.and_then(|release| Some(release.content()?.to_owned()));
    let message = "already deployed; observed until the observe window ends";
    let memory = scene.write(status, PromotionPhase::Observing, &Reason::Observing, message);
    Decision { memory: Some(memory), wake_at: Some(scene.shortly()), ..Decision::default() }
}

fn start_promotion(scene: &Scene<'_>, content: &Digested, plan: &Plan) -> Turn {
    if let Some(outcome) = captured_host(scene, content, plan) {
        return Err(outcome);
    }
    let replaced = match &scene.world.plans.replaced {
        Some(Ok(replaced)) => replaced.objects.as_slice(),
        Some(Err(error)) => {
            return Err(Outcome::Refused { reason: Reason::InvalidContent, message: error.to_string() });
        }
        None => &[],
    };
    if let Some(decision) = test_runs::running(scene, plan)? {
        return Ok(decision);
    }
    let refusals = scene.refusals(&plan.objects);
    if !refusals.is_empty() {
        return refuse(scene, Reason::Preflight, &refusals.join("; "), RETRY);
    }
    if let Some(waits) = drift::closed(scene, plan) {
        return Ok(waits);
    }
    let approvals = match unapproved(scene, plan.digest()) {
        Ok(approvals) => approvals,
        Err(waits) => return Ok(*waits),
    };
    let Some(trial) = scene.world.tried.as_ref().filter(|trial| trial.digest == plan.digest()) else {
        return Ok(scene.preflight(plan));
    };
    let refused = refused(scene, plan, trial);
    if !refused.is_empty() {
        if scene.now < later(trial.at, RETRY) {
            return refuse(scene, Reason::Preflight, &refused.join("; "), RETRY);
        }
        let refusal = refuse(scene, Reason::Preflight, &refused.join("; "), RETRY)?;
        return Ok(Decision { report: refusal.report, ..scene.preflight(plan) });
    }
    if let Some(decision) = before_start(scene, &plan.objects)? {
        return Ok(decision);
    }
    if let Some(message) = scene.paused(&plan.objects, trial) {
        return Ok(scene.wait(&Reason::Paused, &message, None));
    }
    if let Some(decision) = test_runs::before_start(scene, plan, approvals.as_ref())? {
        return Ok(decision);
    }
    // After a wait the answers may be about objects that have changed since.
    if scene.now >= later(trial.at, FRESH) {
        return Ok(scene.preflight(plan));
    }
    intend(scene, content, plan, replaced, approvals)
}

/// Refuses a release with an Ingress that would serve the host of the environment where it was captured.
fn captured_host(scene: &Scene<'_>, content: &Digested, plan: &Plan) -> Option<Outcome> {
    scene.release.filter(|release| release.captured_from().is_some())?;
    let (ingress, host) = unchanged_hosts(content.objects(), plan.content.objects()).pop()?;
    let message = format!(
        "Ingress {ingress} would serve {host}, the host of the environment where it was captured; change the host in \
         spec.overrides.patches, or name the Ingress in spec.keeps"
    );
    Some(Outcome::Refused { reason: Reason::IngressHost, message })
}

/// What the dry-run found against the objects of a plan.
fn refused(scene: &Scene<'_>, plan: &Plan, trial: &Trial) -> Vec<String> {
    let (crowded, _) = scene.crowded(&plan.objects, trial);
    trial
        .results
        .iter()
        .filter_map(|(key, result)| result.as_ref().err().map(|message| format!("{key}: {message}")))
        .chain(trial.refusals.iter().cloned())
        .chain(crowded)
        .chain(scene.missing(trial))
        .collect()
}

/// Whether the restored revision was verified; for the baseline, whether it was healthy when it was found.
fn is_verified_target(scene: &Scene<'_>) -> bool {
    match scene.restored_revision() {
        None => false,
        Some(0) => scene.lane.first().and_then(|first| first.status.as_ref()?.baseline_healthy) == Some(true),
        Some(number) => scene
            .lane
            .revision(number)
            .is_some_and(|target| target.phase() == crate::api::PromotionPhase::Verified),
    }
}

fn start_rollback(scene: &Scene<'_>, plan: &Plan) -> Turn {
    if !is_verified_target(scene) {
        let message = "spec.toRevision names a revision that was not verified in this environment; see status.applications of the environment".into();
        return Err(Outcome::Refused { reason: Reason::NotVerified, message });
    }
    let refusals = scene.refusals(&plan.objects);
    if !refusals.is_empty() {
        return refuse(scene, Reason::Refused, &refusals.join("; "), RETRY);
    }
    let mut status = begin(scene, &plan.content);
    status.restores = scene.restored_revision();
    let (name, _) = super::contents(&scene.world.project, &scene.world.promotion);
    status.content = name;
    let replaced = scene.world.plans.replaced.as_ref().and_then(|plan| plan.as_ref().ok());
    let replaced = replaced.map(|plan| plan.objects.as_slice()).unwrap_or_default();
    status.changes = scene.reverts(&plan.objects, replaced);
    // Workloads that failed before the failed revision and are not restored now are not failures of the rollback.
    let before = scene.lane.current().and_then(|current| current.status.as_ref());
    let before = before.map(|status| status.failing_before.clone()).unwrap_or_default();
    let changed: Vec<ObjectKey> = status.changes.iter().filter_map(ObjectKey::of_change).collect();
    let is_changed = |old: &ObjectRef| changed.iter().any(|key| key.is_named_by(old));
    status.failing_before = before.into_iter().filter(|keep| !is_changed(keep)).collect();
    status.version = status
        .restores
        .and_then(|number| scene.lane.revision(number))
        .and_then(|promotion| promotion.status.as_ref()?.version.clone());
    status.warnings.extend(dependants::staying(scene));
    Ok(launch(scene, status, &plan.objects, Vec::new()))
}

impl Scene<'_> {
    /// The time of the next check when a cache may not have the latest objects yet.
    pub(super) fn shortly(&self) -> jiff::Timestamp {
        later(self.now, SignedDuration::from_millis(200))
    }
}
