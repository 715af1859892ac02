//! Objects that the watches have seen, by namespace and name.
//!
//! Invariants: the cost of a lookup in one namespace does not depend on the others; an undecodable object is stored as
//! undecodable, and its older, decodable version is removed; only the watch writes. Locks are held for map operations
//! only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// An object that could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecodable {
    /// Empty for a cluster-scoped object.
    pub namespace: String,
    pub name: String,
    /// The version that could not be decoded.
    pub version: String,
    /// The decoding error, truncated to 512 bytes.
    pub error: String,
}

/// One change of a store.
#[derive(Debug)]
pub enum Delta<K> {
    /// An object is new (`old` is `None`) or changed.
    Applied { old: Option<Arc<K>>, new: Arc<K> },
    /// An object is gone, or is no longer accepted.
    Gone { old: Arc<K> },
    /// An object could not be decoded.
    Undecodable { new: Undecodable },
    /// An undecodable object is gone.
    UndecodableGone { old: Undecodable },
    /// A list is complete: the store is ready.
    Listed,
}

/// Returns the key of an object in the index of the store, if any.
pub type IndexKey<K> = fn(&K) -> Option<&str>;

/// Objects of one kind. Cloned handles share them.
pub struct Store<K>(Arc<Shared<K>>);

struct Shared<K> {
    index_key: Option<IndexKey<K>>,
    content: RwLock<Content<K>>,
}

struct Content<K> {
    objects: Spaces<Entry<Arc<K>>>,
    undecodable: Spaces<Entry<Undecodable>>,
    index: Index,
    list: u32,
    is_ready: bool,
}

/// Values by namespace and name. The index shares the names.
type Spaces<V> = BTreeMap<Box<str>, BTreeMap<Arc<str>, V>>;

/// Names by namespace and key.
type Index = BTreeMap<Box<str>, BTreeMap<Box<str>, BTreeSet<Arc<str>>>>;

struct Entry<V> {
    value: V,
    list: u32,
}

impl<K> Clone for Store<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for Store<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Store<K> {
    /// An empty store.
    pub fn new() -> Self {
        Self::build(None)
    }

    /// An empty store whose objects are also indexed by `key`.
    pub fn indexed(key: IndexKey<K>) -> Self {
        Self::build(Some(key))
    }

    fn build(index_key: Option<IndexKey<K>>) -> Self {
        let content = Content {
            objects: BTreeMap::new(),
            undecodable: BTreeMap::new(),
            index: BTreeMap::new(),
            list: 0,
            is_ready: false,
        };
        Self(Arc::new(Shared { index_key, content: RwLock::new(content) }))
    }

    /// Whether a first list is complete.
    pub fn is_ready(&self) -> bool {
        self.read().is_ready
    }

    /// The object; `namespace` is empty for a cluster-scoped kind.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.read().objects.get(namespace)?.get(name).map(|entry| Arc::clone(&entry.value))
    }

    /// The objects of one namespace, by name.
    pub fn list(&self, namespace: &str) -> Vec<Arc<K>> {
        let content = self.read();
        let objects = content.objects.get(namespace).into_iter().flat_map(BTreeMap::values);
        objects.map(|entry| Arc::clone(&entry.value)).collect()
    }

    /// The objects of one namespace whose index key is `key`, by name.
    pub fn list_by(&self, namespace: &str, key: &str) -> Vec<Arc<K>> {
        let content = self.read();
        let names = content.index.get(namespace).and_then(|keys| keys.get(key)).into_iter().flatten();
        let Some(objects) = content.objects.get(namespace) else { return Vec::new() };
        names.filter_map(|name| objects.get(name)).map(|entry| Arc::clone(&entry.value)).collect()
    }

    /// The namespaces that hold objects.
    pub fn namespaces(&self) -> Vec<String> {
        self.read().objects.keys().map(|namespace| namespace.to_string()).collect()
    }

    /// Every object, by namespace and name. For start-up, never for one reconcile.
    pub fn all(&self) -> Vec<Arc<K>> {
        let content = self.read();
        content.objects.values().flat_map(BTreeMap::values).map(|entry| Arc::clone(&entry.value)).collect()
    }

    /// Returns an undecodable object.
    pub fn undecodable(&self, namespace: &str, name: &str) -> Option<Undecodable> {
        self.read().undecodable.get(namespace)?.get(name).map(|entry| entry.value.clone())
    }

    /// The undecodable objects of one namespace, by name.
    pub fn all_undecodable(&self, namespace: &str) -> Vec<Undecodable> {
        let content = self.read();
        let objects = content.undecodable.get(namespace).into_iter().flat_map(BTreeMap::values);
        objects.map(|entry| entry.value.clone()).collect()
    }

    /// Every undecodable object. For start-up.
    pub fn undecodable_everywhere(&self) -> Vec<Undecodable> {
        let content = self.read();
        content.undecodable.values().flat_map(BTreeMap::values).map(|entry| entry.value.clone()).collect()
    }

    /// Starts a list: objects that it does not contain are removed when it ends.
    pub(super) fn begin_list(&self) {
        let mut content = self.write();
        content.list = content.list.wrapping_add(1);
    }

    /// Stores an object. `is_same` says whether the stored object is the same.
    pub(super) fn apply(
        &self,
        namespace: &str,
        name: &str,
        new: K,
        is_same: impl FnOnce(&K, &K) -> bool,
    ) -> Option<Delta<K>> {
        let mut content = self.write();
        let list = content.list;
        remove(&mut content.undecodable, namespace, name);
        if let Some(entry) = find(&mut content.objects, namespace, name)
            && is_same(&entry.value, &new)
        {
            entry.list = list;
            return None;
        }
        let new = Arc::new(new);
        let old = insert(&mut content.objects, namespace, name, Entry { value: Arc::clone(&new), list });
        let old = old.map(|entry| entry.value);
        self.reindex(&mut content, (namespace, name), old.as_deref(), Some(&new));
        Some(Delta::Applied { old, new })
    }

    /// Stores an undecodable object.
    pub(super) fn apply_undecodable(&self, new: Undecodable) -> Option<Delta<K>> {
        let mut content = self.write();
        let list = content.list;
        let old = self.take(&mut content, &new.namespace, &new.name);
        let entry = Entry { value: new.clone(), list };
        let before = insert(&mut content.undecodable, &new.namespace, &new.name, entry);
        if old.is_none() && before.is_some_and(|entry| entry.value == new) {
            return None;
        }
        Some(Delta::Undecodable { new })
    }

    /// Removes an object that is gone, or no longer accepted.
    pub(super) fn remove(&self, namespace: &str, name: &str) -> Option<Delta<K>> {
        let mut content = self.write();
        let undecodable = remove(&mut content.undecodable, namespace, name);
        match self.take(&mut content, namespace, name) {
            Some(old) => Some(Delta::Gone { old }),
            None => undecodable.map(|entry| Delta::UndecodableGone { old: entry.value }),
        }
    }

    /// Ends a list: removes the objects that it did not contain.
    pub(super) fn end_list(&self) -> Vec<Delta<K>> {
        let mut content = self.write();
        let list = content.list;
        let mut deltas = Vec::new();
        for (namespace, name) in older(&content.objects, list) {
            deltas.extend(self.take(&mut content, &namespace, &name).map(|old| Delta::Gone { old }));
        }
        for (namespace, name) in older(&content.undecodable, list) {
            let entry = remove(&mut content.undecodable, &namespace, &name);
            deltas.extend(entry.map(|entry| Delta::UndecodableGone { old: entry.value }));
        }
        content.is_ready = true;
        deltas.push(Delta::Listed);
        deltas
    }

    fn take(&self, content: &mut Content<K>, namespace: &str, name: &str) -> Option<Arc<K>> {
        let old = remove(&mut content.objects, namespace, name)?.value;
        self.reindex(content, (namespace, name), Some(&old), None);
        Some(old)
    }

    fn reindex(&self, content: &mut Content<K>, key: (&str, &str), old: Option<&K>, new: Option<&K>) {
        let Some(index_key) = self.0.index_key else { return };
        let (old, new) = (old.and_then(index_key), new.and_then(index_key));
        if old == new {
            return;
        }
        let (namespace, name) = key;
        if let Some(key) = old {
            unindex(&mut content.index, namespace, key, name);
        }
        let found = content.objects.get(namespace).and_then(|space| space.get_key_value(name));
        if let (Some(key), Some((name, _))) = (new, found) {
            let keys = content.index.entry(namespace.into()).or_default();
            keys.entry(key.into()).or_default().insert(Arc::clone(name));
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Content<K>> {
        self.0.content.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Content<K>> {
        self.0.content.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> fmt::Debug for Store<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("is_ready", &self.is_ready()).finish_non_exhaustive()
    }
}

fn find<'a, V>(spaces: &'a mut Spaces<V>, namespace: &str, name: &str) -> Option<&'a mut V> {
    spaces.get_mut(namespace)?.get_mut(name)
}

fn insert<V>(spaces: &mut Spaces<V>, namespace: &str, name: &str, value: V) -> Option<V> {
    match spaces.get_mut(namespace) {
        Some(space) => match space.get_mut(name) {
            Some(present) => Some(std::mem::replace(present, value)),
            None => space.insert(name.into(), value),
        },
        None => {
            spaces.insert(namespace.into(), BTreeMap::from([(name.into(), value)]));
            None
        }
    }
}

fn remove<V>(spaces: &mut Spaces<V>, namespace: &str, name: &str) -> Option<V> {
    let space = spaces.get_mut(namespace)?;
    let removed = space.remove(name);
    if space.is_empty() {
        spaces.remove(namespace);
    }
    removed
}

/// Removes a name from the index, and its entries that become empty.
fn unindex(index: &mut Index, namespace: &str, key: &str, name: &str) {
    let Some(keys) = index.get_mut(namespace) else { return };
    let Some(names) = keys.get_mut(key) else { return };
    names.remove(name);
    if names.is_empty() {
        keys.remove(key);
    }
    if keys.is_empty() {
        index.remove(namespace);
    }
}

fn older<V>(spaces: &Spaces<Entry<V>>, list: u32) -> Vec<(Box<str>, Arc<str>)> {
    let entries =
        spaces.iter().flat_map(|(namespace, space)| space.iter().map(move |entry| (namespace, entry)));
    entries
        .filter(|(_, (_, entry))| entry.list != list)
        .map(|(namespace, (name, _))| (namespace.clone(), Arc::clone(name)))
        .collect()
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
