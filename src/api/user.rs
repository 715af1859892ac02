//! The user who made a request, as the API server authenticated them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A user or ServiceAccount, as the API server authenticated it. The API server fills it in and rejects a request that names
/// another user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct UserInfo {
    /// User name, such as `alice@example.com` or `system:serviceaccount:argocd:argocd-application-controller`.
    #[schemars(length(min = 1, max = 512))]
    pub username: String,
    /// UID from the authenticator. It distinguishes users that have the same name at different times. Absent if the authenticator
    /// provides none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub uid: Option<String>,
    /// Groups of the user at the time of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200), inner(length(max = 512)), extend("x-kubernetes-list-type" = "atomic"))]
    pub groups: Vec<String>,
}

impl UserInfo {
    /// Whether this is a ServiceAccount. ServiceAccounts can be requesters, but not approvers.
    pub fn is_service_account(&self) -> bool {
        self.username.starts_with("system:serviceaccount:")
    }
}
