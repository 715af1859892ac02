//! How patient a watch is.

use std::time::Duration;

/// How a watch is kept alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchOptions {
    /// Seconds after which the API server ends one watch request; a bookmark comes shortly before.
    pub server_timeout: u32,
    /// A stream without any sign of life for so long is built anew.
    pub silence: Duration,
    /// Objects per page of a list.
    pub page_size: u32,
    /// First pause after an error.
    pub first_pause: Duration,
    /// Longest pause after an error.
    pub longest_pause: Duration,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            server_timeout: 50,
            silence: Duration::from_secs(60),
            page_size: 100,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
        }
    }
}
