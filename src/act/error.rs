//! Failures of a write.

use crate::cluster::{ClusterError, Refusal, brief, is_unserved, refusal, words};

/// A write that failed, or may have failed.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// A client could not be created.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The kind is not served.
    #[error("{0} is not served as a namespaced kind")]
    UnknownKind(String),
    /// A check is about more objects than are read.
    #[error(
        "more than {most} objects of kind {kind} have the labels {labels}, and no more are read: name fewer with object.labels"
    )]
    TooManyObjects {
        /// The kind.
        kind: String,
        /// The labels, as a selector.
        labels: String,
        /// How many are read.
        most: u32,
    },
    /// The API server dropped a field that it does not know.
    #[error("{what}: the API server dropped it: install the CustomResourceDefinitions of this version")]
    Dropped {
        /// What was written.
        what: String,
    },
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

    /// Why it failed, for a person: in the words of the API server if it answered.
    pub fn words(&self) -> String {
        match self {
            Self::Write { source, .. } => words(source),
            Self::Cluster(_) | Self::UnknownKind(_) | Self::TooManyObjects { .. } | Self::Dropped { .. } => {
                self.to_string()
            }
        }
    }

    /// The words, if the failure is about the object: the API server answered, or did not finish in time. Otherwise the error.
    pub fn about_the_object(self) -> Result<String, Self> {
        let is_answer = match &self {
            Self::Write { source: kube::Error::Api(_), .. }
            | Self::UnknownKind(_)
            | Self::Dropped { .. }
            | Self::TooManyObjects { .. } => true,
            Self::Write { source, .. } => matches!(refusal(source), Some(Refusal::Unanswered(_))),
            Self::Cluster(_) => false,
        };
        if is_answer { Ok(self.words()) } else { Err(self) }
    }

    /// Whether nothing was sent because this process does not lead or stops: it is not about the object.
    pub fn is_of_the_process(&self) -> bool {
        match self {
            Self::Write { source, .. } => {
                matches!(refusal(source), Some(Refusal::NotLeading | Refusal::Closed))
            }
            Self::Cluster(_) => true,
            Self::UnknownKind(_) | Self::TooManyObjects { .. } | Self::Dropped { .. } => false,
        }
    }

    /// Whether the object changed after it was read, so that the next pass succeeds: its resourceVersion is another one.
    pub fn is_conflict(&self) -> bool {
        let Self::Write { source: kube::Error::Api(status), .. } = self else { return false };
        let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
        match status.code {
            409 => !causes.iter().any(|cause| cause.reason == "FieldManagerConflict"),
            // A JSON patch whose test fails. An invalid object has causes.
            422 => causes.is_empty(),
            _ => false,
        }
    }

    /// Whether the API server does not serve the resource.
    pub fn is_unserved(&self) -> bool {
        matches!(self, Self::Write { source, .. } if is_unserved(source))
    }

    /// The answer of the API server, if it gave one.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Write { source: kube::Error::Api(status), .. } => Some(status.code),
            Self::Write { .. }
            | Self::Cluster(_)
            | Self::UnknownKind(_)
            | Self::Dropped { .. }
            | Self::TooManyObjects { .. } => None,
        }
    }
}
