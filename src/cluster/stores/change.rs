//! Changes that the watches report.

use crate::api::Promotion;
use crate::cluster::store::Delta;
use crate::cluster::watch::Watched;
use std::sync::Arc;

/// A change after which objects have to be reconciled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A release: namespace and name.
    Release(String, String),
    /// An environment: namespace, name, and whether others have to react.
    Environment(String, String, bool),
    /// A rollback policy: namespace and name.
    Policy(String, String),
    /// A check provider, by name.
    Provider(String),
    /// A promotion: namespace, name, and, if it could be decoded, what it is about.
    Promotion {
        /// Its project.
        project: String,
        /// Its name.
        name: String,
        /// Its release.
        release: Option<String>,
        /// Its environment.
        environment: Option<String>,
        /// Its application; empty while it is unknown.
        application: Option<String>,
        /// Its UID, when it is gone.
        gone: Option<String>,
    },
    /// An approval: namespace and name, and, if it could be decoded, its release and environment.
    Approval {
        /// Its project.
        project: String,
        /// Its name.
        name: String,
        /// Its release.
        release: Option<String>,
        /// Its environment.
        environment: Option<String>,
    },
    /// A recall: namespace and name, and, if it could be decoded, its application and digests.
    Recall {
        /// Its project.
        project: String,
        /// Its name.
        name: String,
        /// Its application.
        application: Option<String>,
        /// The recalled digests.
        digests: Vec<String>,
        /// Whether it is new, is being deleted, is gone, or cannot be decoded.
        is_news: bool,
    },
    /// A freeze of this project, or of all projects.
    Freeze(Option<String>),
    /// An admission policy.
    Admission,
    /// A namespace.
    Namespace(String),
    /// A workload, pod or Job in this namespace.
    Workload(String),
    /// The fields of a workload in this namespace have to be compared with what Towpath wrote.
    Fields(String),
}

/// Returns the application of a promotion, from its status or its spec; empty when neither names it.
pub fn application_of(promotion: &Promotion) -> &str {
    let reported = promotion.status.as_ref().and_then(|status| status.application.as_deref());
    reported.or(promotion.spec.application.as_deref()).unwrap_or_default()
}

/// The UID of an object that is gone.
pub(super) fn gone(delta: &Delta<Promotion>) -> Option<String> {
    match delta {
        Delta::Gone { old } => old.metadata.uid.clone(),
        Delta::Applied { .. } | Delta::Undecodable { .. } | Delta::UndecodableGone { .. } | Delta::Listed => {
            None
        }
    }
}

/// The object that a change is about.
pub(super) fn object<K>(delta: &Delta<K>) -> Option<&Arc<K>> {
    match delta {
        Delta::Applied { new, .. } => Some(new),
        Delta::Gone { old } => Some(old),
        Delta::Undecodable { .. } | Delta::UndecodableGone { .. } | Delta::Listed => None,
    }
}

pub(super) fn key<K: Watched>(delta: &Delta<K>) -> Option<(String, String)> {
    if let Delta::Undecodable { new } | Delta::UndecodableGone { old: new } = delta {
        return Some((new.namespace.to_string(), new.name.to_string()));
    }
    let (namespace, name) = object(delta)?.key();
    Some((namespace.to_owned(), name.to_owned()))
}
