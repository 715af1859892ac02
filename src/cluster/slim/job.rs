//! Jobs: tests and hooks.

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::condition;
use super::condition::Condition;
use super::meta::Meta;
use super::text::{Time, Word, or_default};
use super::wire::slim;

/// A Job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Job {
    pub metadata: Meta,
    #[serde(deserialize_with = "or_default")]
    pub spec: JobSpec,
    #[serde(deserialize_with = "or_default")]
    status: JobStatus,
}

/// The spec of a Job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobSpec {
    pub active_deadline_seconds: Option<i64>,
    /// Whether it is suspended: it has no pods.
    #[serde(deserialize_with = "or_default")]
    pub suspend: bool,
    /// How many failures of its pods are retried.
    #[serde(deserialize_with = "or_default")]
    pub backoff_limit: i64,
    /// Whether the kubelet restarts the containers of its pods after an error, instead of the pod failing.
    #[serde(rename = "template", deserialize_with = "restarts_on_failure")]
    pub restarts_on_failure: bool,
    /// The controller that it names instead of the Job controller; empty if it names none.
    #[serde(deserialize_with = "or_default")]
    pub managed_by: Word,
}

/// The status of a Job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JobStatus {
    #[serde(deserialize_with = "conditions")]
    conditions: Box<[Condition]>,
    start_time: Time,
    active: i32,
    succeeded: i32,
    failed: i32,
}

impl Job {
    /// The condition of this type.
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        condition::find(&self.status.conditions, type_)
    }

    /// Since when its controller runs it.
    pub fn started(&self) -> Option<Timestamp> {
        self.status.start_time.get()
    }

    /// Whether its controller has created a pod for it at some time.
    pub fn had_pods(&self) -> bool {
        self.status.active > 0 || self.status.succeeded > 0 || self.status.failed > 0
    }

    /// Whether its controller has counted a pod whose containers all ended with 0.
    pub fn has_succeeded(&self) -> bool {
        self.status.succeeded > 0
    }

    /// Whether it completed.
    pub fn is_complete(&self) -> bool {
        self.status.conditions.iter().any(|condition| condition.is_true("Complete"))
    }

    /// Whether it failed.
    pub fn is_failed(&self) -> bool {
        self.status.conditions.iter().any(|condition| condition.is_true("Failed"))
    }

    /// Whether its retries are used up. Its controller says so before the last pod has stopped, and ends the Job after that.
    pub fn is_out_of_retries(&self) -> bool {
        let ends = |it: &Condition| it.is_true("Failed") || it.is_true("FailureTarget");
        self.status.conditions.iter().any(|it| ends(it) && it.reason == "BackoffLimitExceeded")
    }
}

fn restarts_on_failure<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Template {
        #[serde(deserialize_with = "or_default")]
        spec: PodSpec,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct PodSpec {
        #[serde(deserialize_with = "or_default")]
        restart_policy: Word,
    }
    or_default(deserializer).map(|template: Template| template.spec.restart_policy == "OnFailure")
}

fn conditions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[Condition]>, D::Error> {
    or_default(deserializer).map(condition::trimmed)
}

slim!(Job: "batch" "v1" "Job" "jobs" NamespaceResourceScope);
