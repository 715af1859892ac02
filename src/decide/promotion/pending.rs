//! A promotion that has written nothing yet: gates, consent, approvals, the dry-run of every object, and then the intent.

use super::checks::{baselines, before_start};
use super::ending::finish;
use super::gates::{busy_lane, closed_gate, no_consent, unapproved};
use super::health::exits_found;
use super::outcome::{Outcome, Stage};
use super::refusal::refuse;
use super::rolling::{rolling_message, rolling_reason};
use super::{Decision, RETRY, Scene, dependants, drift, note, test_runs, warning};
use crate::api::{
    ApprovalsReport, Delivery, Meta, ObjectRef, PromotionPhase, PromotionStatus, Reason, Step, StepResult,
};
use crate::content::capture::images::images;
use crate::content::object::strip::strip;
use crate::content::plan::ingress::unchanged_hosts;
use crate::content::plan::overrides::unmatched;
use crate::content::plan::unrolled::unrolled;
use crate::content::{ContentError, Desired, Digested, ObjectKey, ObjectSet, Plan};
use crate::decide::conditions::cut;
use crate::decide::decision::{Owner, Record};
use crate::decide::moments::later;
use crate::decide::world::Loaded;
use jiff::SignedDuration;

/// How long the answers of a dry-run without refusals count.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// Decides about a promotion that has written nothing.
pub(super) fn decide(scene: &Scene<'_>) -> Decision {
    test_runs::attend(scene, next(scene).unwrap_or_else(|outcome| finish(scene, outcome)))
}

fn next(scene: &Scene<'_>) -> Stage {
    let waits = closed_gate(scene)?.or_else(|| busy_lane(scene)).or_else(|| no_consent(scene));
    if let Some(decision) = waits.or_else(|| dependants::go_first(scene)) {
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

fn no_target(scene: &Scene<'_>) -> Stage {
    match (scene.is_rollback(), scene.world.promotion.spec.to_revision) {
        (true, Some(number)) => {
            let message = format!(
                "spec.toRevision is {number}, and {} has no such revision of {}; see status.applications of the environment",
                scene.environment.name(),
                scene.application
            );
            Err(Outcome::Refused { reason: Reason::NoTarget, message })
        }
        (true, None) => Err(Outcome::Refused {
            reason: Reason::NoTarget,
            message: "there is no verified revision to roll back to".into(),
        }),
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

fn start_promotion(scene: &Scene<'_>, content: &Digested, plan: &Plan) -> Stage {
    let captured_elsewhere = scene.release.is_some_and(|release| release.captured_from().is_some());
    if let Some((ingress, host)) = captured_elsewhere
        .then(|| unchanged_hosts(content.objects(), plan.content.objects()))
        .and_then(|mut hosts| hosts.pop())
    {
        let message = format!(
            "Ingress {ingress} would serve {host}, the host of the environment where it was captured; change the host in \
             spec.overrides.patches, or name the Ingress in spec.keeps"
        );
        return Err(Outcome::Refused { reason: Reason::IngressHost, message });
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
    let (crowded, _) = scene.crowded(&plan.objects, trial);
    let refused: Vec<String> = trial
        .results
        .iter()
        .filter_map(|(key, result)| result.as_ref().err().map(|message| format!("{key}: {message}")))
        .chain(trial.refusals.iter().cloned())
        .chain(crowded)
        .chain(scene.missing(trial))
        .collect();
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

/// The step that records which gates were overridden, by whom and why.
fn overridden(scene: &Scene<'_>) -> Option<Step> {
    let spec = &scene.world.promotion.spec;
    let override_ = spec.override_.as_ref()?;
    let gates: Vec<&str> = override_.gates.iter().map(|gate| gate.as_str()).collect();
    let by = spec.requested_by.as_ref().map_or("unknown requester", |user| user.username.as_str());
    Some(Step {
        name: "Override".into(),
        started_at: Some(scene.time()),
        finished_at: Some(scene.time()),
        result: StepResult::Passed,
        message: Some(crate::decide::conditions::cut(
            &format!("{by}: {}: {}", gates.join(", "), override_.reason),
            1024,
        )),
    })
}

/// Records the intent after a dry-run without refusals, and starts the first writes.
fn intend(
    scene: &Scene<'_>,
    content: &Digested,
    plan: &Plan,
    replaced: &[Desired],
    approvals: Option<ApprovalsReport>,
) -> Stage {
    let wanted = plan.objects.as_slice();
    let mut status = begin(scene, &plan.content);
    status.approvals = approvals;
    status.tests = test_runs::planned(scene, plan);
    status.steps.extend(overridden(scene));
    let mut records = Vec::new();
    let source = scene.release.and_then(|release| Some(release.content()?.to_owned()));
    status.content = match source {
        Some(name) if content.digest() == plan.digest() && owns_captured_content(scene) => Some(name),
        Some(_) | None => match record(scene, &mut records, &plan.content) {
            Ok(name) => Some(name),
            Err(error) => {
                return Err(Outcome::Refused { reason: Reason::InvalidContent, message: error.to_string() });
            }
        },
    };
    if scene.lane.first().is_none() {
        match baseline(scene, wanted).and_then(|baseline| record(scene, &mut records, &baseline)) {
            Ok(name) => status.baseline = Some(name),
            Err(error) => {
                return Err(Outcome::Refused {
                    reason: Reason::Baseline,
                    message: format!("the current objects cannot be stored as the baseline: {error}"),
                });
            }
        }
        status.baseline_healthy = Some(scene.baseline_is_healthy(wanted));
    }
    status.changes = scene.changes(wanted, replaced);
    status.checks = baselines(scene);
    status.failing_before = scene.failing_before(wanted, &status.changes);
    status.warnings.extend(drift::warnings(scene).iter().map(|text| cut(text, 512)));
    status.warnings.extend(unmatched(content.objects(), &scene.environment.spec));
    status.warnings.extend(unrolled(plan.content.objects()).iter().map(|text| cut(text, 512)));
    record_dry_run(scene, &mut status, wanted);
    Ok(launch(scene, status, wanted, records))
}

/// The objects that exist before the first write of this lane.
fn baseline(scene: &Scene<'_>, wanted: &[Desired]) -> Result<Digested, ContentError> {
    let found = wanted.iter().filter_map(|wanted| scene.world.live.get(&wanted.key)?.present()).map(strip);
    let spec = &scene.environment.spec;
    ObjectSet::new(found, &spec.kinds, Some(&spec.namespace)).and_then(Digested::of)
}

/// Adds the warnings and the step of the dry-run to the status.
fn record_dry_run(scene: &Scene<'_>, status: &mut PromotionStatus, wanted: &[Desired]) {
    let Some(trial) = &scene.world.tried else { return };
    let (_, remarks) = scene.crowded(wanted, trial);
    let warnings = trial.warnings.iter().chain(&remarks).map(|text| cut(text, 512));
    status.warnings.extend(warnings);
    status.warnings.truncate(20);
    status.steps.push(Step {
        name: "Preflight".into(),
        started_at: Some(scene.time()),
        finished_at: Some(scene.time()),
        result: StepResult::Passed,
        message: Some(format!("dry-run of {} objects: {} differ", trial.results.len(), status.changes.len())),
    });
}

/// Whether the environment is an owner of the captured Content. An environment created after the release is not: the Content would be
/// deleted with the release.
fn owns_captured_content(scene: &Scene<'_>) -> bool {
    scene.release.is_some_and(|release| scene.environment.created() <= release.created())
}

/// Adds a Content to the records and returns its name.
fn record(scene: &Scene<'_>, records: &mut Vec<Record>, content: &Digested) -> Result<String, ContentError> {
    // The name contains the environment, which owns the Content: equal content of another environment is not deleted with it.
    let sealed = content.seal(&format!("{}-{}", scene.environment.name(), scene.application))?;
    let name = sealed.name.clone();
    records.push(Record {
        sealed,
        application: scene.application.to_owned(),
        owners: vec![Owner::environment(scene.environment)],
    });
    Ok(name)
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

fn start_rollback(scene: &Scene<'_>, plan: &Plan) -> Stage {
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
    Ok(launch(scene, status, &plan.objects, Vec::new()))
}

/// Records the intent, and starts the first writes in the same pass. The intent is the memory, or the rollback itself.
fn launch(
    scene: &Scene<'_>,
    mut status: PromotionStatus,
    wanted: &[Desired],
    records: Vec<Record>,
) -> Decision {
    let message = rolling_message(scene, &status);
    status.exits_before = exits_found(scene, wanted);
    let name = if scene.is_rollback() { "Rollback" } else { "Rollout" };
    status.steps.extend(super::hooks::announced(scene, wanted));
    status.steps.push(Step {
        name: name.into(),
        started_at: Some(scene.time()),
        finished_at: None,
        result: StepResult::Running,
        message: Some(message.clone()),
    });
    let next = super::writes::next_writes(scene, &status, wanted);
    let (next, _) = super::retries::possible(scene, &status, next, scene.now);
    let note = match scene.is_rollback() {
        true => warning(
            Reason::RollbackStarted,
            format!("{}: revision {} starts: {message}", scene.target().environment, scene.revision()),
        ),
        false => note(
            Reason::PromotionStarted,
            format!("{}: revision {} starts: {message}", scene.target().environment, scene.revision()),
        ),
    };
    Decision {
        records,
        memory: Some(scene.write(status, PromotionPhase::Promoting, &rolling_reason(scene), &message)),
        // The target and the number of a rollback follow from its spec until it has ended, so its writes need not wait for the
        // memory. A rollback that was refused before writes its memory first.
        memory_follows: scene.is_rollback() && scene.status.refused_since.is_none(),
        actions: next.actions,
        wake_at: Some(later(scene.now, SignedDuration::from_secs(1))),
        notes: vec![note],
        ..Decision::default()
    }
}

/// The status that every start has in common.
fn begin(scene: &Scene<'_>, content: &Digested) -> PromotionStatus {
    let mut status = scene.status.clone();
    status.revision = Some(scene.revision());
    status.replaces = scene.lane.current().and_then(|current| current.revision());
    status.digest = Some(content.digest().to_owned());
    status.started_at = Some(scene.time());
    status.refused_since = None;
    if !scene.is_rollback() {
        status.change = scene.release.and_then(|release| release.change_record());
        status.requires = scene.release.map(|release| release.requires()).unwrap_or_default();
        status.overrides_digest =
            Some(crate::decide::environment::overrides::digest(scene.environment.spec.overrides.as_ref()));
    }
    status.version = scene.release.map(|release| release.version().to_owned());
    status.namespace_uid = scene.world.project.namespace(scene.environment).map(|facts| facts.uid.clone());
    let unpinned = images(content.objects()).into_iter().filter(|image| !image.contains("@sha256:")).count();
    if unpinned > 0 && scene.environment.spec.delivery == Delivery::Managed {
        status.warnings.push(format!("{unpinned} images are not pinned to a digest"));
    }
    status
}

impl Scene<'_> {
    /// The time of the next check when a cache may not have the latest objects yet.
    pub(super) fn shortly(&self) -> jiff::Timestamp {
        later(self.now, SignedDuration::from_millis(200))
    }
}
