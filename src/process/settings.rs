//! Everything about one controller process that its operator can set. Plain data; the command line fills it in.
//!
//! Invariant: a setting is read from here and nowhere else, and never changes while the process runs. Defaults are those of the
//! command line: there is no second set of them here.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::cluster::client::ClientOptions;

/// The settings of one controller process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name of the Lease that replicas compete for.
    pub lease_name: String,
    /// Namespace of that Lease.
    pub lease_namespace: String,
    /// How long a silent leader keeps its place.
    pub lease_duration: Duration,
    /// How often the leader renews.
    pub lease_renewal: Duration,
    /// Name of this replica, as shown in the Lease and in Events (the pod's name).
    pub replica: String,
    /// Only these project namespaces are served; all when `None`.
    pub projects: Option<BTreeSet<String>>,
    /// Address of the probes and metrics.
    pub listen: SocketAddr,
    /// Reconciles that may run at the same time.
    pub concurrency: usize,
    /// The bounds of the client stack.
    pub client: ClientOptions,
    /// Whether the chart's admission policies are installed. Without them approvals and overrides are not to be had.
    pub admission: bool,
}

impl Settings {
    /// Whether the project namespace is one that this process serves.
    pub fn serves(&self, project: &str) -> bool {
        self.projects.as_ref().is_none_or(|projects| projects.contains(project))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_every_project_is_served() {
        let all = Settings {
            lease_name: "towpath".to_owned(),
            lease_namespace: "towpath-system".to_owned(),
            lease_duration: Duration::from_secs(15),
            lease_renewal: Duration::from_secs(5),
            replica: "towpath".to_owned(),
            projects: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            concurrency: 1,
            client: ClientOptions::default(),
            admission: true,
        };
        assert!(all.serves("shop"));
        let some = Settings { projects: Some(BTreeSet::from(["shop".to_owned()])), ..all };
        assert!(some.serves("shop") && !some.serves("other"));
    }
}
