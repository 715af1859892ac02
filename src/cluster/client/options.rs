//! How much of the API server one process uses, and how long it waits for it.

use std::time::Duration;

/// The bounds of the client stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// Longest wait for the whole answer of one call; a watch only has to open in this time.
    pub deadline: Duration,
    /// Longest wait for a TCP connection.
    pub connect_timeout: Duration,
    /// Reads in flight; watches apart.
    pub reads: usize,
    /// Writes in flight, dry-runs included. Eight saturate an API server on two cores.
    pub writes: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            reads: 32,
            writes: 8,
        }
    }
}
