//! Why a request got no answer.

use std::time::Duration;

/// Why a request got no answer. No variant holds a credential.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProbeError {
    /// The address is no URL that can be asked.
    #[error("{0} is not an address that can be asked")]
    Url(String),
    /// A header of the provider is not valid.
    #[error("header {0} is not valid")]
    Header(String),
    /// A file of the credentials folder cannot be used.
    #[error("the credentials file {file} cannot be used: {why}")]
    File {
        /// Its path below the folder.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The name has no address.
    #[error("{0} cannot be resolved")]
    Resolve(String),
    /// Every address of the name is refused.
    #[error("{} that is not asked unless spec.allowAddresses lists it", address_of(.host, .address))]
    Address {
        /// The name.
        host: String,
        /// Its first address.
        address: String,
    },
    /// The rate limit left no room.
    #[error("{provider} was not asked: its spec.rateLimit of {limit} requests per second left no room within {} s", .within.as_secs())]
    Rate {
        /// The provider.
        provider: String,
        /// Requests per second.
        limit: usize,
        /// How long it was waited for.
        within: Duration,
    },
    /// No connection.
    #[error("cannot connect to {host}: {why}")]
    Connect {
        /// The name.
        host: String,
        /// Why.
        why: String,
    },
    /// No TLS connection.
    #[error("no TLS connection to {host}: {why}")]
    Tls {
        /// The name.
        host: String,
        /// Why.
        why: String,
    },
    /// The server did not answer in time.
    #[error("{host} does not answer within {} s", .after.as_secs())]
    Timeout {
        /// The name.
        host: String,
        /// The time.
        after: Duration,
        /// Whether it accepted the connection.
        connected: bool,
    },
    /// The server ended the connection, or does not speak HTTP.
    #[error("{host} sends no valid answer: {why}")]
    Protocol {
        /// The name.
        host: String,
        /// Why.
        why: String,
    },
    /// The answer is too large.
    #[error("the answer of {host} is larger than {limit} bytes")]
    TooLarge {
        /// The name.
        host: String,
        /// The limit.
        limit: usize,
    },
    /// The answers of pods that are asked together are too large.
    #[error(
        "the answers of the pods are larger than {limit} bytes together; ask for a path with a shorter answer"
    )]
    TooLargeTogether {
        /// The limit.
        limit: usize,
    },
    /// The server answers with an error.
    #[error("{host} answers {status}: {message}")]
    Status {
        /// The name.
        host: String,
        /// Status.
        status: u16,
        /// What it says, cut.
        message: String,
        /// Whether it refuses the question itself, such as a query with a wrong syntax.
        refused: bool,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    /// A mail server refuses a command or a mail.
    #[error("{host} does not accept the mail: {message}")]
    Mail {
        /// The name.
        host: String,
        /// What it says, cut.
        message: String,
        /// Whether it refuses it permanently.
        refused: bool,
    },
    /// A mail server offers no TLS.
    #[error("{host} offers no STARTTLS; nothing was sent, because spec.smtp.security is StartTls")]
    NoStartTls {
        /// The name.
        host: String,
    },
    /// The answer is not what Prometheus answers.
    #[error("{host} does not answer like a Prometheus: {why}")]
    Format {
        /// The name.
        host: String,
        /// What is wrong.
        why: String,
    },
}

/// A name and its address, unless the name is the address.
fn address_of(host: &str, address: &str) -> String {
    match host == address {
        true => format!("{address} is an address"),
        false => format!("{host} is {address}, an address"),
    }
}

impl ProbeError {
    /// Whether the server refuses the question itself: asking again does not help.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Status { refused: true, .. } | Self::Mail { refused: true, .. })
    }

    /// How long a server that accepted the connection was waited for in vain.
    pub fn latency(&self) -> Option<Duration> {
        let Self::Timeout { after, connected: true, .. } = self else { return None };
        Some(*after)
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Status { retry_after, .. } = self else { return None };
        *retry_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_named_once() {
        let shown =
            |host: &str| ProbeError::Address { host: host.into(), address: "127.0.0.1".into() }.to_string();
        let rule = "that is not asked unless spec.allowAddresses lists it";
        assert_eq!(shown("localhost"), format!("localhost is 127.0.0.1, an address {rule}"));
        assert_eq!(shown("127.0.0.1"), format!("127.0.0.1 is an address {rule}"));
    }
}
