//! Approval: a person's decision about one release in one environment, the approvals that an environment requires, and the
//! approvals that a promotion has received.

use super::{ChangeType, Condition, Duration, EnvironmentName, ReleaseName, UserInfo, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A person's decision about one release in one environment. It identifies the release and the environment by name and UID,
/// and what would be written there by digest. Immutable. Deleting it withdraws the decision; only its approver may delete it.
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
    doc = "A person's decision about one release in one environment. Immutable. Its approver withdraws it by deleting it.",
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
#[x_kube(validation = Rule::new("self == oldSelf").message("an Approval is immutable: delete it and create a new Approval"))]
#[serde(rename_all = "camelCase")]
pub struct ApprovalSpec {
    /// The release that is approved or rejected. Copy `release`, `environment` and `digest` from `status.approvals.of` of the
    /// pending Promotion.
    pub release: ObjectIdentity<ReleaseName>,
    /// The environment that the decision applies to.
    pub environment: ObjectIdentity<EnvironmentName>,
    /// SHA-256, in hexadecimal, of what would be written: the content of the release with the overrides of the environment
    /// applied. If the overrides change, the digest changes and new approvals are needed.
    #[schemars(length(min = 64, max = 64), regex(pattern = "^[0-9a-f]{64}$"))]
    pub digest: String,
    /// `Approve` or `Reject`. A `Reject` keeps the gate closed until the approver deletes this Approval.
    pub decision: ApprovalDecision,
    /// Reason for the decision. It is copied into the status of the Promotion. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub comment: Option<String>,
    /// Time at which the decision expires. If the environment sets `spec.approvals.validFor`, an approval expires at the earlier
    /// of the two times. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// The user who decided. The API server fills it in and rejects any other user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<UserInfo>,
}

/// Reference to one object of Towpath by name and UID. An object that is recreated under the same name has another UID and does
/// not match.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectIdentity<N> {
    /// Name of the object.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub name: N,
    /// `metadata.uid` of the object.
    #[schemars(length(min = 1, max = 64))]
    pub uid: String,
}

/// The decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApprovalDecision {
    /// The release may be promoted to the environment.
    Approve,
    /// The release must not be promoted to the environment.
    Reject,
}

/// Whether the Approval counts. Written by Towpath.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalStatus {
    /// Generation of the spec that this status describes. -1 until the controller has observed the object.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// Conditions. `Ready` is `True` while the Approval counts; otherwise its message names the field that prevents it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl Default for ApprovalStatus {
    fn default() -> Self {
        Self { observed_generation: schema::never_observed(), conditions: Vec::new() }
    }
}

/// The approvals that an environment requires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approvals {
    /// Number of different people who have to approve.
    #[schemars(range(min = 1, max = 20))]
    pub required: i32,
    /// Groups that must be represented among the approvers, and the number of approvers from each. Default: no group is required;
    /// any user with the `approve` right on this environment counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["group"]))]
    pub from: Vec<ApproverGroup>,
    /// Whether the requester, who created the release or the promotion, may also approve it. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub requester_may_approve: bool,
    /// How long an approval counts after it was created, such as `24h`. It does not limit a `Reject`. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_duration")]
    pub valid_for: Option<Duration>,
    /// Types of change that need no approval, such as `Standard`. The requester sets the type in `spec.change.type` of the release.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub not_for: Vec<ChangeType>,
    /// Lets an Emergency change start before it is approved. If it is not approved within this time after its start, it is reported
    /// as overdue. Default: an Emergency change waits for approvals like any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_duration")]
    pub emergency_within: Option<Duration>,
}

/// A group of approvers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApproverGroup {
    /// Name of the group, as the API server's authenticator reports it.
    #[schemars(length(min = 1, max = 253))]
    pub group: String,
    /// Number of approvers that have to belong to the group. Default: 1.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 20))]
    pub at_least: i32,
}

fn one() -> i32 {
    1
}

/// The approvals that a promotion needs and has received.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApprovalsReport {
    /// What an Approval of this promotion has to name. Copy `release`, `environment` and `digest` into the spec of the Approval.
    pub of: ApprovalOf,
    /// Number of different people who have to approve.
    pub required: i32,
    /// Approvals that count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub approved: Vec<Approved>,
    /// Rejections that count. While there is one, the gate stays closed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub rejected: Vec<Approved>,
    /// The approvals that are still missing, in a sentence. Absent when none is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub needed: Option<String>,
    /// For an Emergency change that started before it was approved: the time by which it has to be approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Time>,
}

/// What an Approval has to name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ApprovalOf {
    /// The release, by name and UID.
    pub release: ObjectIdentity<ReleaseName>,
    /// The environment, by name and UID.
    pub environment: ObjectIdentity<EnvironmentName>,
    /// SHA-256 of what would be written, in hexadecimal.
    #[schemars(length(max = 64))]
    pub digest: String,
}

/// One decision that counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Approved {
    /// User name of the approver.
    #[schemars(length(max = 512))]
    pub by: String,
    /// Time of the decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Comment of the approver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub comment: Option<String>,
}
