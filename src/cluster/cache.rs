//! A bounded cache. Losing an entry costs a repetition, never correctness.

use lru::LruCache;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// A bounded map that clones share. Beyond the limit, the entries that were not used for the longest time are removed.
#[derive(Debug)]
pub struct Cache<K: Hash + Eq, V> {
    entries: Arc<Mutex<Entries<K, V>>>,
    limit: usize,
}

#[derive(Debug)]
struct Entries<K: Hash + Eq, V> {
    /// Each value with its weight.
    values: LruCache<K, (V, usize)>,
    weight: usize,
}

impl<K: Hash + Eq, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Self { entries: Arc::clone(&self.entries), limit: self.limit }
    }
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    /// An empty cache of at most `limit` entries, or of entries that weigh as much together.
    pub fn new(limit: usize) -> Self {
        let entries = Entries { values: LruCache::unbounded(), weight: 0 };
        Self { entries: Arc::new(Mutex::new(entries)), limit }
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<V> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.values.get(key).map(|(value, _)| value.clone())
    }

    /// Adds or replaces a value.
    pub fn insert(&self, key: K, value: V) {
        self.insert_weighing(key, value, 1);
    }

    /// Adds or replaces a value. One that weighs more than the limit is cached alone.
    pub fn insert_weighing(&self, key: K, value: V, weight: usize) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let before = entries.values.put(key, (value, weight)).map_or(0, |(_, weight)| weight);
        entries.weight = entries.weight.saturating_add(weight).saturating_sub(before);
        while entries.weight > self.limit && entries.values.len() > 1 {
            let removed = entries.values.pop_lru().map_or(0, |(_, (_, weight))| weight);
            entries.weight = entries.weight.saturating_sub(removed);
        }
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
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let removed = entries.values.pop(key).map_or(0, |(_, weight)| weight);
        entries.weight = entries.weight.saturating_sub(removed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_the_longest_time_makes_room() {
        let cache = Cache::new(2);
        cache.insert("b", 1);
        cache.insert("a", 2);
        assert_eq!(cache.get(&"b"), Some(1));
        cache.insert("c", 3);
        assert_eq!((cache.get(&"a"), cache.get(&"b"), cache.get(&"c")), (None, Some(1), Some(3)));
        cache.remove(&"b");
        cache.insert("d", 4);
        assert_eq!((cache.get(&"c"), cache.get(&"d")), (Some(3), Some(4)));
    }

    #[test]
    fn entries_together_weigh_no_more_than_the_limit() {
        let cache = Cache::new(10);
        cache.insert_weighing("a", 1, 4);
        cache.insert_weighing("b", 2, 4);
        cache.insert_weighing("a", 3, 5);
        assert_eq!((cache.get(&"a"), cache.get(&"b")), (Some(3), Some(2)));
        cache.insert_weighing("c", 4, 4);
        assert_eq!((cache.get(&"a"), cache.get(&"b"), cache.get(&"c")), (None, Some(2), Some(4)));
        cache.insert_weighing("large", 5, 100);
        assert_eq!((cache.get(&"b"), cache.get(&"large")), (None, Some(5)));
    }
}
