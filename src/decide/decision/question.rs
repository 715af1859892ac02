//! What a measurement asks. Everything that a spec leaves open is resolved: a question is asked as it is.

use core::net::SocketAddr;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::fmt;

/// What a measurement asks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// The result of a Prometheus query.
    Query {
        /// Name of the CheckProvider.
        provider: String,
        /// The query.
        query: String,
        /// The query for the number of samples.
        samples: Option<String>,
        /// How old a sample may be.
        lookback: SignedDuration,
    },
    /// The alerts that became active since a time.
    Alerts {
        /// Name of the CheckProvider.
        provider: String,
        /// Labels of the alerts.
        labels: BTreeMap<String, String>,
        /// When the promotion started.
        since: Timestamp,
        /// What was active at this time is not of the release: the start of the promotion, or of the first one of this release since the last
        /// verified revision.
        known_before: Timestamp,
        /// When everything was rolled out.
        rolled_out: Timestamp,
        /// The query that has to be greater than 0.
        evidence: Option<String>,
        /// How old a sample may be.
        lookback: SignedDuration,
    },
    /// A GET request to a provider.
    Provider {
        /// Name of the CheckProvider.
        provider: String,
        /// Path and query.
        path: String,
    },
    /// A GET request to each of these pods.
    Pods {
        /// Name and address of each.
        pods: BTreeMap<String, SocketAddr>,
        /// Path and query.
        path: String,
    },
    /// Objects of the target namespace.
    Objects {
        /// Their API version.
        api_version: String,
        /// Their kind.
        kind: String,
        /// Which of them.
        which: Which,
    },
}

/// Which objects of a kind are asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// The one of this name.
    Named(String),
    /// All with these labels.
    Labelled(BTreeMap<String, String>),
}

impl fmt::Display for Question {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |labels: &BTreeMap<String, String>| {
            labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::Query { query, .. } => write!(out, "{query}"),
            Self::Alerts { labels, .. } => write!(out, "alerts with {}", joined(labels)),
            Self::Provider { provider, path } => write!(out, "GET {path} of {provider}"),
            Self::Pods { pods, path } => write!(out, "GET {path} of {} pods", pods.len()),
            Self::Objects { kind, which: Which::Named(name), .. } => write!(out, "{kind} {name}"),
            Self::Objects { kind, which: Which::Labelled(labels), .. } => {
                write!(out, "{kind} with {}", joined(labels))
            }
        }
    }
}
