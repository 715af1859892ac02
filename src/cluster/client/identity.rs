//! The derived identity of an environment, with whose rights its target namespace is read and written.
//!
//! Invariant: the impersonated name is built here from a validated project and environment, never taken from a spec. A
//! project is a DNS label without a dot, so `project.environment` splits in one way only. No groups are sent: the API
//! server adds them for the name of a ServiceAccount.

use std::fmt;

use http::HeaderValue;

use crate::api::names::{is_label, is_subdomain};
use crate::api::{DEPLOYER_NAMESPACE, EnvironmentId};
use crate::cluster::error::ClusterError;

/// The derived identity of one environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    of: EnvironmentId,
}

impl Identity {
    /// The identity of an environment; rejects invalid names.
    pub fn new(of: EnvironmentId) -> Result<Self, ClusterError> {
        let EnvironmentId { project, environment } = &of;
        let refused = |reason| Err(ClusterError::InvalidIdentity { of: of.clone(), reason });
        // https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
        if !is_label(project) {
            return refused("a project is a namespace: at most 63 of a-z, 0-9 and '-'");
        }
        if !is_subdomain(environment) {
            return refused("the environment's name is not a DNS subdomain");
        }
        if project.len() + 1 + environment.len() > 253 {
            return refused("together they exceed the 253 characters of a ServiceAccount's name");
        }
        Ok(Self { of })
    }

    /// The user name to impersonate, and to name in a SubjectAccessReview.
    pub fn user_name(&self) -> String {
        format!("system:serviceaccount:{DEPLOYER_NAMESPACE}:{}", self.of.account())
    }

    /// The groups that the API server adds to that user, to name in a SubjectAccessReview.
    pub fn groups(&self) -> [String; 3] {
        [
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{DEPLOYER_NAMESPACE}"),
            "system:authenticated".to_owned(),
        ]
    }

    pub(super) fn header(&self) -> Result<HeaderValue, ClusterError> {
        HeaderValue::from_str(&self.user_name())
            .map_err(|_| ClusterError::InvalidIdentity { of: self.of.clone(), reason: "not a header value" })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.user_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(project: &str, environment: &str) -> EnvironmentId {
        EnvironmentId { project: project.into(), environment: environment.into() }
    }

    #[test]
    fn the_name_is_derived_from_project_and_environment() {
        let identity = Identity::new(id("shop", "prod")).unwrap();
        assert_eq!(identity.user_name(), "system:serviceaccount:towpath-deployers:shop.prod");
        assert_eq!(identity.groups()[1], "system:serviceaccounts:towpath-deployers");
    }

    #[test]
    fn invalid_names_are_rejected() {
        let long = "a".repeat(64);
        for (project, environment) in [
            ("", "prod"),
            ("shop", ""),
            ("shop.a", "prod"),
            ("Shop", "prod"),
            ("../x", "prod"),
            ("shop", "x?dryRun=All"),
            ("shop", "a..b"),
            ("shop", "-a"),
            ("shop\n", "prod"),
            (long.as_str(), "prod"),
        ] {
            assert!(Identity::new(id(project, environment)).is_err(), "{project:?} {environment:?}");
        }
        assert!(Identity::new(id("shop", &"a".repeat(248))).is_ok());
        assert!(Identity::new(id("shop", &"a".repeat(249))).is_err());
    }
}
