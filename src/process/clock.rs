//! The clock of the process as a handle, so that time is an argument.
//!
//! Invariant: a reconcile reads the clock once. It shows the time of the API server, so that times in objects can be compared with it.

use crate::cluster::ServerTime;
use jiff::Timestamp;

/// Reads the time.
#[derive(Clone, Debug)]
pub struct Clock(ServerTime);

impl Clock {
    /// A clock that shows the time of the API server.
    pub fn of(server: ServerTime) -> Self {
        Self(server)
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }
}
