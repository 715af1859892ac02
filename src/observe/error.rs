//! What can go wrong while looking.

use crate::cluster::ClusterError;

/// A look that gave nothing to decide about.
#[derive(Debug, thiserror::Error)]
pub enum ObserveError {
    /// The caches have not shown one of our own writes yet.
    #[error("the caches are older than an own write of {kind} {name}")]
    Stale {
        /// The kind that is old.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A client could not be made.
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
