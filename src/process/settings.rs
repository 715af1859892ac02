//! Everything about one controller process that its operator can set. Plain data; the command line fills it in.
//!
//! Invariant: a setting is read from here and nowhere else, and never changes while the process runs. Defaults are those of the
//! command line: there is no second set of them here.

use std::net::SocketAddr;
use std::time::Duration;

use crate::cluster::{ClientOptions, Scope};

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
    /// The projects that are served, and whether the admission policies are installed.
    pub scope: Scope,
    /// Address of the probes and metrics.
    pub listen: SocketAddr,
    /// Reconciles that may run at the same time.
    pub concurrency: usize,
    /// The bounds of the client stack.
    pub client: ClientOptions,
}
