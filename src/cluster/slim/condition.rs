//! Conditions, the same shape on every kind.

use serde::Deserialize;

use super::text::{Time, Word, message};

/// Conditions whose being true says all there is to say: their message is dropped.
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
    /// Also any word that is neither of the others.
    #[default]
    #[serde(other)]
    Unknown,
}

/// One condition of a status.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub type_: Word,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Why, in a word.
    pub reason: Word,
    /// Why, in a sentence of at most 512 characters; empty on the usual conditions while all is well.
    #[serde(deserialize_with = "message")]
    pub message: Box<str>,
    /// When the status changed last.
    pub last_transition_time: Time,
    /// When a Deployment's condition was written last: the time of its last progress.
    pub last_update_time: Time,
}

impl Condition {
    /// Whether it says `type_` and holds.
    pub fn is_true(&self, type_: &str) -> bool {
        self.type_ == type_ && self.status == ConditionStatus::True
    }
}

/// The condition of this type.
pub(super) fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Conditions without the messages that nobody reads.
pub(super) fn trimmed(conditions: Vec<Condition>) -> Box<[Condition]> {
    let conditions = conditions.into_iter().map(|mut condition| {
        if condition.status == ConditionStatus::True && PLAIN_WHEN_TRUE.contains(&condition.type_.as_str()) {
            condition.message = Box::default();
        }
        condition
    });
    conditions.collect()
}
