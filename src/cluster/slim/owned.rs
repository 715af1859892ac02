//! What the managedFields of a workload say about the fields that Towpath wrote, in eight bytes.
//!
//! When another manager changes or removes a field, the API server takes it from the Apply entry of Towpath. That shows whether a live
//! object has to be compared with what was written, so that nothing else is ever read.
//!
//! Invariant: `spec.replicas`, entries of subresources and the annotation of `kubectl rollout restart` change nothing here, except the
//! version.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::text::{Time, or_default};
use crate::api::FIELD_MANAGER;

const RESTARTED_AT: &str = "f:kubectl.kubernetes.io/restartedAt";
/// Bits of the version that say why the object may have drifted.
const TAKEN: u32 = 1;
const LOST: u32 = 2;

/// What the managedFields of a workload say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owned {
    /// Hash of the fields of the Apply entry of Towpath; 0 if there is none.
    own: u32,
    /// Hash of who changed what when; its last bits are [`TAKEN`] and [`LOST`].
    version: u32,
}

impl Owned {
    /// Whether a field that Towpath wrote may have been changed or removed by another manager. It never is if this is false, except when
    /// it was removed, or was an annotation, and no process of Towpath saw the object before.
    pub fn may_have_drifted(self) -> bool {
        self.own != 0 && self.version & (TAKEN | LOST) != 0
    }

    /// Changes when another manager changes a field. The API server counts in seconds, so two changes of one manager within one second
    /// may have the same version.
    pub fn version(self) -> u32 {
        self.version
    }

    /// Takes over from the version before it that our entry lost a field. `is_of_same_write`: whether Towpath wrote nothing in between.
    pub(super) fn follow(&mut self, before: Self, is_of_same_write: bool) {
        let has_lost = before.version & LOST != 0 || (before.own != 0 && before.own != self.own);
        if is_of_same_write && has_lost {
            self.version |= LOST;
        }
    }
}

/// One entry of managedFields.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Entry {
    #[serde(deserialize_with = "or_default")]
    manager: Box<str>,
    #[serde(deserialize_with = "or_default")]
    operation: Box<str>,
    #[serde(deserialize_with = "or_default")]
    subresource: Box<str>,
    time: Time,
    #[serde(rename = "fieldsV1", deserialize_with = "or_default")]
    fields: Leaves,
}

impl Entry {
    fn is_ours(&self) -> bool {
        &*self.manager == FIELD_MANAGER && &*self.operation == "Apply"
    }
}

impl<'de> Deserialize<'de> for Owned {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Owned;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of entries")
            }

            fn visit_unit<E>(self) -> Result<Owned, E> {
                Ok(Owned::default())
            }

            fn visit_none<E>(self) -> Result<Owned, E> {
                Ok(Owned::default())
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Owned, D::Error> {
                deserializer.deserialize_seq(self)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Owned, A::Error> {
                let mut entries: Vec<Entry> = Vec::new();
                while let Some(entry) = list.next_element::<Entry>()? {
                    if entry.subresource.is_empty() {
                        entries.push(entry);
                    }
                }
                Ok(Owned::of(&entries))
            }
        }
        deserializer.deserialize_option(Entries)
    }
}

impl Owned {
    fn of(entries: &[Entry]) -> Self {
        let Some(ours) = entries.iter().find(|entry| entry.is_ours()) else { return Self::default() };
        let own = ours.fields.0.iter().fold(0, |sum: u64, leaf| sum.wrapping_add(mix(leaf.path)));
        let mut version = own;
        let mut is_taken = false;
        for other in entries.iter().filter(|entry| &*entry.manager != FIELD_MANAGER) {
            let at = other.time.get().map_or(0, Timestamp::as_second);
            let leaves = other.fields.0.iter().fold(0, |sum: u64, leaf| sum.wrapping_add(mix(leaf.path)));
            let who = other.manager.bytes().chain(other.operation.bytes()).chain(at.to_le_bytes());
            version = version.wrapping_add(mix(hash(leaves, who)));
            let is_later = other.time.get() >= ours.time.get();
            let is_foreign =
                |leaf: &Leaf| leaf.counts && !ours.fields.0.iter().any(|own| own.path == leaf.path);
            is_taken |= is_later && other.fields.0.iter().any(is_foreign);
        }
        let taken = if is_taken { TAKEN } else { 0 };
        Self { own: fold(own).max(1), version: fold(version) & !(TAKEN | LOST) | taken }
    }
}

/// The fields of an entry that have no fields in them. The number of `spec.replicas` is not one of them.
#[derive(Default)]
struct Leaves(Vec<Leaf>);

struct Leaf {
    /// Hash of the path.
    path: u64,
    /// Whether another manager that owns it after a write of Towpath probably took it. Managers add annotations all the time.
    counts: bool,
}

impl<'de> Deserialize<'de> for Leaves {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut leaves = Self::default();
        Node { leaves: &mut leaves, path: hash(0, []), place: Place::Object }.deserialize(deserializer)?;
        Ok(leaves)
    }
}

/// Where a node is in an object.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Object,
    Metadata,
    Spec,
    Replicas,
    Counting,
    Other,
}

impl Place {
    fn of(self, name: &str) -> Self {
        match (self, name) {
            (Self::Object, "f:metadata") => Self::Metadata,
            (Self::Object, "f:spec") => Self::Spec,
            (Self::Spec, "f:replicas") => Self::Replicas,
            (Self::Metadata, "f:labels") => Self::Counting,
            (Self::Counting, RESTARTED_AT) | (Self::Object | Self::Metadata | Self::Other, _) => Self::Other,
            (Self::Spec | Self::Counting, _) => Self::Counting,
            (Self::Replicas, _) => Self::Replicas,
        }
    }
}

/// A node of a field set.
struct Node<'a> {
    leaves: &'a mut Leaves,
    path: u64,
    place: Place,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a set of fields")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut is_leaf = true;
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            is_leaf &= name == ".";
            let path = hash(self.path, name.bytes());
            // A node for a dot has no parts, and is part of the node that it is in.
            let place = if name == "." { Place::Replicas } else { self.place.of(&name) };
            map.next_value_seed(Node { leaves: &mut *self.leaves, path, place })?;
        }
        if is_leaf && self.place != Place::Replicas {
            self.leaves.0.push(Leaf { path: self.path, counts: self.place == Place::Counting });
        }
        Ok(())
    }
}

/// FNV-1a over a step of a path.
fn hash(start: u64, bytes: impl IntoIterator<Item = u8>) -> u64 {
    let start = start ^ 0xcbf2_9ce4_8422_2325;
    bytes
        .into_iter()
        .chain([0xff])
        .fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Spreads a hash, so that sums of them differ.
fn mix(hash: u64) -> u64 {
    let hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 29)
}

fn fold(hash: u64) -> u32 {
    let bytes = hash.to_le_bytes();
    let half =
        |from: usize| u32::from_le_bytes([bytes[from], bytes[from + 1], bytes[from + 2], bytes[from + 3]]);
    half(0) ^ half(4)
}

#[cfg(test)]
#[path = "owned_tests.rs"]
mod tests;
