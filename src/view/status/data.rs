//! The status of one release, promotion or environment as fields: what a program asks for without reading sentences.
//!
//! Invariant: it is computed from the same objects as the tree. The promotions of a release are those of all its stages, ended ones as well.

use super::{PodFault, Pods, faults, promotion_of};
use crate::api::{
    CachedRelease, Environment, EnvironmentName, Meta, Promotion, PromotionKind, ReleaseName, TestResult,
    Verdict, ready,
};
use crate::decide::world::Project;
use jiff::Timestamp;
use serde::Serialize;

/// One release, promotion or environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Data {
    /// Kind of the object: `Release`, `Environment` or `Promotion`.
    pub of: &'static str,
    /// Its name.
    pub name: String,
    /// Its phase. Of an environment: `Ready`, `NotReady` or `Unknown`.
    pub phase: String,
    /// Why it is in this phase, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Of a release: its state in each environment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<Stage>,
    /// The promotion itself, those of the stages of a release, or those in progress in an environment.
    pub promotions: Vec<Progress>,
}

/// A release in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// Phase of the promotion, or the closed gate that the release waits at.
    pub state: String,
    /// When the gate opens without a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why it is in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A promotion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Its name.
    pub name: String,
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// Name of the release.
    pub release: ReleaseName,
    /// Whether it is a rollback.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
    /// Its phase.
    pub phase: &'static str,
    /// Why it is in this phase, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The same in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Its checks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// Its tests.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<Test>,
    /// The pods of its workloads that are not as they should be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<PodFault>,
    /// Why pods are not shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods_not_shown: Option<String>,
}

/// A check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Its verdict. Absent while it is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Number of passing measurements.
    pub passed: i32,
    /// Number of failing measurements.
    pub failed: i32,
    /// The value that was measured last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The result in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Whether it has no effect on the promotion.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// A test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Test {
    /// Its name.
    pub name: String,
    /// Its result.
    pub result: TestResult,
    /// Exit code of its container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why it has no result, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The result in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A release.
pub fn of_release(project: &Project, release: &CachedRelease, pods: &Pods) -> Data {
    let status = release.status().unwrap_or_default();
    let promotions = status.environments.iter().filter_map(|stage| promotion_of(project, stage));
    Data {
        of: "Release",
        name: release.name().to_owned(),
        phase: format!("{:?}", status.phase),
        reason: ready(&status.conditions).map(|it| it.reason.clone()),
        promotions: promotions.map(|promotion| progress(promotion, pods)).collect(),
        message: status.message,
        stages: status
            .environments
            .into_iter()
            .map(|stage| Stage {
                environment: stage.name,
                state: stage.state,
                until: stage.until.map(|time| time.0),
                message: stage.message,
            })
            .collect(),
    }
}

/// A promotion.
pub fn of_promotion(promotion: &Promotion, pods: &Pods) -> Data {
    let whole = progress(promotion, pods);
    Data {
        of: "Promotion",
        name: whole.name.clone(),
        phase: whole.phase.to_owned(),
        reason: whole.reason.clone(),
        message: whole.message.clone(),
        stages: Vec::new(),
        promotions: vec![whole],
    }
}

/// An environment.
pub fn of_environment(project: &Project, environment: &Environment, pods: &Pods) -> Data {
    let status = environment.status.clone().unwrap_or_default();
    let ready = ready(&status.conditions);
    let active = status.applications.iter().filter_map(|application| application.active.as_ref());
    let promotions = active.filter_map(|name| project.promotions.get(name));
    Data {
        of: "Environment",
        name: environment.name().to_owned(),
        phase: super::readiness(ready).0.to_owned(),
        reason: ready.map(|condition| condition.reason.clone()),
        promotions: promotions.map(|promotion| progress(promotion, pods)).collect(),
        message: status.message,
        stages: Vec::new(),
    }
}

fn progress(promotion: &Promotion, pods: &Pods) -> Progress {
    let (phase, status) = (promotion.phase(), promotion.status.clone().unwrap_or_default());
    let (pods, pods_not_shown) = match faults(promotion, pods) {
        Ok(pods) => (pods, None),
        Err(sentence) => (Vec::new(), Some(sentence.to_owned())),
    };
    Progress {
        name: promotion.name().to_owned(),
        environment: promotion.spec.environment.clone(),
        release: promotion.spec.release.clone(),
        rollback: promotion.spec.kind == PromotionKind::Rollback,
        phase: phase.as_str(),
        reason: status.reason,
        message: status.message,
        checks: status
            .checks
            .into_iter()
            .map(|it| Check {
                name: it.name,
                verdict: it.verdict,
                passed: it.passed,
                failed: it.failed,
                value: it.value,
                message: it.message,
                dry_run: it.dry_run,
            })
            .collect(),
        tests: status
            .tests
            .into_iter()
            .map(|it| Test {
                name: it.name,
                result: it.result,
                exit_code: it.exit_code,
                reason: it.reason,
                message: it.message,
            })
            .collect(),
        pods,
        pods_not_shown,
    }
}
