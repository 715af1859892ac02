//! Sends the notices of one channel, one after the other, and writes its status.

use super::outboxes::Outboxes;
use crate::act::{Subject, deliver, write_status};
use crate::api::{Channel, Meta};
use crate::cluster::backoff::Backoff;
use crate::decide::notify::{Failure, Notice, message};
use crate::process::Handles;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The delay after the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// The longest delay.
const LONGEST: Duration = Duration::from_secs(300);
/// The delay before a status is written again that was not.
const AGAIN: Duration = Duration::from_secs(5);

/// Sends until it is dropped.
pub(super) async fn run(handles: Handles, outboxes: Outboxes, name: String, woken: Arc<Notify>) {
    let mut sender =
        Sender { handles, outboxes, name, backoff: Backoff::new(FIRST, LONGEST), not_before: None };
    loop {
        let rest = sender.step().await;
        if let Some(rest) = rest {
            tokio::select! {
                () = woken.notified() => {}
                () = tokio::time::sleep(rest) => {}
            }
        }
    }
}

struct Sender {
    handles: Handles,
    outboxes: Outboxes,
    name: String,
    backoff: Backoff,
    /// No attempt before this time, after a failure.
    not_before: Option<Instant>,
}

impl Sender {
    /// Writes the status if it is due, and sends one notice. Returns how long there is nothing to do; none if there is more.
    async fn step(&mut self) -> Option<Duration> {
        let Some(channel) = self.handles.stores.channels.get("", &self.name) else { return Some(LONGEST) };
        let is_written = self.record(&channel).await;
        let next = self.outboxes.lock().next(&self.name);
        let wait = self.not_before.map(|at| at.saturating_duration_since(Instant::now())).unwrap_or_default();
        match next {
            // A replica that has lost the lease sends nothing more.
            Some(notice) if wait.is_zero() && self.handles.fence.epoch().is_some() => {
                self.attempt(&channel, &notice).await;
                None
            }
            next => {
                let rests = self.outboxes.lock().rests_for(&channel, self.handles.clock.now());
                let rests = rests.and_then(|rest| Duration::try_from(rest).ok());
                let again = (!is_written).then_some(AGAIN);
                let wait = next.map(|_| wait.max(FIRST));
                Some([rests, again, wait].into_iter().flatten().min().unwrap_or(LONGEST))
            }
        }
    }

    async fn attempt(&mut self, channel: &Channel, notice: &Notice) {
        let sending = async {
            let message = message::of(&channel.spec, notice);
            deliver(&self.handles, channel, message).await
        };
        let outcome = AssertUnwindSafe(sending).catch_unwind().await;
        let now = self.handles.clock.now();
        let (failure, retry_after) = match outcome {
            Ok(Ok(())) => {
                self.outboxes.lock().sent(&self.name, &notice.id, now);
                self.handles.metrics.notified("sent", 1);
                self.backoff.reset();
                self.not_before = None;
                return;
            }
            Ok(Err(error)) => {
                (Failure { message: error.to_string(), is_refusal: error.is_refusal() }, error.retry_after())
            }
            Err(_) => {
                let message = format!("the message about {} cannot be made", notice.id);
                (Failure { message, is_refusal: true }, None)
            }
        };
        tracing::warn!(
            channel = self.name,
            id = notice.id,
            error = failure.message,
            "a notification was not sent"
        );
        let is_dropped = self.outboxes.lock().failed(&self.name, &notice.id, &failure, now);
        self.handles.metrics.notified("failed", 1);
        self.handles.metrics.notified("dropped", u64::from(is_dropped));
        let delay = self.backoff.next_delay().max(retry_after.unwrap_or_default());
        self.not_before = Some(Instant::now() + delay);
    }

    /// Writes the status of the channel, if that is due. False if it has to be tried again.
    async fn record(&self, channel: &Channel) -> bool {
        let version = channel.metadata.resource_version.as_deref();
        if self.handles.versions.is_stale("Channel", "", &self.name, version.unwrap_or_default()) {
            return false;
        }
        let now = self.handles.clock.now();
        let status = self.outboxes.lock().report(channel, now);
        let Some(status) = status else { return true };
        let subject = Subject::of::<Channel>(channel.metadata.clone());
        match write_status(&self.handles, &subject, version, &status).await {
            Ok(_) => {
                self.outboxes.lock().recorded(channel.name(), &status, now);
                true
            }
            Err(error) => {
                tracing::info!(channel = self.name, %error, "the status of a channel was not written");
                false
            }
        }
    }
}
