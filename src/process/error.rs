//! Failures of the process itself.

/// A failure of the probe and metrics server.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// Its address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Listen { address: std::net::SocketAddr, source: std::io::Error },
    /// It stopped.
    #[error("the probe and metrics server stopped: {0}")]
    Serve(#[source] std::io::Error),
}
