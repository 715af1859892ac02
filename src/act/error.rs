//! Failures of a write.

use crate::cluster::{ClusterError, brief};

/// A write that failed, or may have failed.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// A client could not be created.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The kind is not served.
    #[error("{0} is not served as a namespaced kind")]
    UnknownKind(String),
    /// The API server refused, or did not answer.
    #[error("{what}: {}", brief(source))]
    Write {
        /// What was written.
        what: String,
        /// Why it failed.
        source: kube::Error,
    },
}

impl ActError {
    /// For `map_err`.
    pub fn write(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Write { what, source }
    }

    /// The answer of the API server, if it gave one.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Write { source: kube::Error::Api(status), .. } => Some(status.code),
            Self::Write { .. } | Self::Cluster(_) | Self::UnknownKind(_) => None,
        }
    }
}
