//! Promotion: the act, and its record, of putting one release into one environment.

use super::{ApprovalsReport, Condition, Keep, Override, Reason, UserInfo, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The act, and its record, of putting one release into one environment. A rollback is a promotion of kind `Rollback`.
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
    doc = "The act, and its record, of putting one release into one environment. A rollback is a promotion of kind Rollback.",
    selectable = ".spec.release",
    selectable = ".spec.environment",
    printcolumn(name = "Environment", type_ = "string", json_path = ".spec.environment"),
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.kind"),
    printcolumn(name = "Release", type_ = "string", json_path = ".spec.release"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Revision", type_ = "integer", json_path = ".status.revision"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.message"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.spec == oldSelf.spec").message("the spec of a Promotion is immutable: create another one")
)]
#[x_kube(validation = Rule::new("self.kind == 'Rollback' || !has(self.toRevision)")
    .message("toRevision belongs to kind: Rollback"))]
#[serde(rename_all = "camelCase")]
pub struct PromotionSpec {
    /// Name of the release: the one to put there, or, for `Rollback`, the one to take back.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub release: String,
    /// Name of the environment.
    #[schemars(length(min = 1, max = 40), regex(pattern = schema::LABEL))]
    pub environment: String,
    /// The application. Default: that of the release; needed only when the release has been deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), regex(pattern = schema::LABEL))]
    pub application: Option<String>,
    /// `Promote` or `Rollback`. Default: Promote.
    #[serde(default)]
    pub kind: PromotionKind,
    /// The revision to go back to, for `Rollback`. Default: the last verified one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub to_revision: Option<i64>,
    /// For a rollback that the controller created: the reason of the failure, such as `CrashLoopBackOff`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cause: Option<String>,
    /// Why, in a sentence; kept in the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,
    /// Gates that this promotion passes although they are closed. Needs the right to `override` on the environment.
    #[serde(default, rename = "override", skip_serializing_if = "Option::is_none")]
    pub override_: Option<Override>,
    /// Who created the promotion. Filled in by the API server; another name than one's own is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserInfo>,
}

/// The direction of a promotion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PromotionKind {
    /// Put a release into the environment.
    #[default]
    Promote,
    /// Take the environment back to an earlier revision.
    Rollback,
}

/// How a promotion goes. Written by Towpath; this is the audit record.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("!has(oldSelf.epoch) || (has(self.epoch) && self.epoch >= oldSelf.epoch)")
    .message("written in an earlier term: another controller leads now"))]
#[serde(rename_all = "camelCase")]
pub struct PromotionStatus {
    /// The generation of the spec that this status describes; -1 until Towpath has looked.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// Where it is.
    #[serde(default)]
    pub phase: PromotionPhase,
    /// A word for what ended it or what it waits for, such as `CrashLoopBackOff` or `Preflight`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// The same in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub message: Option<String>,
    /// The application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub application: Option<String>,
    /// The version of the release, or of the content that a rollback restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// Digest of the release: one that is created again under its name with another content is another release. Absent for a
    /// rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub release_digest: Option<String>,
    /// The number that this promotion has in the history of the environment. Absent until something may be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Name of the Content that was written: the release's after the overrides of the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub content: Option<String>,
    /// Digest of what was written, after the overrides of the environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub digest: Option<String>,
    /// For a rollback: the revision whose content was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<i64>,
    /// The revision that was current before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<i64>,
    /// For the first promotion of an application: name of the Content with the objects as they were before, revision 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub baseline: Option<String>,
    /// Whether the baseline was empty or healthy when it was found, and so may be gone back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline_healthy: Option<bool>,
    /// Digest of the overrides of the environment when it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub overrides_digest: Option<String>,
    /// UID of the target namespace: revisions of a namespace that was deleted do not count for its successor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub namespace_uid: Option<String>,
    /// Who approved it and who is still needed, where the environment demands approvals. People may decide while it waits at a
    /// gate that opens by itself: `Soak`, `NotBefore`, `Window`, `Freeze`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<ApprovalsReport>,
    /// The objects that differ, and what is done to each. An object that is equal already is not listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 400))]
    pub changes: Vec<Change>,
    /// Workloads that were failing already before anything was written and whose template is not changed: they do not count
    /// against the release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub failing_before: Vec<Keep>,
    /// What was done, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub steps: Vec<Step>,
    /// Warnings that the API server gave when the objects were tried, and what could not be tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 512)))]
    pub warnings: Vec<String>,
    /// Since when it is refused without a break, after its gates had opened: given up after the policy's progress deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_since: Option<Time>,
    /// When the first write was about to be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the workloads were rolled out and the observe window began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_out_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// The term of the controller that wrote this status last; a write of an earlier term is refused.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub epoch: i64,
    /// `Ready`, `Reconciling`, `Stalled`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
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
            changes: Vec::new(),
            failing_before: Vec::new(),
            steps: Vec::new(),
            warnings: Vec::new(),
            refused_since: None,
            started_at: None,
            rolled_out_at: None,
            finished_at: None,
            epoch: 0,
            conditions: Vec::new(),
        }
    }
}

/// Where a promotion is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum PromotionPhase {
    /// Nothing has been written; a gate is closed, or the objects are being tried.
    #[default]
    Pending,
    /// Objects are being written and workloads rolled out; once they are, they are watched until the observe window ends.
    Promoting,
    /// Somebody else deployed it; watched until the observe window ends.
    Observing,
    /// Rolled out and stayed healthy. For a rollback: restored and healthy.
    Verified,
    /// The release is bad here, or it could not be put here. For a rollback: what was restored is not healthy.
    Failed,
    /// A newer release went ahead before this one was verified.
    Superseded,
    /// Ended before anything was written.
    Cancelled,
}

impl PromotionPhase {
    /// Whether nothing more will happen to it.
    pub fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Promoting | Self::Observing => false,
            Self::Verified | Self::Failed | Self::Superseded | Self::Cancelled => true,
        }
    }

    /// Whether objects may have been written and the end is still open.
    pub fn is_running(self) -> bool {
        match self {
            Self::Promoting | Self::Observing => true,
            Self::Pending | Self::Verified | Self::Failed | Self::Superseded | Self::Cancelled => false,
        }
    }

    /// The reason that a release carries for an environment in which its promotion is in this phase.
    pub fn reason(self) -> Reason {
        match self {
            Self::Pending => Reason::Pending,
            Self::Promoting => Reason::Promoting,
            Self::Observing => Reason::Observing,
            Self::Verified => Reason::Verified,
            Self::Failed => Reason::Failed,
            Self::Superseded => Reason::Superseded,
            Self::Cancelled => Reason::Cancelled,
        }
    }

    /// The word that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Promoting => "Promoting",
            Self::Observing => "Observing",
            Self::Verified => "Verified",
            Self::Failed => "Failed",
            Self::Superseded => "Superseded",
            Self::Cancelled => "Cancelled",
        }
    }
}

/// One object that a promotion changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Group and version of the object.
    #[schemars(length(max = 253))]
    pub api_version: String,
    /// Its kind.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Its name in the target namespace.
    #[schemars(length(max = 253))]
    pub name: String,
    /// What is done to it.
    pub action: ChangeAction,
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChangeAction {
    /// It did not exist.
    Create,
    /// It existed and differs.
    Update,
    /// It existed, is Towpath's, and the content lacks it.
    Delete,
}

/// One step of a promotion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What was done: `Preflight`, `Rollout`, `Observe`, `Rollback`, or the name of a hook.
    #[schemars(length(max = 128))]
    pub name: String,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// How it ended.
    pub result: StepResult,
    /// What was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StepResult {
    /// It goes on.
    Running,
    /// It is done.
    Passed,
    /// The release is bad.
    Failed,
    /// It could not be told.
    Errored,
}
