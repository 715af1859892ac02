//! A bounded cache. Losing an entry costs a repetition, never correctness.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A bounded map that clones share. Beyond the limit the entry with the smallest key is removed.
#[derive(Debug)]
pub struct Cache<K, V> {
    entries: Arc<Mutex<BTreeMap<K, V>>>,
    limit: usize,
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self { entries: Arc::clone(&self.entries), limit: self.limit }
    }
}

impl<K: Ord + Clone, V: Clone> Cache<K, V> {
    /// An empty cache of at most `limit` entries.
    pub fn new(limit: usize) -> Self {
        Self { entries: Arc::default(), limit }
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<V> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// Adds or replaces a value.
    pub fn insert(&self, key: K, value: V) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= self.limit && !entries.contains_key(&key) {
            entries.pop_first();
        }
        entries.insert(key, value);
    }

    /// Changes the value of a key, or its default.
    pub fn update(&self, key: K, change: impl FnOnce(&mut V))
    where
        V: Default,
    {
        let mut value = self.get(&key).unwrap_or_default();
        change(&mut value);
        self.insert(key, value);
    }

    /// Removes a key.
    pub fn remove(&self, key: &K) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
