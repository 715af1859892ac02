//! Read your own writes: the version of an object that this process wrote last, so that no decision uses an older view.
//!
//! Invariant: an object is stale exactly while a write of this process is newer than what the watch has shown. An entry
//! is removed once the view has caught up, so only recent writes take memory. resourceVersions are decimal
//! numbers that can be compared (<https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>,
//! since 1.35), without leading zeros: the longer one is newer; of the same length, the greater one.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Kind, namespace and name of an object.
type Key = (&'static str, Box<str>, Box<str>);

/// Versions that this process wrote and the watches have not shown yet. Cloned handles share them.
#[derive(Debug, Clone, Default)]
pub struct Versions(Arc<Mutex<BTreeMap<Key, Box<str>>>>);

impl Versions {
    /// Without writes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The API server answered a write of this process with this version.
    pub fn wrote(&self, kind: &'static str, namespace: &str, name: &str, version: &str) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = written.entry((kind, namespace.into(), name.into())).or_default();
        if compare(entry, version) == Ordering::Less {
            *entry = version.into();
        }
    }

    /// Whether a view of the object at the version `seen` is older than the last write of this process. `seen` is empty if
    /// the view does not contain the object.
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

    /// The object is gone: the watches will not show the writes to it.
    pub fn forget(&self, kind: &'static str, namespace: &str, name: &str) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.remove(&(kind, namespace.into(), name.into()));
    }

    /// Forgets every write, at the start of a term: only views read after it count.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Orders two resourceVersions; the empty one is lowest.
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
