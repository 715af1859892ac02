//! One supervised watch per kind, from the API server into a [`Store`].
//!
//! Flow: list, watch, and watch again from the last version seen; kube's watcher does that. Around it, this: every
//! error is followed by a jittered pause; an error that kube's watcher would repeat for ever (410 and 504 at the start
//! of a watch) and a stream that was silent for a minute, bookmarks included, throw the stream away for a new list.
//!
//! Invariants: an object that does not fit its type is kept as undecodable and stops nobody else; the callback runs
//! after the store changed, in order; the task never ends by itself, and if it does, [`Watch::ended`] says so.

use std::fmt::Debug;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, CustomResourceExt, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep};

use super::backoff::Backoff;
use super::client::{Clients, Pulse};
use super::error::{ContextError, brief, status_of};
use super::metrics::Metrics;
use super::store::{Delta, Store, Undecodable};

/// Most bytes of what is kept of a decoding error.
const ERROR_LENGTH: usize = 512;
/// Errors in a row after which the stream is built anew, whatever they are.
const PATIENCE: u32 = 4;

/// A kind that can be watched: what the API server sends, and what is kept of it.
pub trait Watched: Send + Sync + Sized + 'static {
    /// The type that is decoded.
    type Wire: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static;

    /// What is kept.
    fn keep(wire: Self::Wire) -> Self;

    /// The version at which it was seen.
    fn version(&self) -> &str;
}

/// Our own kinds are kept whole, but for the managed fields.
impl<K> Watched for K
where
    K: CustomResourceExt
        + Resource<DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    type Wire = K;

    fn keep(mut wire: K) -> K {
        wire.meta_mut().managed_fields = None;
        wire
    }

    fn version(&self) -> &str {
        self.meta().resource_version.as_deref().unwrap_or_default()
    }
}

/// A kind of Kubernetes kept whole, but for the managed fields.
#[derive(Debug, Clone)]
pub struct Whole<K>(pub K);

impl<K> Watched for Whole<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    type Wire = K;

    fn keep(mut wire: K) -> Self {
        wire.meta_mut().managed_fields = None;
        Self(wire)
    }

    fn version(&self) -> &str {
        self.0.meta().resource_version.as_deref().unwrap_or_default()
    }
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
            page_size: 500,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
        }
    }
}

/// A running watch. Dropping it ends the task.
#[derive(Debug)]
pub struct Watch<K> {
    kind: &'static str,
    store: Store<K>,
    pulse: Pulse,
    relist: Arc<Notify>,
    task: JoinHandle<()>,
}

impl<K: Watched> Watch<K> {
    /// Watches every object of the kind, named `kind` in metrics and logs, into `store`.
    ///
    /// Only objects whose metadata `keep` accepts are stored. Its answers may change; call [`Watch::relist`] when it
    /// accepts more than before. `changed` is called after each change of the store, from the watch's task: it must
    /// not block.
    pub fn start(
        kind: &'static str,
        clients: &Clients,
        options: WatchOptions,
        store: Store<K>,
        metrics: Metrics,
        keep: impl Fn(&ObjectMeta) -> bool + Send + Sync + 'static,
        changed: impl Fn(Delta<K>) + Send + Sync + 'static,
    ) -> Self {
        let (pulse, relist) = (Pulse::new(), Arc::new(Notify::new()));
        metrics.watch_age(kind, &pulse);
        let feed = Feed { kind, store: store.clone(), metrics, keep, changed };
        let supervisor = Supervisor {
            api: Api::all(clients.watching(&pulse)),
            options,
            pulse: pulse.clone(),
            relist: Arc::clone(&relist),
        };
        Self { kind, store, pulse, relist, task: tokio::spawn(supervisor.supervise(feed)) }
    }

    /// The objects.
    pub fn store(&self) -> &Store<K> {
        &self.store
    }

    /// When the API server was last heard.
    pub fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// List again, because `keep` accepts more than before. Calls during a list add up to one more list.
    pub fn relist(&self) {
        self.relist.notify_one();
    }

    /// A handle that does the same as [`Watch::relist`].
    pub fn relister(&self) -> impl Fn() + Send + Sync + use<K> {
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

impl<K> Drop for Watch<K> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Keeps one stream alive.
struct Supervisor<W> {
    api: Api<DeserializeGuard<W>>,
    options: WatchOptions,
    pulse: Pulse,
    relist: Arc<Notify>,
}

/// Why a stream is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anew {
    Asked,
    Silent,
    Broken,
}

impl<W> Supervisor<W>
where
    W: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    async fn supervise<K, F, C>(self, feed: Feed<K, F, C>)
    where
        K: Watched<Wire = W>,
        F: Fn(&ObjectMeta) -> bool,
        C: Fn(Delta<K>),
    {
        let mut backoff = Backoff::new(self.options.first_pause, self.options.longest_pause);
        loop {
            let reason = self.follow(&feed, &mut backoff).await;
            if reason != Anew::Asked {
                tracing::warn!(kind = feed.kind, ?reason, "watch built anew");
            }
            feed.metrics.watch_restarted(feed.kind);
        }
    }

    /// Feeds from one stream until it has to be built anew.
    async fn follow<K, F, C>(&self, feed: &Feed<K, F, C>, backoff: &mut Backoff) -> Anew
    where
        K: Watched<Wire = W>,
        F: Fn(&ObjectMeta) -> bool,
        C: Fn(Delta<K>),
    {
        let config =
            watcher::Config::default().timeout(self.options.server_timeout).page_size(self.options.page_size);
        let mut stream = pin!(watcher(self.api.clone(), config));
        let mut look = interval((self.options.silence / 12).max(Duration::from_millis(1)));
        self.pulse.beat();
        loop {
            let event = tokio::select! {
                event = stream.next() => event,
                () = self.relist.notified() => return Anew::Asked,
                _ = look.tick() => {
                    if self.pulse.age() >= self.options.silence {
                        return Anew::Silent;
                    }
                    continue;
                }
            };
            match event {
                Some(Ok(event)) => {
                    backoff.reset();
                    feed.take(event);
                }
                Some(Err(error)) => {
                    let pause = backoff.next_delay();
                    tracing::warn!(kind = feed.kind, error = brief_of(&error), "watch failed");
                    sleep(pause).await;
                    if is_final(&error) || backoff.failures().is_multiple_of(PATIENCE) {
                        return Anew::Broken;
                    }
                }
                None => return Anew::Broken,
            }
        }
    }
}

/// Whether kube's watcher would go on from a version that is of no use, or over a line that it could not read.
fn is_final(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            matches!(error, kube::Error::SerdeError(_))
                || status_of(error).is_some_and(|status| matches!(status.code, 410 | 504))
        }
        watcher::Error::WatchError(_) | watcher::Error::NoResourceVersion => true,
        watcher::Error::InitialListFailed(_) => false,
    }
}

fn brief_of(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(error) => format!("list: {}", brief(error)),
        watcher::Error::WatchStartFailed(error) => format!("start: {}", brief(error)),
        watcher::Error::WatchFailed(error) => format!("stream: {}", brief(error)),
        watcher::Error::WatchError(status) => format!("stream: {} {}", status.code, status.reason),
        watcher::Error::NoResourceVersion => "no resourceVersion".to_owned(),
    }
}

/// Puts events into the store and tells of the changes.
struct Feed<K, F, C> {
    kind: &'static str,
    store: Store<K>,
    metrics: Metrics,
    keep: F,
    changed: C,
}

impl<K, F, C> Feed<K, F, C>
where
    K: Watched,
    F: Fn(&ObjectMeta) -> bool,
    C: Fn(Delta<K>),
{
    fn take(&self, event: Event<DeserializeGuard<K::Wire>>) {
        match event {
            Event::Init => self.store.begin_list(),
            Event::InitApply(object) | Event::Apply(object) => self.apply(object),
            Event::Delete(object) => {
                let (namespace, name) = place(object.meta());
                self.tell(self.store.remove(namespace, name));
            }
            Event::InitDone => self.tell(self.store.end_list()),
        }
    }

    fn apply(&self, object: DeserializeGuard<K::Wire>) {
        let meta = object.meta();
        let (namespace, name) = (place(meta).0.to_owned(), place(meta).1.to_owned());
        if !(self.keep)(meta) {
            return self.tell(self.store.remove(&namespace, &name));
        }
        match object.0 {
            Ok(wire) => {
                let is_same = |old: &K, new: &K| !old.version().is_empty() && old.version() == new.version();
                self.tell(self.store.apply(&namespace, &name, K::keep(wire), is_same));
            }
            Err(invalid) => {
                self.metrics.decode_error(self.kind);
                let mut error = invalid.error;
                error.truncate(error.floor_char_boundary(ERROR_LENGTH));
                let version = invalid.metadata.resource_version.unwrap_or_default();
                self.tell(self.store.apply_undecodable(Undecodable { namespace, name, version, error }));
            }
        }
    }

    fn tell(&self, deltas: impl IntoIterator<Item = Delta<K>>) {
        deltas.into_iter().for_each(&self.changed);
    }
}

fn place(meta: &ObjectMeta) -> (&str, &str) {
    (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default())
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
