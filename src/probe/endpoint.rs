//! Whom checks ask, and what is answered.

use super::address::Allowed;
use super::credentials::Auth;
use super::error::ProbeError;
use super::tls::TlsFiles;
use bytes::Bytes;
use http::header::RETRY_AFTER;
use std::collections::BTreeMap;
use std::time::Duration;

/// The longest wait that a server can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(600);
/// The longest text of an error answer.
const SAID: usize = 300;

/// A server that checks may ask.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Its name, for the rate limit.
    pub name: String,
    /// URL with an optional path prefix.
    pub url: String,
    /// Ranges that may be dialled although they are refused otherwise.
    pub allowed: Allowed,
    /// Files for TLS.
    pub tls: TlsFiles,
    /// How to authenticate.
    pub auth: Option<Auth>,
    /// Headers of every request.
    pub headers: BTreeMap<String, String>,
    /// Requests per second.
    pub rate: usize,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// Headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: Bytes,
    /// The time to the end of the body.
    pub took: Duration,
}

impl Reply {
    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds = self.headers.get(RETRY_AFTER.as_str())?.parse().ok()?;
        Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
    }

    /// The error that an answer with another status is.
    pub fn error(&self, host: &str, refused: bool, message: &str) -> ProbeError {
        ProbeError::Status {
            host: host.to_owned(),
            status: self.status,
            message: message.chars().take(SAID).collect(),
            refused,
            retry_after: self.retry_after(),
        }
    }
}
