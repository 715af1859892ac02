//! Deployments, StatefulSets, DaemonSets, ReplicaSets, and Namespaces.

use serde::{Deserialize, Deserializer};

use super::condition;
use super::condition::Condition;
use super::meta::{Meta, OwnedMeta};
use super::text::or_default;
use super::wire::slim;

/// How a StatefulSet or DaemonSet replaces its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum UpdateStrategyType {
    /// When a user deletes them.
    OnDelete,
    /// Step by step; also any unknown strategy.
    #[default]
    #[serde(other)]
    RollingUpdate,
}

/// The update strategy of a StatefulSet or DaemonSet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UpdateStrategy {
    pub type_: UpdateStrategyType,
    /// So many pods of a StatefulSet, from the first one on, keep their old revision.
    pub partition: i32,
}

impl<'de> Deserialize<'de> for UpdateStrategy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Strategy {
            #[serde(rename = "type")]
            type_: UpdateStrategyType,
            rolling_update: Option<RollingUpdate>,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct RollingUpdate {
            partition: Option<i32>,
        }
        let wire = Strategy::deserialize(deserializer)?;
        let partition = wire.rolling_update.and_then(|rolling| rolling.partition).unwrap_or_default();
        Ok(Self { type_: wire.type_, partition })
    }
}

fn conditions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<[Condition]>, D::Error> {
    or_default(deserializer).map(condition::trimmed)
}

/// A Deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    pub metadata: OwnedMeta,
    #[serde(deserialize_with = "or_default")]
    pub spec: DeploymentSpec,
    #[serde(deserialize_with = "or_default")]
    pub status: DeploymentStatus,
}

/// The spec of a Deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentSpec {
    pub replicas: Option<i32>,
    pub min_ready_seconds: i32,
    /// 0 where it is absent.
    pub progress_deadline_seconds: i32,
    pub paused: bool,
}

/// The status of a Deployment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentStatus {
    pub observed_generation: i64,
    pub replicas: i32,
    pub updated_replicas: i32,
    pub available_replicas: i32,
    #[serde(deserialize_with = "conditions")]
    pub conditions: Box<[Condition]>,
}

/// A StatefulSet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatefulSet {
    pub metadata: OwnedMeta,
    #[serde(deserialize_with = "or_default")]
    pub spec: StatefulSetSpec,
    #[serde(deserialize_with = "or_default")]
    pub status: StatefulSetStatus,
}

/// The spec of a StatefulSet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatefulSetSpec {
    pub replicas: Option<i32>,
    pub min_ready_seconds: i32,
    pub update_strategy: UpdateStrategy,
    pub pod_management_policy: PodManagement,
    #[serde(deserialize_with = "or_default")]
    pub ordinals: Ordinals,
}

/// How a StatefulSet numbers its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Ordinals {
    /// The ordinal of its first pod.
    pub start: i32,
}

/// How a StatefulSet creates and deletes its pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum PodManagement {
    /// All at once.
    Parallel,
    /// One after the other, and each must be ready; also any unknown policy.
    #[default]
    #[serde(other)]
    OrderedReady,
}

/// The status of a StatefulSet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatefulSetStatus {
    pub observed_generation: i64,
    pub replicas: i32,
    pub updated_replicas: i32,
    pub available_replicas: i32,
    pub current_revision: Box<str>,
    pub update_revision: Box<str>,
}

/// A DaemonSet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct DaemonSet {
    pub metadata: OwnedMeta,
    #[serde(deserialize_with = "or_default")]
    pub spec: DaemonSetSpec,
    #[serde(deserialize_with = "or_default")]
    pub status: DaemonSetStatus,
}

/// The spec of a DaemonSet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DaemonSetSpec {
    pub min_ready_seconds: i32,
    pub update_strategy: UpdateStrategy,
}

/// The status of a DaemonSet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DaemonSetStatus {
    pub observed_generation: i64,
    pub desired_number_scheduled: i32,
    pub updated_number_scheduled: i32,
    pub number_available: i32,
}

/// A ReplicaSet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct ReplicaSet {
    pub metadata: Meta,
    #[serde(deserialize_with = "or_default")]
    status: ReplicaSetStatus,
}

/// The status of a ReplicaSet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
struct ReplicaSetStatus {
    #[serde(deserialize_with = "conditions")]
    conditions: Box<[Condition]>,
}

/// A Namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Namespace {
    pub metadata: Meta,
}

macro_rules! find_condition {
    ($($type:ident)*) => {$(
        impl $type {
            /// The condition of this type.
            pub fn condition(&self, type_: &str) -> Option<&Condition> {
                condition::find(&self.status.conditions, type_)
            }
        }
    )*};
}

find_condition!(Deployment ReplicaSet);
slim!(Deployment: "apps" "v1" "Deployment" "deployments" NamespaceResourceScope, owned);
slim!(StatefulSet: "apps" "v1" "StatefulSet" "statefulsets" NamespaceResourceScope, owned);
slim!(DaemonSet: "apps" "v1" "DaemonSet" "daemonsets" NamespaceResourceScope, owned);
slim!(ReplicaSet: "apps" "v1" "ReplicaSet" "replicasets" NamespaceResourceScope);
slim!(Namespace: "" "v1" "Namespace" "namespaces" ClusterResourceScope);
