//! Applies the events of a watch to its store, and reports the changes.
//!
//! Invariant: the store is changed before the change is reported; an object that cannot be decoded becomes an
//! [`Undecodable`], and an object that is not accepted is removed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;

use super::watched::{Watched, key};
use crate::cluster::store::{Delta, Store, Undecodable};
use crate::cluster::telemetry::Telemetry;

/// Maximum bytes of a decoding error.
const ERROR_LENGTH: usize = 512;

/// Applies events to the store and reports the changes.
pub(super) struct Feed<K, F, C> {
    pub(super) kind: &'static str,
    pub(super) store: Store<K>,
    pub(super) telemetry: Telemetry,
    pub(super) accepts: F,
    pub(super) changed: C,
}

impl<K, F, C> Feed<K, F, C>
where
    K: Watched,
    F: Fn(&ObjectMeta) -> bool,
    C: Fn(Delta<K>),
{
    pub(super) fn take(&self, event: Event<DeserializeGuard<K::Wire>>) {
        match event {
            Event::Init => self.store.begin_list(),
            Event::InitApply(object) | Event::Apply(object) => self.apply(object),
            Event::Delete(object) => {
                let (namespace, name) = key(object.meta());
                self.notify(self.store.remove(namespace, name));
            }
            Event::InitDone => self.notify(self.store.end_list()),
        }
    }

    fn apply(&self, object: DeserializeGuard<K::Wire>) {
        let meta = object.meta();
        let (namespace, name) = (key(meta).0.to_owned(), key(meta).1.to_owned());
        if !(self.accepts)(meta) {
            return self.notify(self.store.remove(&namespace, &name));
        }
        match object.0 {
            Ok(wire) => {
                let is_same = |old: &K, new: &K| !old.version().is_empty() && old.version() == new.version();
                let mut new = K::from_wire(wire);
                if let Some(before) = self.store.get(&namespace, &name) {
                    new.follow(&before);
                }
                self.notify(self.store.apply(&namespace, &name, new, is_same));
            }
            Err(invalid) => {
                self.telemetry.decode_error(self.kind);
                let mut error = invalid.error;
                error.truncate(error.floor_char_boundary(ERROR_LENGTH));
                let version = invalid.metadata.resource_version.unwrap_or_default();
                self.notify(self.store.apply_undecodable(Undecodable { namespace, name, version, error }));
            }
        }
    }

    fn notify(&self, deltas: impl IntoIterator<Item = Delta<K>>) {
        deltas.into_iter().for_each(&self.changed);
    }
}
