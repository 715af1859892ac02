//! The process: client, lease, watches, queue, probes; and what happens to an object whose pass fails or panics.
//!
//! A background task that ends ends the process: a controller that is half alive is worse than one that is restarted.

use super::queue::{Key, Queue};
use super::reconcile::{Again, ReconcileError, reconcile};
use super::wake::Wake;
use crate::cluster::events::notes;
use crate::cluster::lease;
use crate::cluster::lease::LeaseConfig;
use crate::cluster::{Clients, Clock, ContextError, Fence, Memo, Metrics, Own, Resources, Stores, Versions};
use crate::observe::ObserveError;
use crate::process::probes;
use crate::process::probes::{Part, Probes};
use crate::process::{Handles, Settings};
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Why the controller ended.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// A handle could not be made, or broke.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A part that must run for as long as the process ended.
    #[error("{0} ended")]
    Ended(&'static str),
}

/// Runs until `shutdown`.
pub async fn run(
    config: kube::Config,
    settings: Settings,
    shutdown: CancellationToken,
) -> Result<(), ControllerError> {
    let (metrics, fence, clock) = (Metrics::new(), Fence::new(), Clock::system());
    let clients = Clients::new(&config, settings.client.clone(), fence.clone(), metrics.clone())?;
    let (queue, stores) = (Queue::default(), Stores::default());
    let own = tokio::select! {
        own = Own::ask(&clients, &settings.lease_namespace) => Arc::new(own),
        () = shutdown.cancelled() => return Ok(()),
    };
    let wake = Wake::new(stores.clone(), queue.clone());
    let (notes, writer) = notes(clock.clone(), metrics.clone());
    let handles = Handles {
        clients: clients.clone(),
        stores: stores.clone(),
        versions: Versions::new(),
        notes,
        metrics: metrics.clone(),
        clock: clock.clone(),
        fence: fence.clone(),
        settings: Arc::new(settings.clone()),
        own,
        resources: Resources::default(),
        contents: Memo::new(32),
        grants: Memo::new(10_000),
        policies: Memo::new(1),
        rights: Memo::new(10_000),
        trials: Memo::new(1_000),
        written: Memo::new(1_000),
        rolled_out: Memo::new(10_000),
        refused: Memo::new(1_000),
        rejected: Memo::new(1_000),
        trimmed: Memo::new(1_000),
    };
    let identity = lease::unique_identity(&settings.replica);
    tokio::spawn(writer.run(clients.operator(), fence.clone(), identity.clone()));
    let ready = stores.clone();
    let probes = Probes::new(metrics.clone(), [Part::new("watches", move || ready.are_ready())]);
    let listener = probes::listen(settings.listen).await?;
    let server = tokio::spawn(probes::serve(listener, probes, shutdown.clone().cancelled_owned()));
    let lease = LeaseConfig {
        namespace: settings.lease_namespace.clone(),
        name: settings.lease_name.clone(),
        identity,
        duration: settings.lease_duration,
        renewal: settings.lease_renewal,
    };
    // The lease is given up behind the last write, so that the next leader starts from what is there.
    let drained = CancellationToken::new();
    let election = tokio::spawn(lease::run(
        clients.lease(),
        lease,
        fence.clone(),
        metrics.clone(),
        clock,
        drained.clone().cancelled_owned(),
    ));
    let on_change = wake.clone();
    let mut watches = tokio::select! {
        watches = stores.start(&clients, &settings, &metrics, move |change| on_change.on(change)) => watches,
        () = shutdown.cancelled() => { drained.cancel(); return Ok(()); }
    };
    tracing::info!(replica = settings.replica, "watches are ready");
    let outcome = tokio::select! {
        () = lead(&handles, &queue, &wake, settings.concurrency) => Err(ControllerError::Ended("the queue")),
        error = watches.ended() => Err(error.into()),
        () = shutdown.cancelled() => Ok(()),
    };
    fence.idle().await;
    drained.cancel();
    let released = tokio::time::timeout(Duration::from_secs(3), election).await;
    if outcome.is_ok() && !matches!(released, Ok(Ok(Ok(())))) {
        tracing::warn!("the lease was not given up; it expires by itself");
    }
    server.abort();
    outcome
}

/// Looks at objects while this replica leads; begins anew with every term.
async fn lead(handles: &Handles, queue: &Queue, wake: &Wake, concurrency: usize) {
    let places = Arc::new(Semaphore::new(concurrency.max(1)));
    let failures: Memo<Key, u32> = Memo::new(10_000);
    loop {
        let epoch = match handles.fence.epoch() {
            Some(epoch) => epoch,
            None => {
                handles.metrics.set_leading(false);
                let _ = handles.fence.changed_from(None).await;
                continue;
            }
        };
        handles.metrics.set_leading(true);
        tracing::info!(epoch, "leading");
        queue.clear();
        handles.versions.clear();
        wake.all();
        let term = async {
            loop {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                let key = queue.next().await;
                let (handles, queue, failures) = (handles.clone(), queue.clone(), failures.clone());
                tokio::spawn(async move {
                    pass(&handles, &queue, &failures, &key).await;
                    drop(place);
                });
            }
        };
        tokio::select! {
            () = term => return,
            _ = handles.fence.changed_from(Some(epoch)) => tracing::warn!(epoch, "not leading any more"),
        }
    }
}

/// One pass; what it leaves behind decides when the next one is.
async fn pass(handles: &Handles, queue: &Queue, failures: &Memo<Key, u32>, key: &Key) {
    let result = AssertUnwindSafe(reconcile(handles, key)).catch_unwind().await;
    let again = match result {
        Ok(Ok(again)) => {
            failures.forget(key);
            match again {
                Again::OnChange => None,
                Again::In(after) => Some(after),
            }
        }
        Ok(Err(ReconcileError::Observe(ObserveError::Stale { .. }))) => Some(Duration::from_millis(20)),
        Ok(Err(error)) => Some(failed(failures, key, &error)),
        Err(_) => {
            handles.metrics.reconcile_panicked(key.kind.as_str());
            tracing::error!(
                kind = key.kind.as_str(),
                namespace = key.namespace,
                name = key.name,
                "quarantined after a panic"
            );
            Some(Duration::from_secs(300))
        }
    };
    queue.done(key);
    match again {
        Some(Duration::ZERO) => queue.push(key.clone()),
        Some(after) => queue.push_at(key.clone(), Instant::now() + after),
        None => {}
    }
}

/// Backs off; a conflict with a version that is already old is looked at again soon.
fn failed(failures: &Memo<Key, u32>, key: &Key, error: &ReconcileError) -> Duration {
    let conflict =
        matches!(error, ReconcileError::Act(error) if error.code() == Some(409) || error.code() == Some(422));
    let mut count = 0;
    failures.change(key.clone(), |failures| {
        *failures = failures.saturating_add(1);
        count = *failures;
    });
    // Another object of a project may be new to the API server's caches; so is a failed write.
    if count > 2 || !conflict {
        tracing::warn!(kind = key.kind.as_str(), namespace = key.namespace, name = key.name, error = %error, "pass failed");
    }
    // A workload's controller may write its status between our look and our write: the next look is all it takes.
    if conflict && count == 1 {
        return Duration::ZERO;
    }
    let base = if conflict { 20 } else { 100 };
    Duration::from_millis(base << count.min(9)).min(Duration::from_secs(30))
}
