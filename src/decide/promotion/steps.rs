//! The steps in the status of a promotion: which one is running, and how each ended.

use super::Scene;
use crate::api::{PromotionStatus, Step, StepResult};
use crate::decide::conditions::{cut, seconds};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Ends the running step. If the rollout was observed to be complete, the step `Observe` is added first.
pub(super) fn close(
    status: &mut PromotionStatus,
    scene: &Scene<'_>,
    result: StepResult,
    message: Option<&str>,
) {
    observing(status, scene);
    close_running(status, result, &scene.time(), message);
}

/// Adds the end of the rollout to a status that is written in a window too short to be written itself: only this process saw it.
pub(super) fn observing(status: &mut PromotionStatus, scene: &Scene<'_>) {
    if let (None, Some(at)) = (&status.rolled_out_at, scene.world.rolled_out) {
        rolled_out(status, at);
    }
}

/// Ends the step of the rollout, and starts `Observe`.
pub(super) fn rolled_out(status: &mut PromotionStatus, at: Timestamp) {
    let at = Time(seconds(at));
    close_running(status, StepResult::Passed, &at, None);
    status.steps.push(Step {
        name: "Observe".into(),
        started_at: Some(at.clone()),
        finished_at: None,
        result: StepResult::Running,
        message: None,
    });
    status.rolled_out_at = Some(at);
}

fn close_running(status: &mut PromotionStatus, result: StepResult, at: &Time, message: Option<&str>) {
    if let Some(step) = status.steps.iter_mut().rev().find(|step| step.result == StepResult::Running) {
        step.result = result;
        step.finished_at = Some(at.clone());
        if let Some(message) = message {
            step.message = Some(cut(message, 1024));
        }
    }
}
