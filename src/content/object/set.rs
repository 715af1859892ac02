//! A set of objects: the content of a release, or of a revision. Sorted, unique by name, of admissible kinds, without
//! namespaces, at most 200; a set in hand is all of that.

use super::canonical::{canonical, deeper_than, sha256};
use super::key::ObjectKey;
use super::kinds;
use crate::api::{ContentSpec, KindRef};
use crate::content::error::{ContentError, shown};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, GzBuilder, read::GzDecoder};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

/// Objects in one content.
pub const MAX_OBJECTS: usize = 200;
/// Bytes of one content after compression; etcd takes 1.5 MiB per object, base64 adds a third.
pub const MAX_COMPRESSED: usize = 512 * 1024;
/// Bytes of one content before compression.
pub const MAX_CANONICAL: usize = 16 * 1024 * 1024;
/// Levels of one object. Below serde_json's 128, so that whatever was encoded can be decoded inside other objects.
pub const MAX_DEPTH: usize = 100;

/// Objects by key. Equal sets have equal digests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectSet {
    objects: BTreeMap<ObjectKey, Value>,
}

impl ObjectSet {
    /// Parses objects. `further`: the kinds that the environment lists. `namespace`: where they were captured, which their
    /// metadata may name and which is removed; manifests have none.
    pub fn new(
        objects: impl IntoIterator<Item = Value>,
        further: &[KindRef],
        namespace: Option<&str>,
    ) -> Result<Self, ContentError> {
        let set = Self::parsed(objects, namespace)?;
        set.admit(further)?;
        Ok(set)
    }

    /// Whether an environment that lists `further` kinds may hold these objects. For content that was captured in
    /// another one.
    pub fn admit(&self, further: &[KindRef]) -> Result<(), ContentError> {
        self.objects.keys().try_for_each(|key| kinds::admit(key, further))
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
                return Err(ContentError::TooDeep { place: key.to_string(), limit: MAX_DEPTH });
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

    /// How many objects.
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

    /// Objects by kind and name, as overrides and `keeps` say them; more than one where groups share a kind.
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

    /// The objects, to be changed below `metadata.name`, `kind` and `apiVersion`; whoever changes more parses anew.
    pub(in crate::content) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.objects.values_mut()
    }

    /// The objects, to be parsed anew.
    pub(in crate::content) fn into_objects(self) -> BTreeMap<ObjectKey, Value> {
        self.objects
    }

    /// The objects as one canonical JSON array.
    pub fn canonical(&self) -> String {
        let objects: Vec<String> = self.objects.values().map(canonical).collect();
        format!("[{}]", objects.join(","))
    }

    /// SHA-256 over the canonical JSON, in hexadecimal.
    pub fn digest(&self) -> String {
        sha256(&self.canonical())
    }

    /// The canonical JSON, compressed with gzip (no time, no name in its header), in base64.
    pub fn encode(&self) -> Result<String, ContentError> {
        let text = self.canonical();
        let too_large = |what: &str, bytes, limit| ContentError::TooLarge { what: what.into(), bytes, limit };
        if text.len() > MAX_CANONICAL {
            return Err(too_large("the content, before compression", text.len(), MAX_CANONICAL));
        }
        // Writing to a Vec does not fail; were it to, the content would be refused rather than cut.
        let failed = |_| ContentError::Undecodable { reason: "it cannot be compressed".into() };
        let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
        encoder.write_all(text.as_bytes()).map_err(failed)?;
        let compressed = encoder.finish().map_err(failed)?;
        if compressed.len() > MAX_COMPRESSED {
            return Err(too_large("the content, compressed", compressed.len(), MAX_COMPRESSED));
        }
        Ok(STANDARD.encode(compressed))
    }

    /// Reads back what [`encode`](Self::encode) wrote. Never more than 16 MiB, whatever the input.
    pub fn decode(data: &str) -> Result<Self, ContentError> {
        let failed = |reason: &str| ContentError::Undecodable { reason: reason.to_owned() };
        if data.len() > MAX_COMPRESSED.div_ceil(3) * 4 {
            return Err(failed("it is longer than any content"));
        }
        let compressed = STANDARD.decode(data).map_err(|_| failed("it is not base64"))?;
        let mut text = Vec::new();
        let limit = u64::try_from(MAX_CANONICAL).unwrap_or(u64::MAX).saturating_add(1);
        GzDecoder::new(compressed.as_slice())
            .take(limit)
            .read_to_end(&mut text)
            .map_err(|_| failed("it is not a complete gzip stream"))?;
        if text.len() > MAX_CANONICAL {
            return Err(failed("it is larger than any content once decompressed"));
        }
        let objects: Vec<Value> =
            serde_json::from_slice(&text).map_err(|_| failed("it is not a JSON array of objects"))?;
        Self::parsed(objects, None)
    }

    /// The spec of the Content that holds this set.
    pub fn to_spec(&self, application: &str) -> Result<ContentSpec, ContentError> {
        Ok(ContentSpec {
            application: application.to_owned(),
            digest: self.digest(),
            objects: i32::try_from(self.len()).unwrap_or(i32::MAX),
            data: self.encode()?,
        })
    }

    /// Reads a Content and proves its digest: a content that was changed is not read at all.
    pub fn from_spec(spec: &ContentSpec) -> Result<Self, ContentError> {
        let set = Self::decode(&spec.data)?;
        if set.digest() != spec.digest {
            return Err(ContentError::Undecodable { reason: "its digest is another one".to_owned() });
        }
        Ok(set)
    }
}

/// The name of the Content that holds what has this digest: `shop-0123456789abcdef`.
pub fn content_name(application: &str, digest: &str) -> String {
    let short: String = digest.chars().take(16).collect();
    format!("{application}-{short}")
}

fn remove_namespace(object: &mut Value, key: &ObjectKey, expected: Option<&str>) -> Result<(), ContentError> {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return Ok(()) };
    let Some(found) = metadata.remove("namespace") else { return Ok(()) };
    let fine = found.is_null() || (expected.is_some() && found.as_str() == expected);
    if fine {
        return Ok(());
    }
    let namespace = found.as_str().map_or_else(|| "that is not text".to_owned(), shown);
    Err(ContentError::Namespace { object: key.to_string(), namespace })
}

#[cfg(test)]
#[path = "set_tests.rs"]
mod tests;
