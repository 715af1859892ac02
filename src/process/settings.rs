//! The settings of one controller process. Plain data; the command line fills it in.
//!
//! Invariant: a setting is read from here and nowhere else, and never changes while the process runs. The command
//! line has the defaults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::cluster::{ClientOptions, Scope};

/// The settings of one controller process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Name of the Lease that replicas compete for.
    pub lease_name: String,
    /// Namespace of that Lease.
    pub lease_namespace: String,
    /// How long a leader that does not renew stays leader.
    pub lease_duration: Duration,
    /// How often the leader renews.
    pub lease_renewal: Duration,
    /// Name of this replica, as shown in the Lease and in Events (the pod's name).
    pub replica: String,
    /// The projects that are served, and whether the admission policies are installed.
    pub scope: Scope,
    /// Address of the probes and metrics.
    pub listen: SocketAddr,
    /// Maximum number of concurrent reconciles.
    pub concurrency: usize,
    /// The folder with the credentials of check providers.
    pub credentials: PathBuf,
    /// The limits of the client stack.
    pub client: ClientOptions,
}
