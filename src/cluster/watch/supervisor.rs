//! Supervises the stream of one watch, and restarts it when it is no longer usable.
//!
//! Invariants: a pause follows every error, and grows until a change arrives or a minute passes without an error; a
//! request for a list does not interrupt a running one.

use std::fmt::Debug;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::time::{Instant, interval, sleep};

use super::feed::Feed;
use super::options::WatchOptions;
use super::watched::Watched;
use crate::cluster::backoff::Backoff;
use crate::cluster::error::{brief, code_of};
use crate::cluster::pulse::Pulse;
use crate::cluster::store::Delta;

/// Consecutive errors of any kind after which the stream is restarted.
const ERRORS_IN_A_ROW: u32 = 4;

/// Supervises one stream.
pub(super) struct Supervisor<W> {
    pub(super) api: Api<DeserializeGuard<W>>,
    pub(super) options: WatchOptions,
    pub(super) pulse: Pulse,
    pub(super) relist: Arc<Notify>,
}

/// Why a stream is restarted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Restart {
    Relist,
    Silent,
    Broken,
}

impl<W> Supervisor<W>
where
    W: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    /// Feeds the store; never returns.
    pub(super) async fn supervise<K, F, C>(self, feed: Feed<K, F, C>)
    where
        K: Watched<Wire = W>,
        F: Fn(&ObjectMeta) -> bool,
        C: Fn(Delta<K>),
    {
        let mut pauses = Pauses::new(&self.options);
        loop {
            let reason = self.follow(&feed, &mut pauses).await;
            if reason != Restart::Relist {
                tracing::warn!(kind = feed.kind, ?reason, "watch restarted");
            }
            feed.telemetry.watch_restarted(feed.kind);
        }
    }

    /// Feeds the store from one stream until it has to be restarted.
    async fn follow<K, F, C>(&self, feed: &Feed<K, F, C>, pauses: &mut Pauses) -> Restart
    where
        K: Watched<Wire = W>,
        F: Fn(&ObjectMeta) -> bool,
        C: Fn(Delta<K>),
    {
        let config =
            watcher::Config::default().timeout(self.options.server_timeout).page_size(self.options.page_size);
        let mut stream = pin!(watcher(self.api.clone(), config));
        let mut check = interval((self.options.silence / 12).max(Duration::from_millis(1)));
        self.pulse.beat();
        let mut is_listing = true;
        loop {
            let event = tokio::select! {
                event = stream.next() => event,
                // Not during a list, or repeated requests would prevent every list from ending. The request is
                // handled after the list.
                () = self.relist.notified(), if !is_listing => return Restart::Relist,
                _ = check.tick() => {
                    if self.pulse.age() >= self.options.silence {
                        return Restart::Silent;
                    }
                    continue;
                }
            };
            match event {
                Some(Ok(event)) => {
                    match event {
                        Event::Init => is_listing = true,
                        Event::InitDone => is_listing = false,
                        Event::InitApply(_) => {}
                        // Only a change proves that the watch works: `Init` precedes each attempt to list, and a
                        // successful list says nothing about the watch that follows.
                        Event::Apply(_) | Event::Delete(_) => pauses.reset(),
                    }
                    feed.take(event);
                }
                Some(Err(error)) => {
                    let pause = pauses.next_pause();
                    tracing::warn!(kind = feed.kind, error = brief_of(&error), "watch failed");
                    sleep(pause).await;
                    if is_final(&error) || pauses.are_many() {
                        return Restart::Broken;
                    }
                }
                None => return Restart::Broken,
            }
        }
    }
}

/// The pauses after errors, across streams.
struct Pauses {
    backoff: Backoff,
    calm: Duration,
    last_error: Option<Instant>,
}

impl Pauses {
    fn new(options: &WatchOptions) -> Self {
        let backoff = Backoff::new(options.first_pause, options.longest_pause);
        Self { backoff, calm: options.silence, last_error: None }
    }

    fn next_pause(&mut self) -> Duration {
        if self.last_error.replace(Instant::now()).is_some_and(|last| last.elapsed() > self.calm) {
            self.backoff.reset();
        }
        self.backoff.next_delay()
    }

    fn reset(&mut self) {
        self.backoff.reset();
    }

    fn are_many(&self) -> bool {
        self.backoff.failures().is_multiple_of(ERRORS_IN_A_ROW)
    }
}

/// Whether kube's watcher would continue from an unusable version, or after a line that it could not decode.
fn is_final(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
            matches!(error, kube::Error::SerdeError(_)) || matches!(code_of(error), Some(410 | 504))
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
