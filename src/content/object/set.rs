//! A set of objects: the content of a release, or of a revision.
//!
//! Invariant: the objects are sorted, unique by kind and name, of admissible kinds, without namespaces, and at most 200.

use super::canonical::deeper_than;
use super::key::ObjectKey;
use super::kinds;
use crate::api::{KindRef, mark};
use crate::content::error::{ContentError, quoted};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Objects in one content.
pub const MAX_OBJECTS: usize = 200;
/// Levels of one object. Below the 128 of serde_json, so that stored objects can be decoded as part of other objects.
pub const MAX_DEPTH: usize = 100;

/// Objects by key. Equal sets have equal digests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectSet {
    objects: BTreeMap<ObjectKey, Value>,
}

impl ObjectSet {
    /// Parses objects. `further`: the kinds that the environment lists. `namespace`: the namespace that they were captured from,
    /// which is removed from their metadata; manifests name none.
    pub fn new(
        objects: impl IntoIterator<Item = Value>,
        further: &[KindRef],
        namespace: Option<&str>,
    ) -> Result<Self, ContentError> {
        let mut set = Self::parsed(objects, namespace)?;
        set.admit(further)?;
        set.mark_templates(further);
        Ok(set)
    }

    /// Writes into objects of kinds whose pod template is at another place where it is. An annotation of the author stays.
    fn mark_templates(&mut self, further: &[KindRef]) {
        for kind in further {
            let Some(path) = &kind.pod_template else { continue };
            let is_of = |key: &ObjectKey| key.api_version() == kind.api_version && key.kind() == kind.kind;
            for (_, object) in self.objects.iter_mut().filter(|(key, _)| is_of(key)) {
                let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
                    continue;
                };
                let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
                if let Some(annotations) = annotations.as_object_mut() {
                    annotations.entry(mark::POD_TEMPLATE).or_insert_with(|| path.as_str().into());
                }
            }
        }
    }

    /// Whether an environment that lists `further` kinds may hold these objects, which may have been captured in another one.
    pub fn admit(&self, further: &[KindRef]) -> Result<(), ContentError> {
        self.objects.keys().try_for_each(|key| kinds::admit(key, further))
    }

    /// Parses the objects of a stored Content. Which kinds are listed is checked by each environment that gets them.
    pub(in crate::content) fn stored(objects: impl IntoIterator<Item = Value>) -> Result<Self, ContentError> {
        Self::parsed(objects, None)
    }

    fn parsed(
        objects: impl IntoIterator<Item = Value>,
        namespace: Option<&str>,
    ) -> Result<Self, ContentError> {
        let mut set = Self::default();
        let mut count = 0;
        // The same kind in two versions is the same object in the cluster.
        let mut names = BTreeSet::new();
        for mut object in objects {
            count += 1;
            let key = ObjectKey::of(&object)?;
            kinds::admit_anywhere(&key)?;
            if deeper_than(&object, MAX_DEPTH) {
                return Err(ContentError::TooDeep { location: key.to_string(), limit: MAX_DEPTH });
            }
            remove_namespace(&mut object, &key, namespace)?;
            if !names.insert((key.group().to_owned(), key.kind().to_owned(), key.name().to_owned())) {
                return Err(ContentError::Duplicate { object: key.to_string() });
            }
            set.objects.insert(key, object);
        }
        if count > MAX_OBJECTS {
            return Err(ContentError::TooMany { count, limit: MAX_OBJECTS });
        }
        Ok(set)
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The object of this key.
    pub fn get(&self, key: &ObjectKey) -> Option<&Value> {
        self.objects.get(key)
    }

    /// Objects by kind and name, as overrides and `keeps` name them; several when groups share a kind.
    pub fn named<'a>(&'a self, kind: &'a str, name: &'a str) -> impl Iterator<Item = &'a ObjectKey> {
        self.objects.keys().filter(move |key| key.kind() == kind && key.name() == name)
    }

    /// Keys and objects, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectKey, &Value)> {
        self.objects.iter()
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.objects.keys()
    }

    /// The objects, sorted by key.
    pub fn values(&self) -> impl Iterator<Item = &Value> {
        self.objects.values()
    }

    /// The objects, for changes of anything but `metadata.name`, `kind` and `apiVersion`. Other changes need [`Self::new`].
    pub(in crate::content) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.objects.values_mut()
    }

    /// The objects, to be parsed again.
    pub(in crate::content) fn into_objects(self) -> BTreeMap<ObjectKey, Value> {
        self.objects
    }
}

fn remove_namespace(object: &mut Value, key: &ObjectKey, expected: Option<&str>) -> Result<(), ContentError> {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return Ok(()) };
    let Some(found) = metadata.remove("namespace") else { return Ok(()) };
    let fine = found.is_null() || (expected.is_some() && found.as_str() == expected);
    if fine {
        return Ok(());
    }
    let namespace = found.as_str().map_or_else(|| "that is not text".to_owned(), quoted);
    Err(ContentError::Namespace { object: key.to_string(), namespace })
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
