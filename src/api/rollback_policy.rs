//! RollbackPolicy: what counts as failing, and what is done about it.

use super::{Duration, schema};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What counts as failing, how long a release is watched, and what is done when it fails. An environment that
/// names none gets the defaults: rollback is on.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "RollbackPolicy",
    plural = "rollbackpolicies",
    shortname = "rbp",
    namespaced,
    category = "towpath",
    derive = "PartialEq",
    doc = "What counts as failing, how long a release is watched, and what is done when it fails.",
    printcolumn(name = "Action", type_ = "string", json_path = ".spec.action"),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.target"),
    printcolumn(name = "Observe", type_ = "string", json_path = ".spec.observeWindow"),
    printcolumn(name = "Budget", type_ = "integer", json_path = ".spec.budget.rollbacks"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct RollbackPolicySpec {
    /// What counts as failing.
    #[serde(default)]
    pub failing: FailureThresholds,
    /// How long a rolled-out release is watched before it counts as verified. Default: 5m.
    #[serde(default = "five_minutes")]
    #[schemars(schema_with = "schema::duration")]
    pub observe_window: Duration,
    /// What is done when a release fails. `Rollback`: the environment goes back to `target`. `Hold`: nothing is written, and
    /// no other release follows by automation until a person creates a Promotion. `Notify`: nothing is written, and the next release may
    /// follow. Default: Rollback.
    #[serde(default)]
    pub action: FailureAction,
    /// Where a rollback goes. `LastVerified`: the newest revision that was verified. `Previous`: the revision before the
    /// failed one if that was verified, and otherwise a Hold. Default: LastVerified.
    #[serde(default)]
    pub target: RollbackTarget,
    /// How many rollbacks may be made by automation; beyond it a failure holds instead.
    #[serde(default)]
    pub budget: Budget,
}

impl Default for RollbackPolicySpec {
    fn default() -> Self {
        Self {
            failing: FailureThresholds::default(),
            observe_window: five_minutes(),
            action: FailureAction::default(),
            target: RollbackTarget::default(),
            budget: Budget::default(),
        }
    }
}

/// What counts as failing. Only pods of the new revision count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureThresholds {
    /// Seconds within which a workload must make progress; for silence only, as visible failures are acted on at once. Default: 600.
    #[serde(default = "ten_minutes_in_seconds")]
    #[schemars(range(min = 1, max = 86400))]
    pub progress_deadline_seconds: i32,
    /// Restarts of one container that are tolerated; one more is a failure. Default: 1, so that a program
    /// which starts before its database is there is not taken for a bad release.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1000))]
    pub restarts: i32,
    /// How long an image that cannot be pulled is tolerated, once the first pull has failed and is backed off. Default: 0s.
    #[serde(default = "no_time")]
    #[schemars(schema_with = "schema::duration")]
    pub image_errors: Duration,
    /// How long a pod that cannot be scheduled is tolerated; a cluster autoscaler needs minutes. Default: 5m.
    #[serde(default = "five_minutes")]
    #[schemars(schema_with = "schema::duration")]
    pub unschedulable: Duration,
    /// Percentage of a workload's replicas, rounded down, that may be unavailable within the observe window. Default: 25, as
    /// in a Deployment's maxUnavailable.
    #[serde(default = "a_quarter")]
    #[schemars(range(min = 0, max = 100))]
    pub unavailable_percent: i32,
}

impl Default for FailureThresholds {
    fn default() -> Self {
        Self {
            progress_deadline_seconds: ten_minutes_in_seconds(),
            restarts: one(),
            image_errors: no_time(),
            unschedulable: five_minutes(),
            unavailable_percent: a_quarter(),
        }
    }
}

/// How many rollbacks automation may make per application and environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// Rollbacks within the period. Default: 3.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 100))]
    pub rollbacks: i32,
    /// The period, which ends now. Default: 1h.
    #[serde(default = "one_hour")]
    #[schemars(schema_with = "schema::duration")]
    pub period: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { rollbacks: three(), period: one_hour() }
    }
}

/// What is done when a release fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FailureAction {
    /// Go back.
    #[default]
    Rollback,
    /// Leave everything as it is and stop automation.
    Hold,
    /// Leave everything as it is and go on.
    Notify,
}

/// Where a rollback goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RollbackTarget {
    /// The newest verified revision.
    #[default]
    LastVerified,
    /// The revision before, if it was verified.
    Previous,
}

fn ten_minutes_in_seconds() -> i32 {
    600
}
fn one() -> i32 {
    1
}
fn three() -> i32 {
    3
}
fn a_quarter() -> i32 {
    25
}
fn no_time() -> Duration {
    std::time::Duration::ZERO.into()
}
fn five_minutes() -> Duration {
    std::time::Duration::from_secs(300).into()
}
fn one_hour() -> Duration {
    std::time::Duration::from_secs(3600).into()
}
