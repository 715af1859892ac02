//! ChangeFreeze: a period in which no change starts, of one project or of the whole cluster.

use super::{ChangeType, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// A period in which no promotion starts in environments of this project. Rollbacks always pass, and what has started is
/// finished. Where the owner of a target namespace labelled it `towpath.dev/freeze: enforced`, the API server refuses changes
/// of workloads there from anybody.
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
    doc = "A period in which no promotion starts in environments of this project; rollbacks pass.",
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
    /// When it begins.
    pub from: Time,
    /// When it ends.
    pub to: Time,
    /// Why; shown to whoever waits for its end.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
    /// Names of the environments that are frozen. Default: all of the project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 40), regex(pattern = schema::LABEL)))]
    pub environments: Vec<String>,
    /// Types of changes that pass, such as `Emergency`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub passes: Vec<ChangeType>,
}

/// A period in which no promotion starts in any environment of the named projects, or of all. As ChangeFreeze otherwise.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "ClusterChangeFreeze",
    plural = "clusterchangefreezes",
    shortname = "cfrz",
    category = "towpath",
    derive = "PartialEq",
    doc = "A period in which no promotion starts in any environment of the named projects, or of all; rollbacks pass.",
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
    /// When it begins.
    pub from: Time,
    /// When it ends.
    pub to: Time,
    /// Why; shown to whoever waits for its end.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
    /// Names of the projects that are frozen. Default: every project.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 63), regex(pattern = schema::LABEL)))]
    pub projects: Vec<String>,
    /// Types of changes that pass, such as `Emergency`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub passes: Vec<ChangeType>,
}
