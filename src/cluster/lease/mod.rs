//! Leader election on a `coordination.k8s.io/v1` Lease: one replica leads, the others watch its Lease.
//!
//! Invariants: the fence is granted only after the API server accepted the record, for a time that starts before that
//! request; at shutdown the fence is revoked first, then writes in flight are awaited, and only then is the Lease
//! released, so that two replicas never write at the same time. The rules are in [`election`], without I/O.

mod config;
mod election;

use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, pin_mut};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{PostParams, WatchEvent, WatchParams};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use super::backoff::Backoff;
use super::error::{ClusterError, brief, code_of};
use super::fence::Fence;
use super::telemetry::Telemetry;
pub use config::LeaseConfig;
use election::{Election, Move};

/// Seconds after which the API server ends the watch of a follower, which then opens the next.
const WATCH_SECONDS: u32 = 50;

/// `replica` with a suffix that no other process has.
pub fn unique_identity(replica: &str) -> String {
    // The standard library seeds each of these from the system's randomness.
    format!("{replica}_{:016x}", RandomState::new().hash_one(std::process::id()))
}

/// Competes for the Lease until `shutdown`, and releases it then. `client` is [`super::Clients::lease`]; `wall` returns the
/// time of day, which is written into the record for people and not compared.
pub async fn run(
    client: kube::Client,
    config: LeaseConfig,
    fence: Fence,
    telemetry: Telemetry,
    wall: impl Fn() -> Timestamp,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ClusterError> {
    config.validate()?;
    let mut candidate = Candidate {
        leases: Api::namespaced(client, &config.namespace),
        election: Election::new(config.clone()),
        backoff: Backoff::new(config.renewal / 10, config.renewal.min(Duration::from_secs(2))),
        config,
        fence,
        telemetry,
        wall,
    };
    tokio::select! {
        () = shutdown => {}
        never = candidate.compete() => match never {},
    }
    candidate.release().await;
    Ok(())
}

struct Candidate<W> {
    leases: Api<Lease>,
    config: LeaseConfig,
    election: Election,
    backoff: Backoff,
    fence: Fence,
    telemetry: Telemetry,
    wall: W,
}

impl<W: Fn() -> Timestamp> Candidate<W> {
    async fn compete(&mut self) -> Infallible {
        loop {
            let next = self.election.next(Instant::now(), (self.wall)());
            self.publish_leadership();
            match next {
                Move::Read => self.read().await,
                Move::Create(lease) => {
                    let leases = self.leases.clone();
                    self.write(async move { leases.create(&PostParams::default(), &lease).await }).await;
                }
                Move::Replace(lease) => {
                    let (leases, name) = (self.leases.clone(), self.config.name.clone());
                    self.write(async move { leases.replace(&name, &PostParams::default(), &lease).await })
                        .await;
                }
                Move::Rest(until) => sleep_until(until).await,
                Move::Follow(until) => self.follow(until).await,
            }
        }
    }

    async fn read(&mut self) {
        match timeout(self.config.request_timeout(), self.leases.get(&self.config.name)).await {
            Ok(Ok(lease)) => self.election.observe(Instant::now(), Some(lease)),
            Ok(Err(error)) if code_of(&error) == Some(404) => self.election.observe(Instant::now(), None),
            Ok(Err(error)) => self.back_off("cannot read the lease", &brief(&error)).await,
            Err(_) => self.back_off("cannot read the lease", "no answer").await,
        }
    }

    async fn write(&mut self, request: impl Future<Output = kube::Result<Lease>>) {
        let asked = Instant::now();
        match timeout(self.config.request_timeout(), request).await {
            Ok(Ok(lease)) => {
                self.backoff.reset();
                self.fence.grant(self.election.won(asked, lease));
            }
            // Another candidate was faster, or the Lease was created or deleted.
            Ok(Err(error)) if matches!(code_of(&error), Some(404 | 409)) => {
                self.election.invalidate();
            }
            // It may have been written anyway; then the next attempt conflicts, and the Lease is read.
            Ok(Err(error)) => self.back_off("cannot write the lease", &brief(&error)).await,
            Err(_) => self.back_off("cannot write the lease", "no answer").await,
        }
    }

    /// Watches the Lease on one stream while another holder renews it.
    async fn follow(&mut self, until: Instant) {
        let Some(version) = self.election.version().map(str::to_owned) else {
            return self.election.invalidate();
        };
        let field = format!("metadata.name={}", self.config.name);
        let only_ours = WatchParams::default().fields(&field).timeout(WATCH_SECONDS);
        let Ok(opened) = timeout_at(until, self.leases.watch(&only_ours, &version)).await else { return };
        let changes = match opened {
            Ok(changes) => changes.into_stream(),
            Err(error) => return self.restart_watch("cannot watch the lease", &brief(&error)).await,
        };
        pin_mut!(changes);
        let mut until = until;
        while let Ok(change) = timeout_at(until, changes.next()).await {
            match change {
                Some(Ok(WatchEvent::Added(lease) | WatchEvent::Modified(lease))) => {
                    self.election.observe(Instant::now(), Some(lease));
                }
                Some(Ok(WatchEvent::Deleted(_))) => self.election.observe(Instant::now(), None),
                Some(Ok(WatchEvent::Bookmark(_))) => {}
                Some(Ok(WatchEvent::Error(_))) => return self.election.invalidate(),
                Some(Err(error)) => {
                    return self.restart_watch("the watch of the lease broke", &brief(&error)).await;
                }
                None => return,
            }
            self.backoff.reset();
            match self.election.next(Instant::now(), (self.wall)()) {
                Move::Follow(later) => until = later,
                Move::Read | Move::Create(_) | Move::Replace(_) | Move::Rest(_) => return,
            }
        }
    }

    async fn restart_watch(&mut self, what: &'static str, why: &str) {
        self.back_off(what, why).await;
        self.election.invalidate();
    }

    async fn back_off(&mut self, what: &'static str, why: &str) {
        tracing::warn!(lease = self.config.name, why, "{what}");
        sleep(self.backoff.next_delay()).await;
    }

    fn publish_leadership(&self) {
        let leads = self.election.leads(Instant::now());
        if !leads && self.fence.epoch().is_some() {
            self.fence.revoke();
        }
        self.telemetry.set_leading(leads);
    }

    async fn release(&mut self) {
        let expires = self.fence.term().map(|term| term.expires);
        self.fence.revoke();
        self.telemetry.set_leading(false);
        let Some(expires) = expires else { return };
        if timeout_at(expires, self.fence.idle()).await.is_err() {
            return;
        }
        // Twice: a renewal that the shutdown interrupted may have succeeded, and then the version is newer.
        for _ in 0..2 {
            if self.election.is_unknown() {
                self.read().await;
            }
            let Some(lease) = self.election.released((self.wall)()) else { return };
            let params = PostParams::default();
            let replaced = self.leases.replace(&self.config.name, &params, &lease);
            match timeout(self.config.request_timeout(), replaced).await {
                Ok(Ok(_)) => return,
                Ok(Err(_)) | Err(_) => self.election.invalidate(),
            }
        }
        tracing::warn!(lease = self.config.name, "the lease could not be released; it expires");
    }
}

#[cfg(test)]
mod tests;
