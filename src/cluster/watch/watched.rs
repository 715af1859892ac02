//! Kinds that can be watched, and what is stored of each.

use std::fmt::Debug;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::DeserializeOwned;

use crate::api::{CachedRelease, Release, Trim};

/// A kind that can be watched: what the API server sends, and what is stored of it.
pub trait Watched: Send + Sync + Sized + 'static {
    /// The type that is decoded.
    type Wire: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static;

    /// Returns what is stored.
    fn from_wire(wire: Self::Wire) -> Self;

    /// Its resourceVersion.
    fn version(&self) -> &str;

    /// Its namespace, empty for a cluster-scoped kind, and its name.
    fn key(&self) -> (&str, &str);

    /// Takes over what only the version before it shows.
    fn follow(&mut self, _before: &Self) {}
}

/// Releases are stored in a compact form: there are thousands.
impl Watched for CachedRelease {
    type Wire = Release;

    fn from_wire(wire: Release) -> Self {
        wire.into()
    }

    fn version(&self) -> &str {
        self.resource_version()
    }

    fn key(&self) -> (&str, &str) {
        (self.namespace(), self.name())
    }
}

/// The other kinds of Towpath are stored without the fields that no code reads.
impl<K> Watched for K
where
    K: Trim + Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    type Wire = K;

    fn from_wire(mut wire: K) -> K {
        trim_metadata(wire.meta_mut());
        wire.trim();
        wire
    }

    fn version(&self) -> &str {
        self.meta().resource_version.as_deref().unwrap_or_default()
    }

    fn key(&self) -> (&str, &str) {
        key(self.meta())
    }
}

/// A kind of Kubernetes that is stored without the metadata that no code reads.
#[derive(Debug, Clone)]
pub struct Whole<K>(pub K);

impl<K> Watched for Whole<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    type Wire = K;

    fn from_wire(mut wire: K) -> Self {
        trim_metadata(wire.meta_mut());
        Self(wire)
    }

    fn version(&self) -> &str {
        self.0.meta().resource_version.as_deref().unwrap_or_default()
    }

    fn key(&self) -> (&str, &str) {
        key(self.0.meta())
    }
}

/// Drops metadata that no code reads.
fn trim_metadata(meta: &mut ObjectMeta) {
    (meta.managed_fields, meta.annotations, meta.owner_references) = (None, None, None);
}

/// Namespace and name.
pub(super) fn key(meta: &ObjectMeta) -> (&str, &str) {
    (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
}
