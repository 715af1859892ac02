//! Conditions, the same shape on every kind.

use serde::Deserialize;

use super::text::{Time, Word, message};

/// Conditions whose message is dropped while they are true.
const PLAIN_WHEN_TRUE: &[&str] = &[
    "Available",
    "ContainersReady",
    "Initialized",
    "PodReadyToStartContainers",
    "PodScheduled",
    "Progressing",
    "Ready",
];

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum ConditionStatus {
    True,
    False,
    /// Also any unknown status.
    #[default]
    #[serde(other)]
    Unknown,
}

/// One condition of a status.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// Its type.
    #[serde(rename = "type")]
    pub type_: Word,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why: one word.
    pub reason: Word,
    /// Details, at most 512 characters; empty on the usual conditions while they are true.
    #[serde(deserialize_with = "message")]
    pub message: Box<str>,
    /// When the status changed last.
    pub last_transition_time: Time,
    /// When the condition of a Deployment was written last: the time of its last progress.
    pub last_update_time: Time,
}

impl Condition {
    /// Whether it has this type and is true.
    pub fn is_true(&self, type_: &str) -> bool {
        self.type_ == type_ && self.status == ConditionStatus::True
    }
}

/// The condition of this type.
pub(super) fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Drops the messages that no code reads.
pub(super) fn trimmed(conditions: Vec<Condition>) -> Box<[Condition]> {
    let conditions = conditions.into_iter().map(|mut condition| {
        if condition.status == ConditionStatus::True && PLAIN_WHEN_TRUE.contains(&condition.type_.as_str()) {
            condition.message = Box::default();
        }
        condition
    });
    conditions.collect()
}
