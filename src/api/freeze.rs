//! ChangeFreeze and ClusterChangeFreeze: a period in which no promotion starts, in one project or in the whole cluster.

use super::{ChangeType, EnvironmentName, ProjectName, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A period in which no promotion starts in the environments of this project. Rollbacks pass, and promotions that have started
/// are finished. In target namespaces with the label `towpath.dev/freeze: enforced`, the API server also rejects changes of
/// workloads by other users and tools, except by users granted `override`.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "ChangeFreeze",
    plural = "changefreezes",
    shortname = "frz",
    namespaced,
    category = "towpath",
    derive = "PartialEq",
    doc = "A period in which no promotion starts in the environments of this project. Rollbacks pass.",
    printcolumn(name = "From", type_ = "string", json_path = ".spec.from"),
    printcolumn(name = "To", type_ = "string", json_path = ".spec.to"),
    printcolumn(name = "Environments", type_ = "string", json_path = ".spec.environments"),
    printcolumn(name = "Passes", type_ = "string", json_path = ".spec.passes"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self.from < self.to").message("spec.to must be later than spec.from"))]
#[serde(rename_all = "camelCase")]
pub struct ChangeFreezeSpec {
    /// Start of the freeze.
    pub from: Time,
    /// End of the freeze. Must be later than `from`.
    pub to: Time,
    /// Reason for the freeze. It is shown in the status of releases and promotions that wait for the end of the freeze.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
    /// Names of the environments that are frozen. Default: every environment of the project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 40), regex(pattern = schema::LABEL)))]
    pub environments: Vec<EnvironmentName>,
    /// Types of change that pass the freeze, such as `Emergency`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub passes: Vec<ChangeType>,
}

/// A period in which no promotion starts in any environment of the named projects, or of every project. Otherwise like
/// ChangeFreeze.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "ClusterChangeFreeze",
    plural = "clusterchangefreezes",
    shortname = "cfrz",
    category = "towpath",
    derive = "PartialEq",
    doc = "A period in which no promotion starts in any environment of the named projects, or of every project. Rollbacks pass.",
    printcolumn(name = "From", type_ = "string", json_path = ".spec.from"),
    printcolumn(name = "To", type_ = "string", json_path = ".spec.to"),
    printcolumn(name = "Projects", type_ = "string", json_path = ".spec.projects"),
    printcolumn(name = "Passes", type_ = "string", json_path = ".spec.passes"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self.from < self.to").message("spec.to must be later than spec.from"))]
#[serde(rename_all = "camelCase")]
pub struct ClusterChangeFreezeSpec {
    /// Start of the freeze.
    pub from: Time,
    /// End of the freeze. Must be later than `from`.
    pub to: Time,
    /// Reason for the freeze. It is shown in the status of releases and promotions that wait for the end of the freeze.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
    /// Names of the projects that are frozen: the namespaces of their environments and releases. Default: every project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 63), regex(pattern = schema::LABEL)))]
    pub projects: Vec<ProjectName>,
    /// Types of change that pass the freeze, such as `Emergency`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub passes: Vec<ChangeType>,
}
