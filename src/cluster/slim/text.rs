//! Compact strings and times: words that recur in every object need no allocation, messages are truncated.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

/// Maximum characters of a message.
const MESSAGE: usize = 512;

/// Words that the control plane writes in many objects; sorted, for the binary search.
const KNOWN: &[&str] = &[
    "",
    "Available",
    "Complete",
    "Completed",
    "ContainerCreating",
    "ContainersNotReady",
    "ContainersReady",
    "CrashLoopBackOff",
    "DaemonSet",
    "Deployment",
    "ErrImagePull",
    "Error",
    "Failed",
    "ImagePullBackOff",
    "Initialized",
    "Job",
    "MinimumReplicasAvailable",
    "MinimumReplicasUnavailable",
    "NewReplicaSetAvailable",
    "NewReplicaSetCreated",
    "Node",
    "OOMKilled",
    "OnDelete",
    "PodInitializing",
    "PodReadyToStartContainers",
    "PodScheduled",
    "ProgressDeadlineExceeded",
    "Progressing",
    "Ready",
    "ReplicaFailure",
    "ReplicaSet",
    "ReplicaSetUpdated",
    "StatefulSet",
    "SuccessCriteriaMet",
    "Unschedulable",
];

/// A word of the API, such as a reason. Those of [`KNOWN`] need no allocation.
#[derive(Clone)]
pub struct Word(Spelling);

/// Sixteen bytes, where a `Cow` takes 24.
#[derive(Clone)]
enum Spelling {
    Known(u8),
    Own(Box<str>),
}

impl Word {
    /// The word as text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Spelling::Known(index) => KNOWN[usize::from(*index)],
            Spelling::Own(word) => word,
        }
    }
}

impl Default for Word {
    fn default() -> Self {
        Self::from("")
    }
}

impl From<&str> for Word {
    fn from(word: &str) -> Self {
        match KNOWN.binary_search(&word).map(u8::try_from) {
            Ok(Ok(index)) => Self(Spelling::Known(index)),
            Ok(Err(_)) | Err(_) => Self(Spelling::Own(cut(word).into())),
        }
    }
}

impl PartialEq for Word {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Word {}

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq<str> for Word {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Word {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Option::<Cow<'de, str>>::deserialize(deserializer)?;
        Ok(word.as_deref().map(Self::from).unwrap_or_default())
    }
}

/// A time of the API in eight bytes: whole seconds, as `metav1.Time` has them, or none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Time(i64);

impl Time {
    const NONE: i64 = i64::MIN;

    /// The time, if there is one.
    pub fn get(self) -> Option<Timestamp> {
        Timestamp::from_second(self.0).ok()
    }
}

impl Default for Time {
    fn default() -> Self {
        Self(Self::NONE)
    }
}

impl From<Timestamp> for Time {
    fn from(timestamp: Timestamp) -> Self {
        Self(timestamp.as_second())
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Timestamp>::deserialize(deserializer)?.map(Self::from).unwrap_or_default())
    }
}

/// Decodes a message: truncates it to 512 characters, and reads `null` as the empty message.
pub(super) fn message<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<str>, D::Error> {
    let message = Option::<Cow<'de, str>>::deserialize(deserializer)?;
    Ok(message.as_deref().map(cut).unwrap_or_default().into())
}

/// Decodes a list or struct that the API may send as `null`.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

pub(super) fn cut(text: &str) -> &str {
    match text.char_indices().nth(MESSAGE) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_words_are_found_and_borrowed() {
        assert!(KNOWN.is_sorted());
        assert!(KNOWN.iter().all(|word| matches!(Word::from(*word).0, Spelling::Known(_))));
        assert_eq!(Word::from("SomethingElse"), "SomethingElse");
        assert_eq!(size_of::<Word>(), 16);
    }

    #[test]
    fn a_time_is_read_or_absent() {
        let read = |text: &str| serde_json::from_str::<Time>(text).unwrap().get();
        assert_eq!(read("\"2026-11-23T01:00:00Z\""), Some("2026-11-23T01:00:00Z".parse().unwrap()));
        assert_eq!(read("null"), None);
        assert_eq!(Time::default().get(), None);
    }
}
