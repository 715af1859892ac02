//! Limits on the requests of one process.

use std::time::Duration;

/// The limits of the client stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientOptions {
    /// Timeout for the complete answer of one call; for a watch, only until it opens.
    pub deadline: Duration,
    /// Timeout for a TCP connection.
    pub connect_timeout: Duration,
    /// Maximum number of concurrent reads, watches not included.
    pub reads: usize,
    /// Maximum number of concurrent writes, dry-runs included. Eight saturate an API server on two cores.
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
