//! Overrides: differences between the content of a release and what is written to an environment.

use super::schema;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Differences between the content of a release and what is written to an environment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overrides {
    /// Replicas of workloads that do not exist yet. The replicas of an existing workload are never changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub replicas: Vec<ReplicaOverride>,
    /// Environment variables of the containers of a workload.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub env: Vec<VariableOverride>,
    /// JSON patches (RFC 6902). They are applied after `replicas` and `env`, in order.
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
    /// Number of replicas when the workload is created.
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
    /// Name of the container. Default: every container except init containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub container: Option<String>,
    /// The variables. A variable that exists in the container is replaced; any other is added.
    #[schemars(length(min = 1, max = 50))]
    pub variables: Vec<EnvironmentVariable>,
}

/// One environment variable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnvironmentVariable {
    /// Name of the variable.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Value of the variable. Do not put a secret here; refer to a Secret in the content of the release instead.
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
    /// The operations, in order. If an operation cannot be applied, the promotion fails before anything is written.
    #[schemars(length(min = 1, max = 50))]
    pub operations: Vec<PatchOperation>,
}

/// One operation of RFC 6902.
#[derive(KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("!(self.op in ['move', 'copy']) || has(self.from)").message("from is required when op is move or copy"))]
pub struct PatchOperation {
    /// `add`, `remove`, `replace`, `move`, `copy` or `test`.
    #[schemars(extend("enum" = ["add", "remove", "replace", "move", "copy", "test"]))]
    pub op: String,
    /// JSON pointer (RFC 6901) to the field, such as `/spec/rules/0/host`. `/apiVersion`, `/kind`, `/metadata/name` and
    /// `/metadata/namespace` cannot be changed.
    #[schemars(length(max = 512), regex(pattern = "^/"))]
    pub path: String,
    /// JSON pointer to the source field. Required for `move` and `copy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub from: Option<String>,
    // CEL does not see fields of arbitrary type, so no rule can require it.
    /// Value for `add`, `replace` and `test`. Default: null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::any_value")]
    pub value: Option<serde_json::Value>,
}
