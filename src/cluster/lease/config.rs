//! The settings of leader election.

use std::time::Duration;

use crate::cluster::error::ClusterError;

/// The settings of one candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseConfig {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// Identity of this candidate: different for every process, restarts included. See [`unique_identity`].
    pub identity: String,
    /// How long a leader that does not renew stays leader; whole seconds.
    pub duration: Duration,
    /// How often the leader renews; less than half of `duration`.
    pub renewal: Duration,
}

impl LeaseConfig {
    pub(super) fn validate(&self) -> Result<(), ClusterError> {
        if self.identity.is_empty() || self.name.is_empty() || self.namespace.is_empty() {
            return Err(ClusterError::InvalidLease("identity, name and namespace must not be empty"));
        }
        if self.duration < Duration::from_secs(1) || self.duration.subsec_nanos() != 0 {
            return Err(ClusterError::InvalidLease("the duration must be whole seconds, at least one"));
        }
        if self.renewal.is_zero() || self.renewal * 2 >= self.duration {
            return Err(ClusterError::InvalidLease("the renewal must be less than half of the duration"));
        }
        Ok(())
    }

    /// How long after the request of a renewal the leader may start writes.
    pub(super) fn renew_deadline(&self) -> Duration {
        self.duration * 2 / 3
    }

    /// How long one request may take, so that a renewal that hangs can be retried once.
    pub(super) fn request_timeout(&self) -> Duration {
        (self.renew_deadline() - self.renewal) / 2
    }

    pub(super) fn duration_seconds(&self) -> i32 {
        i32::try_from(self.duration.as_secs()).unwrap_or(i32::MAX)
    }
}
