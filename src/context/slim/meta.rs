//! The metadata that health and ownership need.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::text::{Word, or_default};
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

/// Metadata of a workload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    pub name: Box<str>,
    /// Empty on a cluster-scoped object.
    pub namespace: Box<str>,
    pub uid: Box<str>,
    pub resource_version: Box<str>,
    pub generation: i64,
    pub creation_timestamp: Option<Timestamp>,
    pub deletion_timestamp: Option<Timestamp>,
    /// The owner whose `controller` is true.
    pub controller: Option<Box<Owner>>,
    /// Whether Towpath, and nobody else, owns `spec.replicas`; false if nobody does.
    pub replicas_only_ours: bool,
    labels: Kept,
    annotations: Kept,
}

impl Meta {
    /// The value of a label, if it is one of those that are kept.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key)
    }

    /// The value of an annotation, if it is one of those that are kept.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key)
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
        self.deletion_timestamp.is_some()
    }

    /// Whether the object with this uid controls it.
    pub fn is_controlled_by(&self, uid: &str) -> bool {
        self.controller.as_ref().is_some_and(|controller| *controller.uid == *uid)
    }
}

/// The few pairs of a map of labels or annotations that are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Kept(Box<[(&'static str, Box<str>)]>);

impl Kept {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(kept, _)| *kept == key).map(|(_, value)| &**value)
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Kept;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kept, A::Error> {
                let mut kept = Vec::new();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    match KEPT.iter().find(|known| **known == key) {
                        Some(known) => kept.push((*known, map.next_value()?)),
                        None => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(Kept(kept.into()))
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
    creation_timestamp: Option<Timestamp>,
    deletion_timestamp: Option<Timestamp>,
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
        Ok(Self {
            name: wire.name,
            namespace: wire.namespace,
            uid: wire.uid,
            resource_version: wire.resource_version,
            generation: wire.generation,
            creation_timestamp: wire.creation_timestamp,
            deletion_timestamp: wire.deletion_timestamp,
            controller: controller
                .map(|owner| Box::new(Owner { kind: owner.kind, name: owner.name, uid: owner.uid })),
            replicas_only_ours,
            labels: wire.labels,
            annotations: wire.annotations,
        })
    }
}
