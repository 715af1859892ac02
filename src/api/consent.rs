//! What the owner of a target namespace has not granted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rights in the target namespace that its owner has not granted to the identity of the environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MissingConsent {
    /// The ClusterRole that no RoleBinding in the namespace grants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub cluster_role: Option<String>,
    /// The resources of `spec.kinds` that no Role in the namespace grants, as `plural.group`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 317)))]
    pub resources: Vec<String>,
}
