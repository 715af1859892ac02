//! Promotion: the promotion of one release to one environment, or a rollback, and the record of it.

use super::{
    ApplicationName, ApprovalsReport, ChangeRecord, CheckReport, Condition, Disruption, EnvironmentName,
    ObjectChange, ObjectRef, Override, PromotionKind, PromotionPhase, ReleaseName, Requirement, TestStatus,
    UserInfo, mark, schema,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The promotion of one release to one environment, and the record of it. A rollback is a Promotion with `kind: Rollback`.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "Promotion",
    plural = "promotions",
    shortname = "prm",
    namespaced,
    category = "towpath",
    status = "PromotionStatus",
    derive = "PartialEq",
    doc = "The promotion of one release to one environment, and the record of it. A rollback is a Promotion with kind: Rollback.",
    selectable = ".spec.release",
    selectable = ".spec.environment",
    printcolumn(name = "Environment", type_ = "string", json_path = ".spec.environment"),
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.kind"),
    printcolumn(name = "Release", type_ = "string", json_path = ".spec.release"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Revision", type_ = "integer", json_path = ".status.revision"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.message"),
    printcolumn(name = "Dry Run", type_ = "boolean", json_path = ".spec.dryRun", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.spec == oldSelf.spec").message("the spec of a Promotion is immutable: create a new Promotion"),
    validation = Rule::new("(has(self.spec.dryRun) && self.spec.dryRun) == self.metadata.name.startsWith('dry-run.')")
        .message("the name of a Promotion starts with dry-run. if and only if spec.dryRun is true: other names are left to promotions")
)]
#[x_kube(validation = Rule::new("self.kind == 'Rollback' || !has(self.toRevision)")
    .message("spec.toRevision is only allowed with kind: Rollback: remove it or set spec.kind to Rollback"))]
#[x_kube(validation = Rule::new("!has(self.dryRun) || !self.dryRun || (self.kind == 'Promote' && !has(self.override))")
    .message("spec.dryRun is only allowed with kind: Promote and without spec.override: a dry run waits at no gate"))]
#[serde(rename_all = "camelCase")]
pub struct PromotionSpec {
    /// Name of the release to promote or, with `kind: Rollback`, to roll back.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub release: ReleaseName,
    /// Name of the environment to promote to or, with `kind: Rollback`, to roll back.
    #[schemars(length(min = 1, max = 40), regex(pattern = schema::LABEL))]
    pub environment: EnvironmentName,
    /// Name of the application. Required only if the release has been deleted. Default: the application of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), regex(pattern = schema::LABEL))]
    pub application: Option<ApplicationName>,
    /// `Promote` or `Rollback`. Default: Promote.
    #[serde(default)]
    pub kind: PromotionKind,
    /// Revision to restore, for `kind: Rollback`. 0 restores what existed before Towpath first wrote. Default: the newest verified
    /// revision of another release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub to_revision: Option<i64>,
    /// For a rollback that the controller created: the reason of the failure, such as `CrashLoopBackOff`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cause: Option<String>,
    /// Reason, in a sentence. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
    /// Gates that this promotion passes although they are closed. Requires the right to `override` the environment.
    /// Default: none.
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub override_: Option<Override>,
    /// Compares only: every object is sent to the API server as a dry run, with the identity of the environment, and the status records
    /// which objects and fields would change, with hashes of the values and without the values. Nothing is written to the target
    /// namespace. The gates do not apply, and no other promotion waits. The name has to start with `dry-run.`. The Promotion is
    /// deleted an hour after it ended. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// The requester: the user who created the Promotion. The API server fills it in and rejects any other user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserInfo>,
}

/// Progress and outcome of a promotion: the audit record. Written by Towpath.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("!has(oldSelf.epoch) || (has(self.epoch) && self.epoch >= oldSelf.epoch)")
    .message("status.epoch must not decrease: another replica of the controller holds the lease"))]
#[serde(rename_all = "camelCase")]
pub struct PromotionStatus {
    /// Generation of the spec that this status describes. -1 until the controller has observed the object.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// Phase of the promotion: `Pending`, `Promoting`, `Observing`, `Verified`, `Failed`, `Inconclusive`,
    /// `Superseded`, `Cancelled` or, for a dry run, `Compared`.
    #[serde(default)]
    pub phase: PromotionPhase,
    /// Reason for the phase in one word, such as `CrashLoopBackOff`, or the gate that is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// The reason in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub message: Option<String>,
    /// Name of the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub application: Option<ApplicationName>,
    /// Version of the release or, for a rollback, version of the content that it restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// Digest of the release. It identifies the release if a release with other content is created under the same name later.
    /// Absent for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub release_digest: Option<String>,
    /// Number of this promotion in the history of the environment. Absent until objects may have been written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Name of the Content that was written: the content of the release with the overrides of the environment applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub content: Option<String>,
    /// SHA-256 of what was written, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub digest: Option<String>,
    /// For a rollback: revision whose content was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<i64>,
    /// Revision that was current before this promotion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<i64>,
    /// For the first promotion of an application: name of the Content that holds revision 0, the objects as they were before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub baseline: Option<String>,
    /// Whether revision 0 was empty or healthy when it was captured. Only then can a rollback restore it by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_healthy: Option<bool>,
    /// Digest of the overrides of the environment when the promotion started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub overrides_digest: Option<String>,
    /// UID of the target namespace. If the namespace is recreated, revisions of the deleted namespace are not rollback targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub namespace_uid: Option<String>,
    /// Approvals that were given and that are still missing, if the environment requires approvals. Approvers can decide while the
    /// promotion waits at a gate that opens with time: `Soak`, `NotBefore`, `Window` or `Freeze`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<ApprovalsReport>,
    /// What the release says about its change (`spec.change`), copied when the promotion started. Absent for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Box<ChangeRecord>>,
    /// What the release requires (`spec.requires`), copied when the promotion started. Absent for a rollback.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub requires: Vec<Requirement>,
    /// Objects that are created, updated or deleted, and those that the content no longer contains and that are left. Objects that
    /// need no change are not listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 400))]
    pub changes: Vec<ObjectChange>,
    /// For a dry run: what would keep the promotion from starting, such as an object that the API server refuses, in its words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 1024)))]
    pub refusals: Vec<String>,
    /// Workloads that were failing before anything was written and whose pod template does not change. They do not count against
    /// the release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub failing_before: Vec<ObjectRef>,
    /// Terminations of containers that do not count against the release: those that were found when the promotion started or, once it is
    /// verified, those that were found then. Absent after it ended in another way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 400))]
    pub exits_before: Vec<ExitsBefore>,
    /// Pods of Jobs that were evicted, preempted or lost with their node while the promotion ran, at most 100. A Job that failed only
    /// because of them does not count against the release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub disruptions: Vec<Disruption>,
    /// Workloads that had no replicas when the rollout was complete, although the content does not say so. Nothing shows whether the
    /// release is good until they run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub without_replicas: Vec<ObjectRef>,
    /// Steps of the promotion, in order. A hook that has a result here is not run again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 250))]
    pub steps: Vec<Step>,
    /// What the checks of the rollback policy measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub checks: Vec<CheckReport>,
    /// Tests of the promotion. Their Jobs are in the target namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 120))]
    pub tests: Vec<TestStatus>,
    /// Warnings of the API server from the preflight dry-run, objects that the preflight could not check and, of a rollback, releases that
    /// require what it reverts and stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 512)))]
    pub warnings: Vec<String>,
    /// Time since which every attempt to start has been refused, with all gates open. The promotion fails when this has lasted for
    /// `progressDeadlineSeconds` of the rollback policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_since: Option<Time>,
    /// Time since which the rollout waits for a person: a paused Deployment, pods that only a user replaces, consent that was withdrawn.
    /// That time does not count against the progress deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Time>,
    /// Time at which the rollout last ceased to wait for a person. The progress deadline counts from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_until: Option<Time>,
    /// Time at which the promotion started, just before the first write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// Time at which all workloads were rolled out and the observe window began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_out_at: Option<Time>,
    /// Time at which the promotion ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// Number of the leader-election term in which the controller last wrote this status. The API server rejects a write from an
    /// earlier term.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub epoch: i64,
    /// Conditions: `Ready`, `Reconciling`, `Stalled` and, after a failure that stops automation, `Holds`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl PromotionStatus {
    /// Whether the promotion changes this object.
    pub fn changes_object(&self, api_version: &str, kind: &str, name: &str) -> bool {
        let is_it = |change: &ObjectChange| {
            change.api_version == api_version && change.kind == kind && change.name == name
        };
        self.changes.iter().any(is_it)
    }
}

impl Default for PromotionStatus {
    fn default() -> Self {
        Self {
            observed_generation: schema::never_observed(),
            phase: PromotionPhase::default(),
            reason: None,
            message: None,
            application: None,
            version: None,
            release_digest: None,
            revision: None,
            content: None,
            digest: None,
            restores: None,
            replaces: None,
            baseline: None,
            baseline_healthy: None,
            overrides_digest: None,
            namespace_uid: None,
            approvals: None,
            change: None,
            requires: Vec::new(),
            changes: Vec::new(),
            refusals: Vec::new(),
            failing_before: Vec::new(),
            exits_before: Vec::new(),
            disruptions: Vec::new(),
            without_replicas: Vec::new(),
            steps: Vec::new(),
            checks: Vec::new(),
            tests: Vec::new(),
            warnings: Vec::new(),
            refused_since: None,
            waiting_since: None,
            waited_until: None,
            started_at: None,
            rolled_out_at: None,
            finished_at: None,
            epoch: 0,
            conditions: Vec::new(),
        }
    }
}

/// How often a container had terminated before the promotion started, or before it was verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExitsBefore {
    /// UID of the pod.
    #[schemars(length(max = 64))]
    pub pod: String,
    /// Name of the container. Empty for a pod that had failed as a whole, for example by an eviction, or that had lost readiness when the
    /// promotion was verified.
    #[schemars(length(max = 63))]
    pub container: String,
    /// Number of terminations.
    pub exits: i32,
}

/// One step of a promotion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Name of the step: `Preflight`, `Rollout`, `Observe`, `Rollback`, or the name of a hook Job.
    #[schemars(length(max = 128))]
    pub name: String,
    /// Time at which the step started. Absent while the Job of a hook does not exist yet: a hook that has started is not run again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// Time at which the step ended. Absent while it is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// `Running`, `Passed`, `Failed` or `Errored`.
    pub result: StepResult,
    /// Details of the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// The result of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StepResult {
    /// The step is running.
    Running,
    /// The step succeeded.
    Passed,
    /// The release failed the step.
    Failed,
    /// The step could not determine whether the release is good.
    Errored,
}

impl Promotion {
    /// The phase; one without a status is pending.
    pub fn phase(&self) -> PromotionPhase {
        self.status.as_ref().map(|status| status.phase).unwrap_or_default()
    }

    /// The number in the history of the environment.
    pub fn revision(&self) -> Option<i64> {
        self.status.as_ref()?.revision
    }

    /// Whether the controller created it.
    pub fn is_automatic(&self) -> bool {
        self.metadata.labels.as_ref().is_some_and(|labels| labels.contains_key(mark::AUTOMATIC))
    }

    /// Whether automation may roll it back: its release does not say otherwise.
    pub fn is_reversible(&self) -> bool {
        let change = self.status.as_ref().and_then(|status| status.change.as_ref());
        change.is_none_or(|change| change.reversible)
    }

    /// The person who created it; none when the controller did.
    pub fn requester(&self) -> Option<&UserInfo> {
        self.spec.requested_by.as_ref().filter(|_| !self.is_automatic())
    }
}
