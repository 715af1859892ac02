//! Approval: what a person decided about one release in one environment; what an environment demands, and what came of it.

use super::{ChangeType, Condition, Duration, UserInfo, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a person decided about one release in one environment. It names exactly what is approved: release and environment by
/// name and UID, and the digest of what would be written there. Immutable; deleting it withdraws it, which only its approver may do.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "Approval",
    plural = "approvals",
    shortname = "appr",
    namespaced,
    category = "towpath",
    status = "ApprovalStatus",
    derive = "PartialEq",
    doc = "What a person decided about one release in one environment. Immutable; deleting it withdraws it.",
    selectable = ".spec.release.name",
    selectable = ".spec.environment.name",
    printcolumn(name = "Release", type_ = "string", json_path = ".spec.release.name"),
    printcolumn(name = "Environment", type_ = "string", json_path = ".spec.environment.name"),
    printcolumn(name = "Decision", type_ = "string", json_path = ".spec.decision"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.approver.username"),
    printcolumn(
        name = "Counts",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Why",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self == oldSelf").message("an Approval is immutable: delete it to withdraw it, and create another one"))]
#[serde(rename_all = "camelCase")]
pub struct ApprovalSpec {
    /// The release that is approved. `status.approvals.of` of the Promotion that waits holds this and the next two fields, ready to copy.
    pub release: ObjectIdentity,
    /// The environment that it may go into.
    pub environment: ObjectIdentity,
    /// SHA-256 of what would be written: the content of the release after the overrides of the environment. Other overrides
    /// give another digest, which needs new approvals.
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[0-9a-f]{64}$"))]
    pub digest: String,
    /// `Approve`, or `Reject`, which closes the gate until it is withdrawn.
    pub decision: ApprovalDecision,
    /// Why; kept in the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub comment: Option<String>,
    /// When it stops counting. Default: after `spec.approvals.validFor` of the environment, if that is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Who decided. Filled in by the API server; another name than one's own is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<UserInfo>,
}

/// One of our objects, and no other of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectIdentity {
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub name: String,
    /// Its `metadata.uid`.
    #[schemars(length(min = 1, max = 64))]
    pub uid: String,
}

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApprovalDecision {
    /// It may go.
    Approve,
    /// It may not.
    Reject,
}

/// Whether the approval counts. Written by Towpath.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalStatus {
    /// The generation of the spec that this status describes; -1 until Towpath has looked.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// `Ready`: `True` while it counts; otherwise the message names the field that is why not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl Default for ApprovalStatus {
    fn default() -> Self {
        Self { observed_generation: schema::never_observed(), conditions: Vec::new() }
    }
}

/// Who has to approve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approvals {
    /// How many different people have to approve.
    #[schemars(range(min = 1, max = 20))]
    pub required: i32,
    /// Groups that the approvers have to belong to, and how many of each are needed. Default: anybody who may `approve` here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["group"]))]
    pub from: Vec<ApproverGroup>,
    /// Whether whoever created the release or the promotion may approve it, too. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub requester_may_approve: bool,
    /// How long an approval counts, such as `24h`. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_duration")]
    pub valid_for: Option<Duration>,
    /// Types of changes that need no approval, such as `Standard`. Whoever creates a release says of which type it is. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub not_for: Vec<ChangeType>,
    /// An Emergency change goes first and has to be approved within this time; until it is, it counts as overdue behind it.
    /// Default: it waits like every other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_duration")]
    pub emergency_within: Option<Duration>,
}

/// A group of approvers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApproverGroup {
    /// The group, as the API server's authenticator names it.
    #[schemars(length(min = 1, max = 253))]
    pub group: String,
    /// How many approvers have to belong to it. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 20))]
    pub at_least: i32,
}

fn one() -> i32 {
    1
}

/// The approvals of a promotion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalsReport {
    /// What an Approval of it has to name: `release`, `environment` and `digest`, ready to copy into its spec.
    pub of: ApprovalOf,
    /// How many people have to approve.
    pub required: i32,
    /// Who approved, and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub approved: Vec<Approved>,
    /// Who rejected, and when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub rejected: Vec<Approved>,
    /// Who is still needed, in a sentence; absent when nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub needed: Option<String>,
    /// An Emergency change that went first: until when it has to be approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
}

/// What is approved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalOf {
    /// The release.
    pub release: ObjectIdentity,
    /// The environment.
    pub environment: ObjectIdentity,
    /// Digest of what would be written.
    #[schemars(length(max = 64))]
    pub digest: String,
}

/// One decision that counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Approved {
    /// Who decided.
    #[schemars(length(max = 512))]
    pub by: String,
    /// When it was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The comment that was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub comment: Option<String>,
}
