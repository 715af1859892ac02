//! Read your own writes: which version of an object this process wrote last, so that nobody decides on an older view.
//!
//! Invariant: an object is stale exactly while a write of ours is newer than what the watch has shown. An entry goes
//! once the view has caught up, so the memory holds writes in flight, not the history. resourceVersions are decimal
//! numbers that may be compared (<https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>,
//! since 1.35), without leading zeros: the longer is the newer, of equal length the greater.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Which object: kind, namespace, name.
type Key = (&'static str, Box<str>, Box<str>);

/// The versions that this process wrote and has not seen yet. Cloned handles share them.
#[derive(Debug, Clone, Default)]
pub struct Versions(Arc<Mutex<BTreeMap<Key, Box<str>>>>);

impl Versions {
    /// Nothing written yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The API server answered a write of ours with this version.
    pub fn wrote(&self, kind: &'static str, namespace: &str, name: &str, version: &str) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = written.entry((kind, namespace.into(), name.into())).or_default();
        if compare(entry, version) == Ordering::Less {
            *entry = version.into();
        }
    }

    /// Whether a view of the object at `seen` is older than our last write of it. `seen` is empty for an object that
    /// the view does not have.
    pub fn is_stale(&self, kind: &'static str, namespace: &str, name: &str, seen: &str) -> bool {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (kind, namespace.into(), name.into());
        let Some(version) = written.get(&key) else { return false };
        let stale = compare(seen, version) == Ordering::Less;
        if !stale {
            written.remove(&key);
        }
        stale
    }

    /// The object is gone: whatever we wrote to it does not come back.
    pub fn forget(&self, kind: &'static str, namespace: &str, name: &str) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.remove(&(kind, namespace.into(), name.into()));
    }

    /// Forget everything, as at the start of a term: only views read after it count.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Orders two resourceVersions; the empty one comes before all.
pub fn compare(left: &str, right: &str) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.as_bytes().cmp(right.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        for (left, right, expected) in [
            ("9", "10", Ordering::Less),
            ("100", "99", Ordering::Greater),
            ("123", "123", Ordering::Equal),
            ("", "1", Ordering::Less),
            ("18446744073709551616", "18446744073709551615", Ordering::Greater),
        ] {
            assert_eq!(compare(left, right), expected, "{left} {right}");
        }
    }

    #[test]
    fn a_view_is_stale_until_it_shows_our_last_write() {
        let versions = Versions::new();
        assert!(!versions.is_stale("Release", "shop", "web", "5"), "nothing of ours");
        versions.wrote("Release", "shop", "web", "12");
        versions.wrote("Release", "shop", "web", "9");
        assert!(
            versions.is_stale("Release", "shop", "web", "11"),
            "the late answer of an earlier write counts less"
        );
        assert!(versions.is_stale("Release", "shop", "web", ""), "created, not yet seen");
        assert!(!versions.is_stale("Environment", "shop", "web", "1"));
        assert!(!versions.is_stale("Release", "shop", "web", "12"));
        assert!(versions.0.lock().unwrap().is_empty(), "caught up, forgotten");
    }

    #[test]
    fn what_was_deleted_holds_nothing_back() {
        let versions = Versions::new();
        versions.wrote("Release", "shop", "web", "12");
        versions.forget("Release", "shop", "web");
        assert!(!versions.is_stale("Release", "shop", "web", ""));
    }
}
