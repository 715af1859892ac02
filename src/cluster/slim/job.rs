//! Jobs: tests and hooks.

use serde::{Deserialize, Deserializer};

use super::condition;
use super::condition::Condition;
use super::meta::Meta;
use super::text::{Moment, or_default};
use super::wire::slim;

/// A Job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Job {
    pub metadata: Meta,
    #[serde(deserialize_with = "or_default")]
    pub spec: JobSpec,
    #[serde(deserialize_with = "or_default")]
    pub status: JobStatus,
}

/// What a Job should do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobSpec {
    pub completions: Option<i32>,
    pub backoff_limit: Option<i32>,
    pub suspend: bool,
}

/// How far a Job is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JobStatus {
    pub active: i32,
    pub succeeded: i32,
    pub failed: i32,
    pub start_time: Moment,
    pub completion_time: Moment,
    #[serde(deserialize_with = "conditions")]
    pub conditions: Box<[Condition]>,
}

impl Job {
    /// The condition of this type.
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        condition::find(&self.status.conditions, type_)
    }

    /// Whether it ended well.
    pub fn is_complete(&self) -> bool {
        self.status.conditions.iter().any(|condition| condition.is_true("Complete"))
    }

    /// Whether it ended badly.
    pub fn is_failed(&self) -> bool {
        self.status.conditions.iter().any(|condition| condition.is_true("Failed"))
    }
}

fn conditions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[Condition]>, D::Error> {
    or_default(deserializer).map(condition::kept)
}

slim!(Job: "batch" "v1" "Job" "jobs" NamespaceResourceScope);
