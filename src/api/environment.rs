//! Environment: where an edition can live.

use super::{Approvals, Condition, Duration, READY, Window, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where an edition can live: one target namespace, its place in the order, its rules.
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
    doc = "Where an edition can live: one target namespace, its place in the order, its rules.",
    selectable = ".spec.namespace",
    printcolumn(name = "Namespace", type_ = "string", json_path = ".spec.namespace"),
    printcolumn(name = "Promotion", type_ = "string", json_path = ".spec.promotion"),
    printcolumn(name = "Running", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.message"),
    printcolumn(name = "After", type_ = "string", json_path = ".spec.after", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 40 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("the name of an Environment is part of other names: lower case letters, digits and '-', at most 40 characters")
)]
#[x_kube(validation = Rule::new("self.delivery != 'Observed' || !has(self.overrides)")
    .message("an Observed environment is never written to: remove overrides, or set delivery: Managed"))]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentSpec {
    /// The namespace that releases of this environment are put into. Its owner consents by a RoleBinding, which the
    /// condition `Ready` prints while it is missing. Two environments of a project never share one.
    #[schemars(length(min = 1, max = 63), regex(pattern = schema::LABEL))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("the target namespace cannot be changed: create another Environment"))]
    pub namespace: String,
    /// Names of the environments in which a release must be verified before it may come here. Default: none, so a
    /// release may come here first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 40), regex(pattern = schema::LABEL)))]
    pub after: Vec<String>,
    /// `Automatic`: the newest eligible release comes here as soon as its gates are open. `Manual`: a person
    /// creates a Promotion. Default: Automatic.
    #[serde(default)]
    pub promotion: PromotionMode,
    /// `Managed`: Towpath writes here. `Observed`: somebody else deploys here, such as CI into a dev
    /// namespace; Towpath captures and verifies, and never writes. Default: Managed.
    #[serde(default)]
    pub delivery: Delivery,
    /// How long a release must have been verified in every environment of `after` before it may come here, such
    /// as `2h`. Default: 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_duration")]
    pub soak: Option<Duration>,
    /// People who have to approve a release before it comes here. Default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals: Option<Approvals>,
    /// When promotions may start here: outside every `Deny` window and, if there is an `Allow` window, inside one. Rollbacks always
    /// may. Default: at any time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub windows: Vec<Window>,
    /// What differs here from the content of a release. Takes effect with the next promotion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<Overrides>,
    /// Objects that are this environment's own, such as the ConfigMap with its database's address: never written, references to
    /// them never rewritten, and a promotion starts only when they exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub keeps: Vec<Keep>,
    /// Field managers whose fields Towpath may take over when it first writes an object that exists, such as
    /// `kubectl-client-side-apply` or `helm`. Default: nobody's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 128)))]
    pub adopt_from: Vec<String>,
    /// Further namespaced kinds, custom ones too, that content of this environment may hold. Their rights are granted by the owner
    /// of the target namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub kinds: Vec<KindRef>,
    /// Name of the RollbackPolicy, in the same namespace. Default: the default policy, which rolls back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub rollback_policy_ref: Option<String>,
    /// How many finished revisions per application are kept. Rollback targets are kept beyond it. Default: 10.
    #[serde(default = "default_history_limit")]
    #[schemars(range(min = 1, max = 50))]
    pub history_limit: i32,
}

fn default_history_limit() -> i32 {
    10
}

/// Who starts a promotion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PromotionMode {
    /// Towpath does, when the gates are open.
    #[default]
    Automatic,
    /// A person does, by creating a Promotion.
    Manual,
}

/// Who writes into the target namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Delivery {
    /// Towpath does.
    #[default]
    Managed,
    /// Somebody else does; Towpath only looks.
    Observed,
}

/// What differs in an environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overrides {
    /// Replicas of workloads when they are first written here. An existing workload keeps the number that it runs with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub replicas: Vec<ReplicaOverride>,
    /// Environment variables, set in every container of the named workload, or of one container of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub env: Vec<VariableOverride>,
    /// JSON patches (RFC 6902), applied last, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub patches: Vec<Patch>,
}

/// Replicas of one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaOverride {
    /// `Deployment` or `StatefulSet`.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Name of the workload.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub name: String,
    /// How many.
    #[schemars(range(min = 0, max = 100000))]
    pub replicas: i32,
}

/// Environment variables of one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VariableOverride {
    /// Kind of the workload, such as `Deployment`.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Name of the workload.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub name: String,
    /// Name of the container. Default: every container, init containers excepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub container: Option<String>,
    /// The variables. One that exists is replaced, others are added.
    #[schemars(length(min = 1, max = 50))]
    pub variables: Vec<EnvironmentVariable>,
}

/// One environment variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentVariable {
    /// Its name.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Its value. Never put a secret here: refer to a Secret in the content instead.
    #[schemars(length(max = 4096))]
    pub value: String,
}

/// A JSON patch of one object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Patch {
    /// Kind of the object, such as `Ingress`.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Name of the object in the content.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub name: String,
    /// The operations, in order. One that does not fit makes the promotion fail before anything is written.
    #[schemars(length(min = 1, max = 50))]
    pub operations: Vec<PatchOperation>,
}

/// One operation of RFC 6902.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("!(self.op in ['move', 'copy']) || has(self.from)").message("move and copy need from"))]
pub struct PatchOperation {
    /// `add`, `remove`, `replace`, `move`, `copy` or `test`.
    #[schemars(extend("enum" = ["add", "remove", "replace", "move", "copy", "test"]))]
    pub op: String,
    /// JSON pointer (RFC 6901) to the place, such as `/spec/rules/0/host`. Never below `/metadata/name`,
    /// `/metadata/namespace`, `/kind` or `/apiVersion`.
    #[schemars(length(max = 512), regex(pattern = "^/"))]
    pub path: String,
    /// JSON pointer to take from, for `move` and `copy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub from: Option<String>,
    // CEL does not see a field of any type, so no rule can demand it.
    /// The value, for `add`, `replace` and `test`. Default: null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_value")]
    pub value: Option<serde_json::Value>,
}

/// An object of the environment's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Keep {
    /// Its kind, such as `ConfigMap`.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its name.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub name: String,
}

/// A kind, as `apiVersion` and `kind` name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindRef {
    /// Group and version, such as `monitoring.coreos.com/v1`.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9][a-z0-9]*$")
    )]
    pub api_version: String,
    /// The kind, such as `ServiceMonitor`.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Z][A-Za-z0-9]*$"))]
    pub kind: String,
}

/// What runs in an environment and how it got there. Written by Towpath, computed from its promotions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// The generation of the spec that this status describes; -1 until Towpath has looked.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// One entry per application.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub applications: Vec<ApplicationStatus>,
    /// What runs here, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub summary: Option<String>,
    /// What is being done, or which gate is closed and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub message: Option<String>,
    /// `Ready`, `Reconciling`, `Stalled`, `OverridesPending`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl Default for EnvironmentStatus {
    fn default() -> Self {
        Self {
            observed_generation: schema::never_observed(),
            applications: Vec::new(),
            summary: None,
            message: None,
            conditions: Vec::new(),
        }
    }
}

/// One application in an environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationStatus {
    /// Name of the application.
    #[schemars(length(max = 63))]
    pub name: String,
    /// The revision that was put here last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<RevisionRef>,
    /// The revision before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<RevisionRef>,
    /// The newest verified revision: what a rollback goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_verified: Option<RevisionRef>,
    /// The promotion that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub active: Option<String>,
    /// The newest release that waits to come here, and the gate that it waits at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<GateReport>,
    /// Revisions, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 60))]
    pub history: Vec<RevisionRecord>,
}

/// A revision, in short.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionRef {
    /// Number of the revision in this environment; 0 is what was here before Towpath first wrote.
    pub revision: i64,
    /// Version of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// Name of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub release: Option<String>,
}

/// A release that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GateReport {
    /// Name of the release.
    #[schemars(length(max = 253))]
    pub release: String,
    /// The gate that is closed.
    #[schemars(length(max = 64))]
    pub gate: String,
    /// Why, and what opens it.
    #[schemars(length(max = 2048))]
    pub message: String,
    /// When it opens by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

/// One entry of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionRecord {
    /// Number of the revision.
    pub revision: i64,
    /// The promotion that made it.
    #[schemars(length(max = 253))]
    pub promotion: String,
    /// Name of the release that was put here, or taken back.
    #[schemars(length(max = 253))]
    pub release: String,
    /// Digest of what was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub digest: Option<String>,
    /// How it ended, or the phase that it is in.
    #[schemars(length(max = 64))]
    pub outcome: String,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

impl Environment {
    /// Why nothing can be put there whatever the gates say, as its status has it: no consent, no namespace.
    pub fn shut(&self) -> Option<&Condition> {
        let conditions = self.status.iter().flat_map(|status| &status.conditions);
        let mut ready =
            conditions.filter(|condition| condition.type_ == READY && condition.status == "False");
        ready.find(|condition| {
            matches!(condition.reason.as_str(), "NotGranted" | "NamespaceMissing" | "NamespaceTerminating")
        })
    }
}
