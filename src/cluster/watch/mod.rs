//! One supervised watch per kind, from the API server into a [`Store`].
//!
//! Flow: list, watch, and watch again from the last version seen; kube's watcher does that. This module adds:
//! a jittered pause after every error; and a new list after an error that kube's watcher would repeat forever (410 and
//! 504 at the start of a watch), and after a minute of silence, bookmarks included.
//!
//! Invariants: an object that cannot be decoded is stored as undecodable and does not affect others; the callback runs
//! after the store changed, in order; the task never ends, and if it does, [`Watch::ended`] returns.

mod feed;
mod options;
mod supervisor;
mod watched;

use std::future::Future;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::client::Clients;
use super::error::ClusterError;
use super::pulse::Pulse;
use super::store::{Delta, Store};
use super::telemetry::Telemetry;
use feed::Feed;
pub use options::WatchOptions;
use supervisor::Supervisor;
pub use watched::{Watched, Whole};

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
    /// Only objects whose metadata `accepts` accepts are stored. Use [`Watch::relister`] when it accepts
    /// more than before. `changed` is called after each change of the store, from the watch's task: it must
    /// not block.
    pub fn start<K: Watched>(
        kind: &'static str,
        clients: &Clients,
        options: WatchOptions,
        store: Store<K>,
        telemetry: Telemetry,
        accepts: impl Fn(&ObjectMeta) -> bool + Send + Sync + 'static,
        changed: impl Fn(Delta<K>) + Send + Sync + 'static,
    ) -> Self {
        let (pulse, relist) = (Pulse::new(), Arc::new(Notify::new()));
        telemetry.watch_age(kind, &pulse);
        let feed = Feed { kind, store, telemetry, accepts, changed };
        let api = Api::all(clients.watching(&pulse));
        let supervisor = Supervisor { api, options, pulse, relist: Arc::clone(&relist) };
        Self { kind, relist, task: tokio::spawn(supervisor.supervise(feed)) }
    }

    /// Returns a function that lists again, for when `accepts` accepts more than before. Calls during a list cause one more list.
    pub fn relister(&self) -> impl Fn() + Send + Sync + use<> {
        let relist = Arc::clone(&self.relist);
        move || relist.notify_one()
    }

    /// Waits until the task ends, which it should not.
    pub fn ended(&mut self) -> impl Future<Output = ClusterError> {
        let (kind, task) = (self.kind, &mut self.task);
        async move {
            let reason = match task.await {
                Ok(()) => "it returned".to_owned(),
                Err(error) if error.is_panic() => "it panicked".to_owned(),
                Err(_) => "it was aborted".to_owned(),
            };
            ClusterError::TaskEnded { task: format!("watch of {kind}"), reason }
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
