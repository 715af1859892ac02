//! Who did something, as the API server authenticated them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A user or a ServiceAccount, as the API server authenticated it. Filled in by the API server; a request that names
/// anybody but the one who makes it is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct UserInfo {
    /// The name, such as `alice@example.com` or `system:serviceaccount:argocd:argocd-application-controller`.
    #[schemars(length(min = 1, max = 512))]
    pub username: String,
    /// The identifier that the authenticator gave, if it gave one: another user of the same name has another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub uid: Option<String>,
    /// The groups at that moment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200), inner(length(max = 512)), extend("x-kubernetes-list-type" = "atomic"))]
    pub groups: Vec<String>,
}

impl UserInfo {
    /// Whether it is a ServiceAccount: those make requests, and never approve.
    pub fn is_service_account(&self) -> bool {
        self.username.starts_with("system:serviceaccount:")
    }
}
