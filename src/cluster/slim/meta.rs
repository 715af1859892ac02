//! The metadata that health and ownership need.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use jiff::Timestamp;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::owned::Owned;
use super::text::{Time, cut, or_default};
use crate::api::mark;

/// The labels and annotations that are stored.
const CACHED: &[&str] = &[
    "controller-revision-hash",
    "deployment.kubernetes.io/revision",
    "deprecated.daemonset.template.generation",
    "pod-template-generation",
    mark::REVISION,
];

/// Metadata of a workload. Its strings share one allocation, which takes a third of the memory of separate ones.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    pub generation: i64,
    pub creation_timestamp: Time,
    deletion_timestamp: Time,
    text: Box<str>,
    /// Where each string ends: name, namespace, uid, version, uid of the controller, its name if it is a CronJob, then the labels and
    /// annotations of [`CACHED`].
    ends: [u16; STRINGS],
    /// Which of [`CACHED`] are labels, and which annotations, of this object; one bit each.
    labels: u8,
    annotations: u8,
}

/// Metadata of a workload whose fields Towpath writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnedMeta {
    meta: Meta,
    /// What its managedFields say about the fields that Towpath wrote.
    pub owned: Owned,
}

impl Deref for OwnedMeta {
    type Target = Meta;

    fn deref(&self) -> &Meta {
        &self.meta
    }
}

impl OwnedMeta {
    /// Takes over what only the version before it shows.
    pub fn follow(&mut self, before: &Self) {
        self.owned.follow(before.owned, self.meta.revision_mark() == before.meta.revision_mark());
    }
}

/// Name, namespace, uid, version, uid of the controller, name of the CronJob that controls it.
const FIXED: usize = 6;
const CONTROLLER: usize = 4;
const CRON_JOB: usize = 5;
const STRINGS: usize = FIXED + CACHED.len();

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

    /// The resourceVersion.
    pub fn resource_version(&self) -> &str {
        self.string(3)
    }

    fn string(&self, nth: usize) -> &str {
        let start = nth.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[usize::from(start)..usize::from(self.ends[nth])]
    }

    fn cached(&self, key: &str, present: u8) -> Option<&str> {
        let index = CACHED.iter().position(|cached| *cached == key)?;
        (present & (1 << index) != 0).then(|| self.string(FIXED + index))
    }

    /// The value of a label, if it is one of [`CACHED`].
    pub fn label(&self, key: &str) -> Option<&str> {
        self.cached(key, self.labels)
    }

    /// The value of an annotation, if it is one of [`CACHED`].
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.cached(key, self.annotations)
    }

    /// The revision of a pod of a StatefulSet or DaemonSet.
    pub fn controller_revision_hash(&self) -> Option<&str> {
        self.label("controller-revision-hash")
    }

    /// The revision number of a Deployment, on it and on its ReplicaSets.
    pub fn deployment_revision(&self) -> Option<i64> {
        self.annotation("deployment.kubernetes.io/revision")?.parse().ok()
    }

    /// The DaemonSet's template generation: a label of its pods, an annotation of itself.
    pub fn template_generation(&self) -> Option<i64> {
        let value = self.label("pod-template-generation");
        value.or_else(|| self.annotation("deprecated.daemonset.template.generation"))?.parse().ok()
    }

    /// The revision of the environment that wrote it last.
    pub fn revision_mark(&self) -> Option<&str> {
        self.annotation(mark::REVISION)
    }

    /// Whether it is being deleted.
    pub fn is_terminating(&self) -> bool {
        self.deletion_timestamp.get().is_some()
    }

    /// Since when it is being deleted or, for a pod, until when it may take to stop.
    pub fn deletion_timestamp(&self) -> Option<Timestamp> {
        self.deletion_timestamp.get()
    }

    /// The uid of its controller; empty if there is none.
    pub fn controller(&self) -> &str {
        self.string(CONTROLLER)
    }

    /// The name of the CronJob that controls it.
    pub fn cron_job(&self) -> Option<&str> {
        Some(self.string(CRON_JOB)).filter(|name| !name.is_empty())
    }

    /// Whether the object with this uid controls it.
    pub fn is_controlled_by(&self, uid: &str) -> bool {
        !uid.is_empty() && self.string(CONTROLLER) == uid
    }
}

/// The values of the labels or annotations of [`CACHED`], at the same index.
#[derive(Default)]
struct Cached([Option<Box<str>>; CACHED.len()]);

impl<'de> Deserialize<'de> for Cached {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Cached;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cached, A::Error> {
                let mut cached = Cached::default();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    match CACHED.iter().position(|known| **known == key) {
                        Some(index) => cached.0[index] = map.next_value()?,
                        None => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(cached)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// Metadata as the API server sends it. `F`: what is read of its managedFields.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default, bound(deserialize = "F: Deserialize<'de> + Default"))]
struct WireMeta<F> {
    name: Box<str>,
    namespace: Box<str>,
    uid: Box<str>,
    resource_version: Box<str>,
    generation: i64,
    creation_timestamp: Time,
    deletion_timestamp: Time,
    #[serde(deserialize_with = "or_default")]
    labels: Cached,
    #[serde(deserialize_with = "or_default")]
    annotations: Cached,
    #[serde(deserialize_with = "or_default")]
    owner_references: Vec<WireOwner>,
    managed_fields: F,
}

/// The managedFields of a kind that Towpath does not write, which are not read.
#[derive(Default)]
struct Unread;

impl<'de> Deserialize<'de> for Unread {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireOwner {
    api_version: Box<str>,
    kind: Box<str>,
    name: Box<str>,
    uid: Box<str>,
    controller: Option<bool>,
}

impl<'de> Deserialize<'de> for Meta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        WireMeta::<Unread>::deserialize(deserializer).map(Self::from)
    }
}

impl<'de> Deserialize<'de> for OwnedMeta {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = WireMeta::<Owned>::deserialize(deserializer)?;
        let owned = wire.managed_fields;
        Ok(Self { owned, meta: wire.into() })
    }
}

impl<F> From<WireMeta<F>> for Meta {
    fn from(wire: WireMeta<F>) -> Self {
        let controller = wire.owner_references.into_iter().find(|owner| owner.controller == Some(true));
        let WireOwner { api_version, kind, name, uid: controller, .. } = controller.unwrap_or_default();
        let is_cron_job = &*kind == "CronJob" && api_version.starts_with("batch/");
        let cron_job = if is_cron_job { name } else { Box::default() };
        let mut meta = Self {
            generation: wire.generation,
            creation_timestamp: wire.creation_timestamp,
            deletion_timestamp: wire.deletion_timestamp,
            ..Self::default()
        };
        let mut text = String::new();
        let fixed = [&wire.name, &wire.namespace, &wire.uid, &wire.resource_version, &controller, &cron_job];
        for (end, string) in meta.ends.iter_mut().zip(fixed) {
            *end = push(&mut text, string);
        }
        for index in 0..CACHED.len() {
            // No key is both a label and an annotation of one kind; if it were, the label would count.
            let (label, annotation) = (&wire.labels.0[index], &wire.annotations.0[index]);
            meta.labels |= u8::from(label.is_some()) << index;
            meta.annotations |= u8::from(annotation.is_some() && label.is_none()) << index;
            let value = label.as_ref().or(annotation.as_ref());
            meta.ends[FIXED + index] = push(&mut text, value.map_or("", |value| value));
        }
        meta.text = text.into();
        meta
    }
}

/// Appends `string`, truncated to 512 characters, and returns where it ends. Eleven of them end below 2^16.
fn push(text: &mut String, string: &str) -> u16 {
    text.push_str(cut(string));
    u16::try_from(text.len()).unwrap_or(u16::MAX)
}
