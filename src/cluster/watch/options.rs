//! The settings of a watch.

use std::time::Duration;

/// Timeouts, pauses and the page size of a watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchOptions {
    /// Seconds after which the API server ends one watch request; a bookmark comes shortly before.
    pub server_timeout: u32,
    /// A stream that was silent this long is restarted.
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
