//! The metadata that health and ownership need.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::text::{Moment, Word, cut, or_default};
use crate::api::{FIELD_MANAGER, mark};

/// The labels and annotations that are kept.
const KEPT: &[&str] = &[
    "controller-revision-hash",
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "pod-template-generation",
    "pod-template-hash",
    mark::OWNER,
    mark::REVISION,
];

/// Who controls an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    pub kind: Word,
    pub name: Box<str>,
    pub uid: Box<str>,
}

/// Metadata of a workload. Its strings lie in one piece of memory: apart they would take three times as much.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    pub generation: i64,
    pub creation_timestamp: Moment,
    pub deletion_timestamp: Moment,
    /// The owner whose `controller` is true.
    pub controller: Option<Box<Owner>>,
    /// Whether Towpath, and nobody else, owns `spec.replicas`; false if nobody does.
    pub replicas_only_ours: bool,
    text: Box<str>,
    /// Where each string ends: name, namespace, uid, version, then the labels and annotations of [`KEPT`].
    ends: [u16; STRINGS],
    /// Which of [`KEPT`] are labels, and which annotations, of this object; one bit each.
    labels: u8,
    annotations: u8,
}

/// Name, namespace, uid, version.
const FIXED: usize = 4;
const STRINGS: usize = FIXED + KEPT.len();

impl Meta {
    /// The name.
    pub fn name(&self) -> &str {
        self.string(0)
    }

    /// The namespace; empty on a cluster-scoped object.
    pub fn namespace(&self) -> &str {
        self.string(1)
    }

    /// The uid.
    pub fn uid(&self) -> &str {
        self.string(2)
    }

    /// The version at which it was seen.
    pub fn resource_version(&self) -> &str {
        self.string(3)
    }

    fn string(&self, nth: usize) -> &str {
        let start = nth.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[usize::from(start)..usize::from(self.ends[nth])]
    }

    fn kept(&self, key: &str, present: u8) -> Option<&str> {
        let place = KEPT.iter().position(|kept| *kept == key)?;
        (present & (1 << place) != 0).then(|| self.string(FIXED + place))
    }

    /// The value of a label, if it is one of those that are kept.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.kept(key, self.labels)
    }

    /// The value of an annotation, if it is one of those that are kept.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.kept(key, self.annotations)
    }

    /// Which template a pod or ReplicaSet of a Deployment was made from.
    pub fn pod_template_hash(&self) -> Option<&str> {
        self.label("pod-template-hash")
    }

    /// Which revision a pod of a StatefulSet or DaemonSet was made from.
    pub fn controller_revision_hash(&self) -> Option<&str> {
        self.label("controller-revision-hash")
    }

    /// The Deployment's count of its templates, on it and on its ReplicaSets.
    pub fn deployment_revision(&self) -> Option<i64> {
        self.annotation("deployment.kubernetes.io/revision")?.parse().ok()
    }

    /// The DaemonSet's template generation: a label of its pods, an annotation of itself.
    pub fn template_generation(&self) -> Option<i64> {
        let value = self.label("pod-template-generation");
        value.or_else(|| self.annotation("deprecated.daemonset.template.generation"))?.parse().ok()
    }

    /// Whose it is: `project.environment.application`.
    pub fn owner_mark(&self) -> Option<&str> {
        self.annotation(mark::OWNER)
    }

    /// The revision of the environment that wrote it last.
    pub fn revision_mark(&self) -> Option<&str> {
        self.annotation(mark::REVISION)
    }

    /// Whether it is being deleted.
    pub fn is_going(&self) -> bool {
        self.deletion_timestamp.get().is_some()
    }

    /// Whether the object with this uid controls it.
    pub fn is_controlled_by(&self, uid: &str) -> bool {
        self.controller.as_ref().is_some_and(|controller| *controller.uid == *uid)
    }
}

/// The values of a map of labels or annotations that are kept, each in its place in [`KEPT`].
#[derive(Default)]
struct Kept([Option<Box<str>>; KEPT.len()]);

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Kept;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kept, A::Error> {
                let mut kept = Kept::default();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    match KEPT.iter().position(|known| **known == key) {
                        Some(place) => kept.0[place] = map.next_value()?,
                        None => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(kept)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Metadata as it comes.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireMeta {
    name: Box<str>,
    namespace: Box<str>,
    uid: Box<str>,
    resource_version: Box<str>,
    generation: i64,
    creation_timestamp: Moment,
    deletion_timestamp: Moment,
    #[serde(deserialize_with = "or_default")]
    labels: Kept,
    #[serde(deserialize_with = "or_default")]
    annotations: Kept,
    #[serde(deserialize_with = "or_default")]
    owner_references: Vec<WireOwner>,
    #[serde(deserialize_with = "or_default")]
    managed_fields: Vec<WireManager>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireOwner {
    kind: Word,
    name: Box<str>,
    uid: Box<str>,
    controller: Option<bool>,
}

/// One entry of the managed fields, looked at for `f:spec` / `f:replicas` only.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireManager {
    manager: Option<Box<str>>,
    subresource: Option<Box<str>>,
    fields_v1: Option<WireFields>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireFields {
    #[serde(rename = "f:spec")]
    spec: Option<WireSpecFields>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireSpecFields {
    #[serde(rename = "f:replicas")]
    replicas: Option<IgnoredAny>,
}

impl WireManager {
    fn owns_replicas(&self) -> bool {
        let spec = self.fields_v1.as_ref().and_then(|fields| fields.spec.as_ref());
        spec.is_some_and(|spec| spec.replicas.is_some())
    }

    fn is_towpath(&self) -> bool {
        self.manager.as_deref() == Some(FIELD_MANAGER)
            && self.subresource.as_deref().is_none_or(str::is_empty)
    }
}

impl<'de> Deserialize<'de> for Meta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireMeta::deserialize(deserializer)?;
        let mut replica_owners =
            wire.managed_fields.iter().filter(|manager| manager.owns_replicas()).peekable();
        let replicas_only_ours =
            replica_owners.peek().is_some() && replica_owners.all(WireManager::is_towpath);
        let controller = wire.owner_references.into_iter().find(|owner| owner.controller == Some(true));
        let mut meta = Self {
            generation: wire.generation,
            creation_timestamp: wire.creation_timestamp,
            deletion_timestamp: wire.deletion_timestamp,
            controller: controller
                .map(|owner| Box::new(Owner { kind: owner.kind, name: owner.name, uid: owner.uid })),
            replicas_only_ours,
            ..Self::default()
        };
        let mut text = String::new();
        let fixed = [&wire.name, &wire.namespace, &wire.uid, &wire.resource_version];
        for (end, string) in meta.ends.iter_mut().zip(fixed) {
            *end = push(&mut text, string);
        }
        for place in 0..KEPT.len() {
            // No key is both a label and an annotation of the same kind of object; a label would come first.
            let (label, annotation) = (&wire.labels.0[place], &wire.annotations.0[place]);
            meta.labels |= u8::from(label.is_some()) << place;
            meta.annotations |= u8::from(annotation.is_some() && label.is_none()) << place;
            let value = label.as_ref().or(annotation.as_ref());
            meta.ends[FIXED + place] = push(&mut text, value.map_or("", |value| value));
        }
        meta.text = text.into();
        Ok(meta)
    }
}

/// Appends `string`, cut to 512 characters, and tells where it ends. Eleven of those end below 2^16.
fn push(text: &mut String, string: &str) -> u16 {
    text.push_str(cut(string));
    u16::try_from(text.len()).unwrap_or(u16::MAX)
}
