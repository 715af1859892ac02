//! The time at which a watch last received bytes from the API server.
//!
//! Invariant: every chunk of a watch beats, bookmarks included, and so does its orderly end; opening a stream does not.
//! kube's watcher swallows bookmarks, so a frozen stream and an idle one look the same above it; here they differ.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// When bytes were last received. Cloned handles share it.
#[derive(Debug, Clone)]
pub struct Pulse {
    born: Instant,
    last: Arc<AtomicU64>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}

impl Pulse {
    /// A pulse whose first beat is now.
    pub fn new() -> Self {
        Self { born: Instant::now(), last: Arc::default() }
    }

    /// Bytes were received.
    pub fn beat(&self) {
        let millis = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.fetch_max(millis, Ordering::Relaxed);
    }

    /// Time since bytes were last received.
    pub fn age(&self) -> Duration {
        self.born.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}

/// The body of a watch, which beats as it is read.
pub(super) struct Beating<B> {
    body: B,
    pulse: Option<Pulse>,
}

impl<B> Beating<B> {
    pub(super) fn new(body: B, pulse: Option<Pulse>) -> Self {
        Self { body, pulse }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Beating<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if !matches!(frame, Some(Err(_)))
            && let Some(pulse) = &self.pulse
        {
            pulse.beat();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pulse_ages_until_it_beats() {
        let pulse = Pulse::new();
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(pulse.age(), Duration::from_secs(7));
        pulse.clone().beat();
        assert_eq!(pulse.age(), Duration::ZERO);
    }
}
