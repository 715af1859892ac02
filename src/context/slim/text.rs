//! Short strings: words that recur in every object cost nothing, messages are cut.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Deserializer};

/// Most characters that are kept of a message.
const MESSAGE: usize = 512;

/// Words that the control plane writes over and over; sorted, for the search.
const KNOWN: &[&str] = &[
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

/// A word of the API, such as a reason. Those that recur take no memory of their own.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word(Cow<'static, str>);

impl Word {
    /// The word as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Word {
    fn from(word: &str) -> Self {
        match KNOWN.binary_search(&word) {
            Ok(known) => Self(Cow::Borrowed(KNOWN[known])),
            Err(_) => Self(Cow::Owned(cut(word).to_owned())),
        }
    }
}

impl Deref for Word {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Word {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<&str> for Word {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Option::<Cow<'de, str>>::deserialize(deserializer)?;
        Ok(word.as_deref().map(Self::from).unwrap_or_default())
    }
}

/// For messages: at most 512 characters are kept, and `null` is the empty message.
pub(super) fn message<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<str>, D::Error> {
    let message = Option::<Cow<'de, str>>::deserialize(deserializer)?;
    Ok(message.as_deref().map(cut).unwrap_or_default().into())
}

/// For lists and structs that the API may send as `null`.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn cut(text: &str) -> &str {
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
        assert!(KNOWN.iter().all(|word| matches!(Word::from(*word).0, Cow::Borrowed(_))));
        assert_eq!(Word::from("SomethingElse"), "SomethingElse");
    }
}
