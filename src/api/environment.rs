//! Environment: a target namespace, its position in the promotion order, and its rules.

use super::{
    ApplicationName, Approvals, Condition, DeliveryDay, Disruption, DriftMode, DriftedField, Duration, Ended,
    EnvironmentName, EnvironmentTest, Location, MissingConsent, NamespaceName, Notify, Overrides, Record,
    Recorded, ReleaseName, ReviewMode, Window, schema,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A target namespace that releases are promoted to, its position in the promotion order, and its rules.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "Environment",
    plural = "environments",
    shortname = "env",
    namespaced,
    category = "towpath",
    status = "EnvironmentStatus",
    derive = "PartialEq",
    doc = "A target namespace that releases are promoted to, its position in the promotion order, and its rules.",
    selectable = ".spec.namespace",
    printcolumn(name = "Namespace", type_ = "string", json_path = ".spec.namespace"),
    printcolumn(name = "Promotion", type_ = "string", json_path = ".spec.promotion"),
    printcolumn(name = "Running", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.message"),
    printcolumn(name = "After", type_ = "string", json_path = ".spec.after", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 40 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name must be at most 40 characters of lower case letters, digits and '-': it is part of the names of other objects")
)]
#[x_kube(validation = Rule::new("self.delivery != 'Observed' || !has(self.overrides)")
    .message("an Observed environment is never written to: remove spec.overrides or set spec.delivery to Managed"))]
#[x_kube(validation = Rule::new("self.delivery != 'Observed' || (!has(self.tests) && (!has(self.regression) || !self.regression))")
    .message("an Observed environment is never written to: remove spec.tests and spec.regression, or set spec.delivery to Managed"))]
#[x_kube(validation = Rule::new("self.delivery != 'Observed' || !has(self.drift) || self.drift != 'Block'")
    .message("an Observed environment is never written to: set spec.drift to Report, or spec.delivery to Managed"))]
#[x_kube(validation = Rule::new("self.delivery != 'Observed' || !has(self.review) || self.review != 'Required'")
    .message("an Observed environment is never written to: remove spec.review, or set spec.delivery to Managed"))]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentSpec {
    /// The target namespace: the namespace that releases are promoted to. The namespace owner consents with a RoleBinding. While
    /// the RoleBinding is missing, the condition `Ready` shows the command that creates it. Two environments cannot use the same
    /// namespace. Immutable.
    #[schemars(length(min = 1, max = 63), regex(pattern = schema::LABEL))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("spec.namespace cannot be changed: create a new Environment"))]
    pub namespace: NamespaceName,
    /// Names of the environments in which a release must be verified before it can be promoted to this one. Default: none, so
    /// this environment is the first in the order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 40), regex(pattern = schema::LABEL)))]
    pub after: Vec<EnvironmentName>,
    /// `Automatic`: the controller promotes the newest eligible release as soon as its gates are open. `Manual`: releases are
    /// promoted only when a user creates a Promotion. Default: Automatic.
    #[serde(default)]
    pub promotion: PromotionMode,
    /// `Managed`: Towpath writes to the target namespace. `Observed`: another tool deploys there, such as CI into a dev namespace;
    /// Towpath captures and verifies what runs, and never writes. Default: Managed.
    #[serde(default)]
    pub delivery: Delivery,
    /// How long a release must have been verified in every environment of `after` before it can be promoted here, such as `2h`.
    /// Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_duration")]
    pub soak: Option<Duration>,
    /// Approvals that a release needs before it is promoted here. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
    /// When promotions can start here: outside every `Deny` window and, if there are `Allow` windows, inside at least one of them.
    /// Rollbacks ignore windows. Default: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub windows: Vec<Window>,
    /// Differences between the content of a release and what is written to this environment. A change takes effect with the next
    /// promotion. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<Overrides>,
    /// Objects that belong to this environment, such as a ConfigMap with the address of its database. Towpath never writes them and
    /// never rewrites references to them. A promotion starts only when they exist. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub keeps: Vec<ObjectRef>,
    /// Field managers whose fields Towpath may take over, such as `kubectl-client-side-apply`. `helm` also allows it to take over
    /// objects of a Helm release. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 128)))]
    pub adopt_from: Vec<String>,
    /// Additional namespaced kinds, including custom resources, that the content of this environment may contain. The namespace
    /// owner grants the rights on them with a Role. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub kinds: Vec<KindRef>,
    /// Name of a RollbackPolicy in the same namespace. Default: a policy with the default of every field, which rolls back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub rollback_policy_ref: Option<String>,
    /// Tests that run against a release when its rollout is complete. A change takes effect with the next promotion, and changes what
    /// has to be approved. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub tests: Vec<EnvironmentTest>,
    /// Whether a release also has to pass the tests in the content of the last verified revision, before what it no longer contains is
    /// deleted. `spec.change.drops` of a release names those that no longer apply. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub regression: bool,
    /// What happens when another manager changes or removes a field that Towpath wrote. `Report`: `status.drift` and the condition
    /// `Drifted` show object, field and manager. `Block`: the gate `Drift` also keeps the next promotion from starting. Deployments,
    /// StatefulSets and DaemonSets are compared when they change. Objects of other kinds are compared when a promotion is prepared, and
    /// the Promotion shows what was found. `spec.replicas`, `kubectl rollout restart`, and fields that Towpath did not write are no drift.
    /// Default: Report.
    #[serde(default)]
    pub drift: DriftMode,
    /// Whether a release that failed or was rolled back here has to be reviewed. `Required`: the gate `Review` keeps other releases of the
    /// application from starting until a user creates a Review of it. Default: Optional.
    #[serde(default, skip_serializing_if = "is_optional")]
    pub review: ReviewMode,
    /// Channels to which transitions are sent, and which. A channel that does not exist or fails stops nothing. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["channel"]))]
    pub notify: Vec<Notify>,
    /// Number of finished revisions to keep per application. Rollback targets are kept in addition. Default: 10.
    #[serde(default = "default_history_limit")]
    #[schemars(range(min = 1, max = 50))]
    pub history_limit: i32,
}

fn is_optional(mode: &ReviewMode) -> bool {
    *mode == ReviewMode::Optional
}

fn default_history_limit() -> i32 {
    10
}

/// How promotions start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PromotionMode {
    /// The controller starts them when the gates are open.
    #[default]
    Automatic,
    /// A user starts each one by creating a Promotion.
    Manual,
}

/// Who writes to the target namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Delivery {
    /// Towpath writes to it.
    #[default]
    Managed,
    /// Another tool writes to it; Towpath only reads.
    Observed,
}

/// Kind and name of an object in the target namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ObjectRef {
    /// Kind of the object, such as `ConfigMap`.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// API group of the kind, such as `serving.knative.dev` for a `Service` of Knative. Default: that of the built-in kind of this name; for
    /// other kinds, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub group: Option<String>,
    /// Name of the object.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub name: String,
}

/// A kind, identified by `apiVersion` and `kind`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindRef {
    /// API group and version, such as `monitoring.coreos.com/v1`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9][a-z0-9]*$")
    )]
    pub api_version: String,
    /// Name of the kind, such as `ServiceMonitor`.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Z][A-Za-z0-9]*$"))]
    pub kind: String,
    /// JSON pointer of the pod template in objects of this kind, such as `/spec/worker/podTemplate`. Pods are rolled out when a ConfigMap
    /// that they read changes, and their images are listed and pinned. Default: `/spec/template` or `/spec/jobTemplate/spec/template`, if
    /// there are containers in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = "^(/[A-Za-z0-9_.-]+)+$"))]
    pub pod_template: Option<String>,
}

/// What runs in an environment, and its history. Written by Towpath, computed from the Promotions of the environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// Generation of the spec that this status describes. -1 until the controller has observed the object.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// Version of the controller that wrote this status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub controller_version: Option<String>,
    /// The applications of the environment, at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub applications: Vec<ApplicationStatus>,
    /// What runs here, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub summary: Option<String>,
    /// What is in progress, or which gate is closed and what opens it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub message: Option<String>,
    /// What the owner of the target namespace has not consented to, while the reason of `Ready` is `NotGranted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_consent: Option<MissingConsent>,
    /// Fields of Deployments, StatefulSets and DaemonSets that Towpath wrote and another manager changed or removed afterwards, at most 20.
    /// Empty while a promotion of the application is in progress, and before a revision is verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub drift: Vec<DriftedField>,
    /// Pods of runs of CronJobs that were evicted, preempted or lost with their node while a verified release is judged, at most 100,
    /// kept until another one is seen. A run that failed only because of them does not count against the release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub disruptions: Vec<Disruption>,
    /// Promotions and rollbacks that were deleted because of the history limit and whose release does not exist any more, by time and
    /// name: at most the newest 100. Those of a release that exists are in its status.
    #[serde(default, skip_serializing_if = "Record::is_empty")]
    #[schemars(extend("maxProperties" = 100))]
    pub record: Record,
    /// Number of older entries of `record` that were dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_dropped: Option<i64>,
    /// Conditions: `Ready`, `Reconciling`, `Stalled`, `ApprovalOverdue`, `Drifted`, `FailingAfterVerification`, `FreezeIneffective`,
    /// `NotifyIneffective`, `OverridesPending`, `SecurityDegraded`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl Default for EnvironmentStatus {
    fn default() -> Self {
        Self {
            observed_generation: schema::never_observed(),
            controller_version: None,
            applications: Vec::new(),
            summary: None,
            message: None,
            missing_consent: None,
            drift: Vec::new(),
            disruptions: Vec::new(),
            record: Record::new(),
            record_dropped: None,
            conditions: Vec::new(),
        }
    }
}

impl Recorded for Environment {
    fn recorded(&self) -> Option<(&Record, Option<i64>)> {
        self.status.as_ref().map(|status| (&status.record, status.record_dropped))
    }
}

/// One application in an environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationStatus {
    /// Name of the application.
    #[schemars(length(max = 63))]
    pub name: ApplicationName,
    /// The newest finished revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<RevisionRef>,
    /// The revision before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<RevisionRef>,
    /// The newest verified revision, which a rollback restores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_verified: Option<RevisionRef>,
    /// Name of the promotion that is in progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub active: Option<String>,
    /// The newest release that waits to be promoted here, and the closed gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<GateReport>,
    /// Why the running release fails after it was verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub failing: Option<String>,
    /// Why recalled content runs until a user or another tool acts, and what they can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub recalled: Option<String>,
    /// Delivery figures by day, newest first: at most the newest 90 days with a deployment, and fewer if the environment has more than ten
    /// applications. They outlast promotions that were deleted because of the history limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 90), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["day"]))]
    pub delivery: Vec<DeliveryDay>,
    /// Number of the newest revision that `delivery` counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<i64>,
    /// Revisions, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 60))]
    pub history: Vec<RevisionRecord>,
}

/// Reference to a revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionRef {
    /// Number of the revision in this environment. Revision 0 is what existed before Towpath first wrote.
    pub revision: i64,
    /// Version of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// Name of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub release: Option<ReleaseName>,
}

/// A release that waits at a closed gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateReport {
    /// Name of the release.
    #[schemars(length(max = 253))]
    pub release: ReleaseName,
    /// Name of the closed gate.
    #[schemars(length(max = 64))]
    pub gate: String,
    /// Why the gate is closed, and what opens it.
    #[schemars(length(max = 2048))]
    pub message: String,
    /// Time at which the gate opens without an action by a user. Absent if there is no such time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// One entry of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionRecord {
    /// Number of the revision.
    pub revision: i64,
    /// Name of the Promotion that created the revision.
    #[schemars(length(max = 253))]
    pub promotion: String,
    /// Name of the release that was promoted or, for a rollback, rolled back.
    #[schemars(length(max = 253))]
    pub release: ReleaseName,
    /// SHA-256 of what was written, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub digest: Option<String>,
    /// Outcome of the promotion, such as `Verified` or `Rollback to 3: Verified`.
    #[schemars(length(max = 64))]
    pub outcome: String,
    /// Time at which the promotion started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// Time at which the promotion ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

impl RevisionRecord {
    /// The outcome; none if a newer controller wrote it in other words.
    pub fn ended(&self) -> Option<Ended> {
        Ended::read(&self.outcome)
    }
}

impl Environment {
    /// Where the environment runs.
    pub fn location(&self) -> Location {
        Location::home(self.spec.namespace.clone())
    }
}
