//! Recall: a person declares the content of releases bad, in every environment of a project, until the Recall is deleted.

use super::{ApplicationName, Condition, EnvironmentName, UserInfo, schema};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Declares the content of releases bad. While the Recall exists, every environment that runs the content is rolled back, nothing of it is
/// promoted, and no rollback restores it. It identifies the content by digest, so it outlives the Release and applies to the same content
/// under any name. Immutable. Deleting it lifts the recall.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "Recall",
    plural = "recalls",
    shortname = "rcl",
    namespaced,
    category = "towpath",
    status = "RecallStatus",
    derive = "PartialEq",
    doc = "Declares the content of releases bad: it is rolled back in every environment that runs it, and promoted nowhere. Immutable. Deleting it lifts the recall.",
    selectable = ".spec.application",
    printcolumn(name = "Application", type_ = "string", json_path = ".spec.application"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.author.username"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Why",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 200")
        .message("metadata.name must be at most 200 characters: it is part of the reasons of rollbacks")
)]
#[x_kube(validation = Rule::new("self == oldSelf").message("a Recall is immutable: delete it and create a new Recall"))]
#[serde(rename_all = "camelCase")]
pub struct RecallSpec {
    /// Name of the application.
    #[schemars(length(min = 1, max = 50), regex(pattern = schema::LABEL))]
    pub application: ApplicationName,
    /// Digests of the recalled content: `status.digest` of each Release, or `status.releaseDigest` of a Promotion of it. It is the content
    /// of the release without the overrides of an environment.
    #[schemars(
        length(min = 1, max = 20),
        inner(length(min = 64, max = 64), regex(pattern = "^[0-9a-f]{64}$")),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub digests: Vec<String>,
    /// Why the content is recalled. It is copied into every rollback that the recall causes.
    #[schemars(length(min = 1, max = 512))]
    pub reason: String,
    /// The user who recalled the content. The API server fills it in and rejects any other user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<UserInfo>,
}

/// What the recall did and does. Written by Towpath.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecallStatus {
    /// Generation of the spec that this status describes. -1 until the controller has observed the object.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// Environments that run or ran the recalled content, the last one on the path of releases first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub environments: Vec<RecalledIn>,
    /// Conditions. `Ready` is `True` when no environment runs the recalled content. `Reconciling`: rollbacks are in progress, or another
    /// tool deploys to the environment that runs it. `Stalled`: a user has to act; the message says how.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The recalled content in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecalledIn {
    /// Name of the environment.
    #[schemars(length(max = 63))]
    pub name: EnvironmentName,
    /// `RollingBack`, `RolledBack`, `RollbackFailed`, `NoTarget` if no verified content is left to roll back to, `Irreversible` if a
    /// release does not allow it, or `Observed` if another
    /// tool deploys to the environment.
    #[schemars(length(max = 64))]
    pub state: String,
    /// Details, and what to do.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// Name of the rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub promotion: Option<String>,
}

impl Default for RecallStatus {
    fn default() -> Self {
        Self {
            observed_generation: schema::never_observed(),
            environments: Vec::new(),
            conditions: Vec::new(),
        }
    }
}

impl Recall {
    /// Whether this digest of a release is recalled.
    pub fn names(&self, digest: &str) -> bool {
        self.spec.digests.iter().any(|recalled| recalled == digest)
    }
}
