//! Names as types, so that the name of a release cannot be passed for that of an environment.
//!
//! The API server has validated every name against the schema of its kind. Code that puts a name into a URL parses it first, with [`Identity`](crate::cluster::Identity) or [`ObjectKey`](crate::content::ObjectKey).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

macro_rules! names {
    ($($(#[$doc:meta])+ $name:ident,)+) => { $(
        $(#[$doc])+
        #[derive(
            Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
        )]
        #[serde(transparent)]
        #[schemars(transparent)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name)
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self(name.to_owned())
            }
        }

        impl PartialEq<String> for $name {
            fn eq(&self, other: &String) -> bool {
                self.0 == *other
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                self.0 == other
            }
        }

        impl PartialEq<$name> for String {
            fn eq(&self, other: &$name) -> bool {
                *self == other.0
            }
        }

        impl PartialEq<$name> for str {
            fn eq(&self, other: &$name) -> bool {
                *self == other.0
            }
        }

        impl PartialEq<$name> for &str {
            fn eq(&self, other: &$name) -> bool {
                **self == other.0
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }
    )+ };
}

names! {
    /// Name of a project: the namespace that holds its environments, releases and promotions.
    ProjectName,
    /// Name of an environment, in its project.
    EnvironmentName,
    /// Name of an application.
    ApplicationName,
    /// Name of a release, in its project.
    ReleaseName,
    /// Name of a namespace of workloads.
    NamespaceName,
    /// Name of a cluster other than the one that holds the project.
    ClusterName,
}

/// Lower case letters, digits, `-`; at most 63; starts and ends with a letter or digit.
pub const LABEL_RULE: &str =
    "at most 63 lower case letters, digits and '-', starting and ending with a letter or digit";
/// Labels joined by dots, at most 253.
pub const SUBDOMAIN_RULE: &str = "at most 253 lower case letters, digits, '-' and '.', each part starting and ending with a letter or digit";

/// Whether `name` is an RFC 1123 label.
pub fn is_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let end = |byte: Option<&u8>| byte.is_some_and(|byte| *byte != b'-');
    let bytes = name.as_bytes();
    bytes.len() <= 63 && bytes.iter().all(|byte| inner(*byte)) && end(bytes.first()) && end(bytes.last())
}

/// Whether `name` is an RFC 1123 subdomain. As in the API server only the whole is limited in length, not each part.
pub fn is_subdomain(name: &str) -> bool {
    let part = |part: &str| {
        let ends = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && ends(part.as_bytes().first())
            && ends(part.as_bytes().last())
    };
    name.len() <= 253 && name.split('.').all(part)
}

/// One environment of one project.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvironmentId {
    /// The project.
    pub project: ProjectName,
    /// The environment, in the project.
    pub environment: EnvironmentName,
}

impl EnvironmentId {
    /// The name of the ServiceAccount that the environment acts as. A project has no dot, so it splits in one way only.
    pub fn account(&self) -> String {
        format!("{}.{}", self.project, self.environment)
    }
}

impl fmt::Display for EnvironmentId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.project, self.environment)
    }
}

/// One application in one environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId {
    /// The environment.
    pub environment: EnvironmentId,
    /// The application.
    pub application: ApplicationName,
}

/// Where an environment runs: a namespace of a cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The cluster; none for the one that holds the project.
    pub cluster: Option<ClusterName>,
    /// The namespace.
    pub namespace: NamespaceName,
}

impl Location {
    /// A namespace of the cluster that holds the project.
    pub fn home(namespace: NamespaceName) -> Self {
        Self { cluster: None, namespace }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cluster {
            None => self.namespace.fmt(out),
            Some(cluster) => write!(out, "{cluster}/{}", self.namespace),
        }
    }
}
