//! The identity of this process to the API server, asked once at start-up.

use super::client::Clients;
use super::error::brief;
use crate::api::UserInfo;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::Api;
use kube::api::PostParams;
use std::time::Duration;

/// The identity of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnIdentity {
    /// As the API server authenticates it.
    pub user: UserInfo,
    /// The namespace of the installation: that of its ServiceAccount.
    pub namespace: String,
}

impl OwnIdentity {
    /// The identity of a user; `fallback` is the namespace if the user is not a ServiceAccount.
    pub fn new(user: UserInfo, fallback: &str) -> Self {
        let account = user.username.strip_prefix("system:serviceaccount:");
        let namespace = account.and_then(|account| account.split(':').next()).unwrap_or(fallback).to_owned();
        Self { user, namespace }
    }

    /// Asks the API server until it answers.
    pub async fn ask(clients: &Clients, fallback: &str) -> Self {
        let api: Api<SelfSubjectReview> = Api::all(clients.operator());
        loop {
            match api.create(&PostParams::default(), &SelfSubjectReview::default()).await {
                Ok(review) => {
                    let user = review.status.and_then(|status| status.user_info).unwrap_or_default();
                    let username = user.username.unwrap_or_default();
                    let user = UserInfo { username, uid: user.uid, groups: user.groups.unwrap_or_default() };
                    return Self::new(user, fallback);
                }
                Err(error) => {
                    tracing::warn!(
                        error = brief(&error),
                        "cannot ask the API server for the identity of this process"
                    )
                }
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_of_a_service_account_is_that_of_the_installation() {
        let user = |name: &str| UserInfo { username: name.to_owned(), uid: None, groups: Vec::new() };
        let own = |name| OwnIdentity::new(user(name), "set").namespace;
        assert_eq!(own("system:serviceaccount:towpath-system:towpath"), "towpath-system");
        assert_eq!(own("admin"), "set");
    }
}
