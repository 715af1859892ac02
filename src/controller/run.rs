//! The process: client, lease, watches, queue, probes.
//!
//! A background task that ends ends the process: a controller that works in part is worse than one that is restarted.

use super::notify;
use super::notify::Inbox;
use super::pass::Passes;
use super::queue::Queue;
use super::scrape;
use super::wake::Wake;
use crate::cluster::events::event_queue;
use crate::cluster::lease;
use crate::cluster::lease::LeaseConfig;
use crate::cluster::stores::watches::Watches;
use crate::cluster::{
    Change, Clients, ClusterError, Fence, OwnIdentity, Resources, Stores, Telemetry, Versions,
};
use crate::content::object::kinds;
use crate::probe::{Credentials, Forbidden, Prober, Resolver};
use crate::process::probes;
use crate::process::probes::{Part, Probes};
use crate::process::{
    Caches, Clock, Due, Handles, Memory, Metrics, ProcessError, Providers, Requeue, Settings,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Why the controller ended.
#[derive(Debug, thiserror::Error)]
pub enum ControllerError {
    /// A handle could not be created, or broke.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The probe and metrics server failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
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
    let (telemetry, fence) = (Telemetry::default(), Fence::new());
    let clients = Clients::new(&config, settings.client.clone(), fence.clone(), telemetry.clone())?;
    let clock = Clock::of(clients.server_time());
    let (queue, stores) = (Queue::default(), Stores::default());
    let metrics = {
        let (stores, clock) = (stores.clone(), clock.clone());
        Metrics::new(&telemetry, move || scrape::observe(&stores, &clock))
    };
    let own = tokio::select! {
        own = OwnIdentity::ask(&clients, &settings.lease_namespace) => Arc::new(own),
        () = shutdown.cancelled() => return Ok(()),
    };
    let (wake, inbox) = (Wake::new(stores.clone(), queue.clone()), Inbox::default());
    let (events, writer) = event_queue(telemetry.clone());
    let (requeue, ended) = Requeue::new();
    tokio::spawn(forward(ended, wake.clone()));
    let handles = Handles {
        clients: clients.clone(),
        stores,
        versions: Versions::new(),
        events,
        metrics,
        clock: clock.clone(),
        fence: fence.clone(),
        settings: Arc::new(settings.clone()),
        own,
        resources: Resources::new(kinds::plural),
        memory: Memory::default(),
        prober: prober(&config, &settings).await,
        providers: Providers::default(),
        requeue,
        caches: Caches::default(),
    };
    let identity = lease::unique_identity(&settings.replica);
    tokio::spawn(writer.run(clients.operator(), fence.clone(), identity.clone()));
    let server = serve_probes(&handles, shutdown.clone()).await?;
    // The lease is released after the last write, so that the next leader starts from the final state.
    let drained = CancellationToken::new();
    let election = tokio::spawn(lease::run(
        clients.lease(),
        own_lease(&settings, identity),
        fence.clone(),
        telemetry.clone(),
        move || clock.now(),
        drained.clone().cancelled_owned(),
    ));
    let mut watches = tokio::select! {
        watches = watch(&handles, &telemetry, wake.clone(), inbox.clone()) => watches,
        () = shutdown.cancelled() => { drained.cancel(); return Ok(()); }
    };
    tracing::info!(replica = settings.replica, "watches are ready");
    let outcome = tokio::select! {
        () = lead(&handles, &telemetry, &queue, &wake, &inbox) => Err(ControllerError::Ended("the queue")),
        error = watches.ended() => Err(error.into()),
        () = shutdown.cancelled() => Ok(()),
    };
    fence.idle().await;
    drained.cancel();
    let released = tokio::time::timeout(Duration::from_secs(3), election).await;
    if outcome.is_ok() && !matches!(released, Ok(Ok(Ok(())))) {
        tracing::warn!("the lease was not released; it expires");
    }
    server.abort();
    outcome
}

/// Queues objects because something ended that no watch reports.
async fn forward(mut ended: UnboundedReceiver<Due>, wake: Wake) {
    while let Some(object) = ended.recv().await {
        wake.due(&object);
    }
}

/// Serves the probes and metrics until `shutdown`.
async fn serve_probes(
    handles: &Handles,
    shutdown: CancellationToken,
) -> Result<JoinHandle<Result<(), ProcessError>>, ControllerError> {
    let stores = handles.stores.clone();
    let watches = Part::new("watches", move || stores.are_ready());
    let probes = Probes::new(handles.metrics.clone(), [watches]);
    let listener = probes::listen(handles.settings.listen).await?;
    Ok(tokio::spawn(probes::serve(listener, probes, shutdown.cancelled_owned())))
}

/// The Lease of the controller, as this replica asks for it.
fn own_lease(settings: &Settings, identity: String) -> LeaseConfig {
    LeaseConfig {
        namespace: settings.lease_namespace.clone(),
        name: settings.lease_name.clone(),
        identity,
        duration: settings.lease_duration,
        renewal: settings.lease_renewal,
    }
}

/// Starts the watches, whose changes queue objects and notify.
async fn watch(handles: &Handles, telemetry: &Telemetry, wake: Wake, inbox: Inbox) -> Watches {
    let memory = handles.memory.clone();
    let changed = move |change| {
        if let Change::Promotion { gone: Some(uid), .. } = &change {
            memory.forget(uid);
        }
        inbox.on(&change);
        wake.on(change);
    };
    handles.stores.start(&handles.clients, &handles.settings.scope, telemetry, changed).await
}

async fn prober(config: &kube::Config, settings: &Settings) -> Prober {
    let credentials = Credentials::below(settings.credentials.clone());
    Prober::new(credentials, api_server(config).await, Resolver::default())
}

/// The addresses of the API server, which no check and no notification may reach.
async fn api_server(config: &kube::Config) -> Forbidden {
    let mut addresses = Vec::new();
    let url = &config.cluster_url;
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    for name in [host, "kubernetes.default.svc"] {
        if let Ok(found) = tokio::net::lookup_host((name, url.port_u16().unwrap_or(443))).await {
            addresses.extend(found.map(|address| address.ip()));
        }
    }
    Forbidden(addresses)
}

/// Reconciles objects while this replica leads; starts over with every term.
async fn lead(handles: &Handles, telemetry: &Telemetry, queue: &Queue, wake: &Wake, inbox: &Inbox) {
    let slots = Arc::new(Semaphore::new(handles.settings.concurrency.max(1)));
    let passes = Passes::new(handles.clone(), queue.clone());
    loop {
        let epoch = match handles.fence.epoch() {
            Some(epoch) => epoch,
            None => {
                telemetry.set_leading(false);
                let _ = handles.fence.changed_from(None).await;
                continue;
            }
        };
        telemetry.set_leading(true);
        tracing::info!(epoch, "leading");
        queue.clear();
        handles.versions.clear();
        wake.all();
        let _notifying = AbortOnDropHandle::new(tokio::spawn(notify::run(handles.clone(), inbox.clone())));
        let term = async {
            loop {
                let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
                let key = queue.next().await;
                let passes = passes.clone();
                tokio::spawn(async move {
                    passes.pass(&key).await;
                    drop(slot);
                });
            }
        };
        tokio::select! {
            () = term => return,
            _ = handles.fence.changed_from(Some(epoch)) => tracing::warn!(epoch, "no longer leading"),
        }
    }
}
