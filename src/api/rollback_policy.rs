//! RollbackPolicy: what counts as a failure of a release, and how Towpath reacts.

use super::{Check, Condition, Duration, FailureAction, schema};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What counts as a failure of a release, how long a release is observed after its rollout, and what happens when it fails. An
/// environment without a policy uses the default of every field: a failed release is rolled back.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "RollbackPolicy",
    plural = "rollbackpolicies",
    shortname = "rbp",
    namespaced,
    category = "towpath",
    status = "RollbackPolicyStatus",
    derive = "PartialEq",
    doc = "What counts as a failure of a release, how long a release is observed after its rollout, and what happens when it fails.",
    printcolumn(name = "Action", type_ = "string", json_path = ".spec.action"),
    printcolumn(name = "Target", type_ = "string", json_path = ".spec.target"),
    printcolumn(name = "Observe", type_ = "string", json_path = ".spec.observeWindow"),
    printcolumn(name = "Budget", type_ = "integer", json_path = ".spec.budget.rollbacks"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Why",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct RollbackPolicySpec {
    /// Thresholds that decide when a release counts as failing.
    #[serde(default)]
    pub failing: FailureThresholds,
    /// How long a release is observed after its rollout before it counts as verified. Default: 5m.
    #[serde(default = "five_minutes")]
    #[schemars(schema_with = "schema::duration")]
    pub observe_window: Duration,
    /// What happens when a release fails. `Rollback`: `target` is restored. `Hold`: nothing is written, and no release of the
    /// application is promoted automatically until a user creates a Promotion. `Notify`: nothing is written, and newer releases are
    /// promoted as usual. Default: Rollback.
    #[serde(default)]
    pub action: FailureAction,
    /// Revision that a rollback restores. `LastVerified`: the newest verified revision. `Previous`: the revision before the failed
    /// one; if that was not verified, the failure is handled as `Hold`. Default: LastVerified.
    #[serde(default)]
    pub target: RollbackTarget,
    /// Maximum number of automatic rollbacks in a period. A failure beyond it is handled as `Hold`.
    #[serde(default)]
    pub budget: Budget,
    /// What happens when a release that was verified fails later, while it runs. Default: nothing.
    #[serde(default)]
    pub after_verified: AfterVerified,
    /// What a release has to show in addition to the health of its pods: metrics, alerts, HTTP answers, fields of objects. Rollbacks are
    /// not measured. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub checks: Vec<Check>,
}

impl Default for RollbackPolicySpec {
    fn default() -> Self {
        Self {
            failing: FailureThresholds::default(),
            observe_window: five_minutes(),
            action: FailureAction::default(),
            target: RollbackTarget::default(),
            budget: Budget::default(),
            after_verified: AfterVerified::default(),
            checks: Vec::new(),
        }
    }
}

/// Whether the policy can be used. Written by Towpath.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackPolicyStatus {
    /// Generation of the spec that this status describes. -1 until the controller has observed the object.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// Conditions. `Ready` is `False` if a check cannot be used; its message names the field. Environments that use the policy then
    /// start no promotion.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl Default for RollbackPolicyStatus {
    fn default() -> Self {
        Self { observed_generation: schema::never_observed(), conditions: Vec::new() }
    }
}

/// Thresholds that decide when a release counts as failing. Only pods of the new revision count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailureThresholds {
    /// Maximum time in seconds without progress of a workload. It does not delay the reaction to a visible failure. A workload may have
    /// more time by its own `progressDeadlineSeconds`, `minReadySeconds` or, for a Job, `activeDeadlineSeconds`.
    /// Default: 600.
    #[serde(default = "ten_minutes_in_seconds")]
    #[schemars(range(min = 1, max = 86400))]
    pub progress_deadline_seconds: i32,
    /// Number of terminations of one container, after the promotion started, that are tolerated. One more is a failure. The default
    /// tolerates a program that starts before its database is available. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 1000))]
    pub restarts: i32,
    /// How long an image that cannot be pulled is tolerated, from the creation of the pod. A failure is reported only after the
    /// kubelet has backed off (`ImagePullBackOff`). A registry that fails or does not answer is tolerated for at least
    /// `createErrors`. Default: 0s.
    #[serde(default = "no_time")]
    #[schemars(schema_with = "schema::duration")]
    pub image_errors: Duration,
    /// How long it is tolerated that the pods of a workload cannot be created, without any other progress: because of a quota, an
    /// admission webhook, or a ServiceAccount that does not exist yet. For a StatefulSet or DaemonSet, its newest Event says so. A rollback
    /// has until the progress deadline. The pod of a test has the same time. Default: 1m.
    #[serde(default = "one_minute")]
    #[schemars(schema_with = "schema::duration")]
    pub create_errors: Duration,
    /// Number of pods of a workload that their nodes may evict because they run out of memory, disk or process IDs. One more is a
    /// failure. A pod that is evicted because it exceeds its own limit is a failure at once. Default: 3.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 1000))]
    pub evictions: i32,
    /// How long a pod that cannot be scheduled is tolerated during the rollout. Pods of workloads that the release does not change do not
    /// count. The default leaves time for a cluster autoscaler. Default: 5m.
    #[serde(default = "five_minutes")]
    #[schemars(schema_with = "schema::duration")]
    pub unschedulable: Duration,
    /// Percentage of the replicas of a workload that may lose readiness during the observe window. Pods that have never been ready do
    /// not count, nor do pods that are deleted or evicted. The number is rounded down. Default: 25.
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
            create_errors: one_minute(),
            evictions: three(),
            unschedulable: five_minutes(),
            unavailable_percent: a_quarter(),
        }
    }
}

/// Maximum number of automatic rollbacks per application and environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Budget {
    /// Number of rollbacks in the period. Default: 3.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 100))]
    pub rollbacks: i32,
    /// Length of the period, counted back from the failure. Default: 1h.
    #[serde(default = "one_hour")]
    #[schemars(schema_with = "schema::duration")]
    pub period: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self { rollbacks: three(), period: one_hour() }
    }
}

/// What happens when a release that was verified fails while it runs. Judged are the pods of the workloads that the promotion wrote, by the
/// rules of the observe window, as long as no other manager changes a pod template. Only what begins after the verification counts;
/// evictions, drained nodes, autoscaling and deleted workloads do not. Checks are not measured after the verification. Not in Observed
/// environments.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AfterVerified {
    /// `Ignore`: nothing happens. `Notify`: the Environment reports it with an Event and the condition `FailingAfterVerification`.
    /// `Rollback`: in addition, the newest verified revision with other content is restored, under the rules of `action`, `target` and
    /// `budget`. A rollback that fails after it restored a revision is only reported, and what ran before Towpath first wrote is never
    /// restored. Default: Ignore.
    #[serde(default)]
    pub action: AfterVerifiedAction,
    /// How long a release is judged after its verification, such as `24h`. From `10s` to `168h`. Default: 1h.
    #[serde(default = "one_hour", rename = "for")]
    #[schemars(schema_with = "schema::duration")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('10s') && duration(self) <= duration('168h')")
        .message("for must be from 10s to 168h"))]
    pub for_: Duration,
}

impl Default for AfterVerified {
    fn default() -> Self {
        Self { action: AfterVerifiedAction::default(), for_: one_hour() }
    }
}

/// What happens when a verified release fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AfterVerifiedAction {
    /// Nothing.
    #[default]
    Ignore,
    /// Report it.
    Notify,
    /// Report it, and restore an earlier revision.
    Rollback,
}

/// Revision that a rollback restores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RollbackTarget {
    /// The newest verified revision.
    #[default]
    LastVerified,
    /// The revision before the failed one, if it was verified.
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
fn one_minute() -> Duration {
    std::time::Duration::from_secs(60).into()
}
fn one_hour() -> Duration {
    std::time::Duration::from_secs(3600).into()
}
