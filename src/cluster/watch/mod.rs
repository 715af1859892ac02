//! One supervised watch per kind, from the API server into a [`Store`].
//!
//! Flow: list, watch, and watch again from the last version seen; kube's watcher does that. Around it, this: every
//! error is followed by a jittered pause; an error that kube's watcher would repeat for ever (410 and 504 at the start
//! of a watch) and a stream that was silent for a minute, bookmarks included, throw the stream away for a new list.
//!
//! Invariants: an object that does not fit its type is kept as undecodable and stops nobody else; the callback runs
//! after the store changed, in order; the task never ends by itself, and if it does, [`Watch::ended`] says so.

mod feed;
mod supervisor;

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::client::Clients;
use super::error::ContextError;
use super::pulse::Pulse;
use super::store::{Delta, Store};
use super::telemetry::Telemetry;
use crate::api::{KeptRelease, Release, Trim};
use feed::Feed;
use supervisor::Supervisor;

/// A kind that can be watched: what the API server sends, and what is kept of it.
pub trait Watched: Send + Sync + Sized + 'static {
    /// The type that is decoded.
    type Wire: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static;

    /// What is kept.
    fn keep(wire: Self::Wire) -> Self;

    /// The version at which it was seen.
    fn version(&self) -> &str;

    /// Its namespace, empty for a cluster-scoped kind, and its name.
    fn place(&self) -> (&str, &str);
}

/// Thousands of releases are watched.
impl Watched for KeptRelease {
    type Wire = Release;

    fn keep(wire: Release) -> Self {
        wire.into()
    }

    fn version(&self) -> &str {
        self.resource_version()
    }

    fn place(&self) -> (&str, &str) {
        (self.namespace(), self.name())
    }
}

/// Our other kinds are kept whole, but for what each says that nobody reads.
impl<K> Watched for K
where
    K: Trim + Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    type Wire = K;

    fn keep(mut wire: K) -> K {
        trim_metadata(wire.meta_mut());
        wire.trim();
        wire
    }

    fn version(&self) -> &str {
        self.meta().resource_version.as_deref().unwrap_or_default()
    }

    fn place(&self) -> (&str, &str) {
        place(self.meta())
    }
}

/// A kind of Kubernetes kept whole, but for metadata that nobody reads.
#[derive(Debug, Clone)]
pub struct Whole<K>(pub K);

impl<K> Watched for Whole<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    type Wire = K;

    fn keep(mut wire: K) -> Self {
        trim_metadata(wire.meta_mut());
        Self(wire)
    }

    fn version(&self) -> &str {
        self.0.meta().resource_version.as_deref().unwrap_or_default()
    }

    fn place(&self) -> (&str, &str) {
        place(self.0.meta())
    }
}

/// Nobody reads what owned the fields, what was applied last, or who the owner is.
fn trim_metadata(meta: &mut ObjectMeta) {
    (meta.managed_fields, meta.annotations, meta.owner_references) = (None, None, None);
}

/// Namespace and name.
fn place(meta: &ObjectMeta) -> (&str, &str) {
    (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
}

/// How a watch is kept alive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchOptions {
    /// Seconds after which the API server ends one watch request; a bookmark comes shortly before.
    pub server_timeout: u32,
    /// A stream without any sign of life for so long is built anew.
    pub silence: Duration,
    /// Objects per page of a list.
    pub page_size: u32,
    /// First pause after an error.
    pub first_pause: Duration,
    /// Longest pause after an error.
    pub longest_pause: Duration,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            server_timeout: 50,
            silence: Duration::from_secs(60),
            page_size: 100,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
        }
    }
}

/// A running watch. Dropping it ends the task.
#[derive(Debug)]
pub struct Watch {
    kind: &'static str,
    relist: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Watch {
    /// Watches every object of the kind, named `kind` in metrics and logs, into `store`.
    ///
    /// Only objects whose metadata `keep` accepts are stored. Its answers may change; call [`Watch::relister`] when it
    /// accepts more than before. `changed` is called after each change of the store, from the watch's task: it must
    /// not block.
    pub fn start<K: Watched>(
        kind: &'static str,
        clients: &Clients,
        options: WatchOptions,
        store: Store<K>,
        telemetry: Telemetry,
        keep: impl Fn(&ObjectMeta) -> bool + Send + Sync + 'static,
        changed: impl Fn(Delta<K>) + Send + Sync + 'static,
    ) -> Self {
        let (pulse, relist) = (Pulse::new(), Arc::new(Notify::new()));
        telemetry.watch_age(kind, &pulse);
        let feed = Feed { kind, store, telemetry, keep, changed };
        let api = Api::all(clients.watching(&pulse));
        let supervisor = Supervisor { api, options, pulse, relist: Arc::clone(&relist) };
        Self { kind, relist, task: tokio::spawn(supervisor.supervise(feed)) }
    }

    /// Lists again, because `keep` accepts more than before. Calls during a list add up to one more list.
    pub fn relister(&self) -> impl Fn() + Send + Sync + use<> {
        let relist = Arc::clone(&self.relist);
        move || relist.notify_one()
    }

    /// Waits until the task ends, which it should not.
    pub fn ended(&mut self) -> impl Future<Output = ContextError> {
        let (kind, task) = (self.kind, &mut self.task);
        async move {
            let reason = match task.await {
                Ok(()) => "it returned".to_owned(),
                Err(error) if error.is_panic() => "it panicked".to_owned(),
                Err(_) => "it was aborted".to_owned(),
            };
            ContextError::TaskEnded { task: format!("watch of {kind}"), reason }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
