//! Failures of an observation.

use crate::cluster::ClusterError;

/// An observation that failed.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The caches do not show an own write yet.
    #[error("the caches are older than an own write of {kind} {name}")]
    Stale {
        /// The kind of the object.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A client could not be created.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A read failed.
    #[error("reading {what}: {}", crate::cluster::brief(source))]
    Read {
        /// What was read.
        what: String,
        /// Why it failed.
        source: kube::Error,
    },
}

impl ObserveError {
    /// For `map_err`.
    pub fn read(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Read { what, source }
    }
}
