//! The intent of a promotion or rollback: what its status holds before the first write.

use super::checks::baselines;
use super::health::exits_found;
use super::outcome::{Outcome, Turn};
use super::retries::possible;
use super::rolling::{rolling_message, rolling_reason};
use super::writes::next_writes;
use super::{Decision, Scene, drift, hooks, note, test_runs, warning};
use crate::api::{
    ApprovalsReport, Delivery, Meta, PromotionKind, PromotionPhase, PromotionStatus, Reason, Step, StepResult,
};
use crate::content::capture::images::images;
use crate::content::object::strip::strip;
use crate::content::plan::overrides::unmatched;
use crate::content::{ContentError, Desired, Digested, ObjectSet, Plan};
use crate::decide::conditions::cut;
use crate::decide::decision::{Action, Owner, Record};
use crate::decide::environment::overrides;
use crate::decide::moments::later;
use jiff::SignedDuration;

/// The step that records which gates were overridden, by whom and why.
fn overridden(scene: &Scene<'_>) -> Option<Step> {
    let spec = &scene.world.promotion.spec;
    let override_ = spec.override_.as_ref()?;
    let by = spec.requested_by.as_ref().map_or("unknown requester", |user| user.username.as_str());
    Some(Step {
        name: "Override".into(),
        started_at: Some(scene.time()),
        finished_at: Some(scene.time()),
        result: StepResult::Passed,
        message: Some(cut(&format!("{by}: {override_}"), 1024)),
    })
}

/// Records the intent after a dry-run without refusals, and starts the first writes.
pub(super) fn intend(
    scene: &Scene<'_>,
    content: &Digested,
    plan: &Plan,
    replaced: &[Desired],
    approvals: Option<ApprovalsReport>,
) -> Turn {
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
    status.checks = baselines(scene, wanted);
    status.failing_before = scene.failing_before(wanted, &status.changes);
    status.warnings.extend(drift::warnings(scene).iter().map(|text| cut(text, 512)));
    status.warnings.extend(unmatched(content.objects(), &scene.environment.spec));
    status.warnings.extend(plan.warnings().iter().map(|text| cut(text, 512)));
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
        message: Some(match (trial.results.len(), status.changes.len()) {
            (1, 0) => "dry-run of 1 object: it does not differ".to_owned(),
            (1, _) => "dry-run of 1 object: it differs".to_owned(),
            (all, 1) => format!("dry-run of {all} objects: 1 differs"),
            (all, changed) => format!("dry-run of {all} objects: {changed} differ"),
        }),
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
        application: scene.application.clone(),
        owners: vec![Owner::environment(scene.environment)],
    });
    Ok(name)
}

/// Records the intent, and starts the first writes in the same pass. The intent is the memory, or the rollback itself.
pub(super) fn launch(
    scene: &Scene<'_>,
    mut status: PromotionStatus,
    wanted: &[Desired],
    records: Vec<Record>,
) -> Decision {
    let message = rolling_message(scene, &status);
    status.exits_before = exits_found(scene, wanted);
    let name = if scene.is_rollback() { "Rollback" } else { "Rollout" };
    status.steps.extend(hooks::announced(scene, wanted));
    status.steps.push(Step {
        name: name.into(),
        started_at: Some(scene.time()),
        finished_at: None,
        result: StepResult::Running,
        message: Some(message.clone()),
    });
    let next = next_writes(scene, &status, wanted);
    let (next, _) = possible(scene, &status, next, scene.now);
    let note = match scene.is_rollback() {
        true => warning(
            Reason::RollbackStarted,
            format!("{}: revision {} starts: {message}", scene.environment.name(), scene.revision()),
        ),
        false => note(
            Reason::PromotionStarted,
            format!("{}: revision {} starts: {message}", scene.environment.name(), scene.revision()),
        ),
    };
    Decision {
        records,
        memory: Some(scene.write(status, PromotionPhase::Promoting, &rolling_reason(scene), &message)),
        // The target and the number of a rollback follow from its spec until it has ended, so its writes need not wait for the
        // memory. A rollback that was refused before writes its memory first, and so does one that supersedes a running rollback: after a
        // crash, that one would go on writing. That an object was replaced cannot be seen afterwards.
        memory_follows: scene.is_rollback()
            && !next.actions.iter().any(|action| matches!(action, Action::Replace { .. }))
            && scene.status.refused_since.is_none()
            && !scene.lane.running().is_some_and(|other| other.spec.kind == PromotionKind::Rollback),
        actions: next.actions,
        wake_at: Some(later(scene.now, SignedDuration::from_secs(1))),
        notes: vec![note],
        ..Decision::default()
    }
}

/// The status that every start has in common.
pub(super) fn begin(scene: &Scene<'_>, content: &Digested) -> PromotionStatus {
    let mut status = scene.status.clone();
    status.revision = Some(scene.revision());
    status.replaces = scene.lane.current().and_then(|current| current.revision());
    status.digest = Some(content.digest().to_owned());
    status.started_at = Some(scene.time());
    status.refused_since = None;
    if !scene.is_rollback() {
        status.change = scene.release.and_then(|release| release.change_record());
        status.requires = scene.release.map(|release| release.requires()).unwrap_or_default();
        status.overrides_digest = Some(overrides::digest(scene.environment.spec.overrides.as_ref()));
    }
    status.version = scene.release.map(|release| release.version().to_owned());
    status.namespace_uid = scene.world.project.namespace(scene.environment).map(|facts| facts.uid.clone());
    let unpinned = images(content.objects()).into_iter().filter(|image| !image.contains("@sha256:")).count();
    if unpinned > 0 && scene.environment.spec.delivery == Delivery::Managed {
        let images = if unpinned == 1 { "image is" } else { "images are" };
        status.warnings.push(format!("{unpinned} {images} not pinned to a digest"));
    }
    status
}
