//! What the checks of a promotion have measured, as far as this process knows.

use crate::api::Verdict;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// When something is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before the first write.
    Before,
    /// After the rollout.
    During,
}

/// The measurements of all checks of a promotion, by phase and name of the check.
pub type Measurements = BTreeMap<(Phase, String), Measured>;

/// The measurements of one check.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// When the measurement that is being taken was started.
    pub asked: Option<Timestamp>,
    /// An answer that has not been assessed yet.
    pub answer: Option<Answered>,
    /// What was assessed before.
    pub tally: Option<Tally>,
}

/// An answer, and when it came.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// When it came.
    pub at: Timestamp,
    /// The answer, or why there is none.
    pub answer: Result<Answer, Unmeasured>,
}

/// Why nothing could be measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unmeasured {
    /// A sentence, without credentials.
    pub message: String,
    /// Whether the provider was asked and refused the question itself, such as a query with a wrong syntax.
    pub refused: bool,
    /// How long the provider asks to wait.
    pub retry_after: Option<SignedDuration>,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Of a query.
    Query(Queried),
    /// Of the alerts.
    Alerts(Alerts),
    /// Of HTTP requests, one for each address.
    Http(Vec<Replied>),
    /// The objects.
    Objects(Vec<Arc<Value>>),
}

/// The result of a Prometheus query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Queried {
    /// Its series: labels as text, and the value.
    pub series: Vec<(String, f64)>,
    /// Warnings of Prometheus.
    pub warnings: Vec<String>,
    /// The number of samples, if it was asked for; none if that query has no single result.
    pub samples: Option<Option<f64>>,
}

/// The labels of an alert.
pub type Labels = BTreeMap<String, String>;

/// What a Prometheus says about alerts since a promotion started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alerts {
    /// Whether Prometheus scraped anything just before the promotion started.
    pub before: bool,
    /// Whether it scrapes anything now.
    pub now: bool,
    /// Alerts that were active just before it started.
    pub old: Vec<Labels>,
    /// Alerts that became active since.
    pub active: Vec<Labels>,
    /// Alerts that were firing at any time since.
    pub firing: Vec<Labels>,
    /// Alerts that are pending now.
    pub pending: Vec<Labels>,
    /// Alerting rules that can have the labels.
    pub rules: usize,
    /// Those of them that Prometheus cannot evaluate, or has not evaluated since the rollout.
    pub unevaluated: Vec<String>,
    /// The result of the evidence query, if there is one; none if it has no single result.
    pub evidence: Option<Option<f64>>,
    /// Warnings of Prometheus.
    pub warnings: Vec<String>,
}

/// The answer to an HTTP request, or why a pod did not answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replied {
    /// The provider or pod that was asked.
    pub from: String,
    /// Name of the pod, if one was asked.
    pub pod: Option<String>,
    /// Why there is no answer.
    pub silent: Option<String>,
    /// Status.
    pub status: u16,
    /// Headers, by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// How long the server asks to wait.
    pub retry_after: Option<SignedDuration>,
    /// The body, if it is JSON.
    pub json: Option<Arc<Value>>,
    /// The time to the end of the answer, in milliseconds. Without an answer, how long it was waited for after the pod had accepted the connection.
    pub milliseconds: u64,
}

/// Counts of assessed measurements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Passing measurements that this process took.
    pub passed: u32,
    /// Passing and inconclusive measurements that this process took.
    pub taken: u32,
    /// Failing measurements.
    pub failed: u32,
    /// Failing measurements in a row.
    pub failed_in_a_row: u32,
    /// Measurements in a row that could not be taken.
    pub errored_in_a_row: u32,
    /// Measurements that said nothing since the last one that passed.
    pub silent: u32,
    /// Whether the last measurement was taken while the promotion could not end for another reason, such as a test that runs or a
    /// Deployment that is paused.
    pub held: bool,
    /// Names, UIDs and resource versions of the objects that were read last.
    pub versions: Option<String>,
    /// How many times in a row the same versions were read again.
    pub unchanged: u32,
    /// The last measurement.
    pub last: Option<Assessed>,
}

/// One measurement, assessed.
#[derive(Clone, Debug, PartialEq)]
pub struct Assessed {
    /// When it was taken.
    pub at: Timestamp,
    /// What it says.
    pub verdict: Verdict,
    /// The measured value.
    pub value: Option<String>,
    /// The result in a sentence.
    pub message: String,
    /// Whether the provider refused the question itself.
    pub refused: bool,
    /// When the provider may be asked again, if it said so.
    pub retry_at: Option<Timestamp>,
}
