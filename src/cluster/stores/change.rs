//! Changes that the watches report.

use crate::api::{
    ApplicationName, EnvironmentId, EnvironmentName, Location, ProjectName, Promotion, ReleaseName,
};
use crate::cluster::store::Delta;
use crate::cluster::watch::Watched;
use std::sync::Arc;

/// A change after which objects have to be reconciled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A release: project and name.
    Release(ProjectName, ReleaseName),
    /// An environment, and whether others have to react.
    Environment(EnvironmentId, bool),
    /// A rollback policy: project and name.
    Policy(ProjectName, String),
    /// A check provider, by name.
    Provider(String),
    /// A channel, by name, and whether more than its status changed.
    Channel(String, bool),
    /// The channels were listed, so it is known which ones do not exist.
    Channels,
    /// A promotion: project, name, and, if it could be decoded, what it is about.
    Promotion {
        /// Its project.
        project: ProjectName,
        /// Its name.
        name: String,
        /// Its release.
        release: Option<ReleaseName>,
        /// Its environment.
        environment: Option<EnvironmentName>,
        /// Its application; empty while it is unknown.
        application: Option<ApplicationName>,
        /// Its UID, when it is gone.
        gone: Option<String>,
    },
    /// An approval: project and name, and, if it could be decoded, its release and environment.
    Approval {
        /// Its project.
        project: ProjectName,
        /// Its name.
        name: String,
        /// Its release.
        release: Option<ReleaseName>,
        /// Its environment.
        environment: Option<EnvironmentName>,
    },
    /// A recall: project and name, and, if it could be decoded, its application and digests.
    Recall {
        /// Its project.
        project: ProjectName,
        /// Its name.
        name: String,
        /// Its application.
        application: Option<ApplicationName>,
        /// The recalled digests.
        digests: Vec<String>,
        /// Whether it is new, is being deleted, is gone, or cannot be decoded.
        is_news: bool,
    },
    /// A review: project, and its release if it could be decoded.
    Review(ProjectName, Option<ReleaseName>),
    /// A freeze of this project, or of all projects.
    Freeze(Option<ProjectName>),
    /// An admission policy.
    Admission,
    /// A namespace.
    Namespace(Location),
    /// A workload, pod or Job in this target.
    Workload(Location),
    /// The fields of a workload in this target have to be compared with what Towpath wrote.
    Fields(Location),
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

/// The project of an object, and its name. The project of a cluster-scoped object is empty.
pub(super) fn key<K: Watched>(delta: &Delta<K>) -> Option<(ProjectName, String)> {
    if let Delta::Undecodable { new } | Delta::UndecodableGone { old: new } = delta {
        return Some((new.namespace.as_str().into(), new.name.clone()));
    }
    let (namespace, name) = object(delta)?.key();
    Some((namespace.into(), name.to_owned()))
}
