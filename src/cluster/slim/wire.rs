//! Passes slim types through kube's watcher, inside a [`Wire`] that carries kube's own metadata.
//!
//! kube requires an `ObjectMeta`, 350 bytes without its strings. It exists from decoding to the store only, and holds
//! what is read on the way: name, namespace, version.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Deserializer};

use super::meta::Meta;
use super::owned::Owned;

/// A slim type: which kind it is of, and its metadata.
pub trait Slim: Clone + std::fmt::Debug + Send + Sync + 'static {
    const GROUP: &'static str;
    const VERSION: &'static str;
    const KIND: &'static str;
    const PLURAL: &'static str;
    /// Namespaced or not, as kube has it.
    type Scope;

    /// The metadata.
    fn meta(&self) -> &Meta;

    /// What its managedFields say about the fields that Towpath wrote, if they are read.
    fn owned(&self) -> Owned {
        Owned::default()
    }

    /// Whether its fields have to be compared with what was written, and were not yet, given the version before it.
    fn has_news_of_fields(&self, before: Option<&Self>) -> bool {
        let (now, then) = (self.owned(), before.map(Self::owned).unwrap_or_default());
        let generation = before.map_or(0, |before| before.meta().generation);
        (now.may_have_drifted() || then.may_have_drifted())
            && (now != then || generation != self.meta().generation)
    }

    /// Takes over what only the version before it shows.
    fn follow(&mut self, _before: &Self) {}
}

/// A slim object passed from kube's watcher to the store.
#[derive(Debug, Clone)]
pub struct Wire<K> {
    metadata: ObjectMeta,
    object: K,
}

impl<'de, K: Slim + Deserialize<'de>> Deserialize<'de> for Wire<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = K::deserialize(deserializer)?;
        let meta = object.meta();
        let metadata = ObjectMeta {
            name: Some(meta.name().to_owned()),
            namespace: Some(meta.namespace().to_owned()).filter(|namespace| !namespace.is_empty()),
            resource_version: Some(meta.resource_version().to_owned()),
            ..ObjectMeta::default()
        };
        Ok(Self { metadata, object })
    }
}

impl<K: Slim> kube::Resource for Wire<K> {
    type DynamicType = ();
    type Scope = K::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        K::KIND.into()
    }

    fn group((): &()) -> Cow<'_, str> {
        K::GROUP.into()
    }

    fn version((): &()) -> Cow<'_, str> {
        K::VERSION.into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        K::PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Declares the kind of a slim type, and makes it watchable.
macro_rules! slim {
    ($type:ident: $group:literal $version:literal $kind:literal $plural:literal $scope:ident $(, $owned:ident)?) => {
        impl $crate::cluster::slim::wire::Slim for $type {
            const GROUP: &'static str = $group;
            const VERSION: &'static str = $version;
            const KIND: &'static str = $kind;
            const PLURAL: &'static str = $plural;
            type Scope = kube::core::$scope;

            fn meta(&self) -> &$crate::cluster::slim::Meta {
                &self.metadata
            }

            $(
                fn owned(&self) -> $crate::cluster::slim::Owned {
                    self.metadata.$owned
                }

                fn follow(&mut self, before: &Self) {
                    self.metadata.follow(&before.metadata);
                }
            )?
        }

        impl $crate::cluster::watch::Watched for $type {
            type Wire = $crate::cluster::slim::Wire<$type>;

            fn from_wire(wire: Self::Wire) -> Self {
                wire.into_object()
            }

            fn follow(&mut self, before: &Self) {
                $crate::cluster::slim::wire::Slim::follow(self, before);
            }

            fn version(&self) -> &str {
                self.metadata.resource_version()
            }

            fn key(&self) -> (&str, &str) {
                (self.metadata.namespace(), self.metadata.name())
            }
        }
    };
}
pub(super) use slim;

impl<K> Wire<K> {
    /// The object without kube's metadata.
    pub fn into_object(self) -> K {
        self.object
    }
}
