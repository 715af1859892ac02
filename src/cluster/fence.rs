//! Whether this replica may write, right now.
//!
//! Invariant: a term ends by the local monotonic clock; no task has to end it. A process that was stopped for a minute
//! and resumed finds its term over before it sends another byte, although none of its tasks ran in between.
//! Two times bound a term: new writes may start until `renew_by`; a peer may take over at `expires`, so no answer is
//! awaited after it. The clock is CLOCK_MONOTONIC: it runs on while a process is stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::error::Refusal;

/// One period of leadership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Number of the term: `leaseTransitions` of the Lease. Grows with every term of any replica.
    pub epoch: i64,
    /// New writes may start before this time.
    pub renew_by: Instant,
    /// Another replica may lead from this time on.
    pub expires: Instant,
}

/// The shared leadership term. Cloned handles see the same term.
#[derive(Debug, Clone)]
pub struct Fence(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    term: watch::Sender<Option<Term>>,
    writes: AtomicUsize,
    idle: Notify,
}

/// The right to send one write, held while its answer is awaited.
#[derive(Debug)]
pub struct Permit {
    fence: Fence,
    term: Term,
}

impl Default for Fence {
    fn default() -> Self {
        Self::new()
    }
}

impl Fence {
    /// A fence that refuses every write until a term is granted.
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            term: watch::Sender::new(None),
            writes: AtomicUsize::new(0),
            idle: Notify::new(),
        }))
    }

    /// The number of the running term, or `None` while this replica does not lead.
    pub fn epoch(&self) -> Option<i64> {
        self.term().map(|term| term.epoch)
    }

    /// The running term.
    pub fn term(&self) -> Option<Term> {
        self.0.term.borrow().filter(|term| Instant::now() < term.renew_by)
    }

    /// Starts a term, or extends the running one.
    pub fn grant(&self, term: Term) {
        self.0.term.send_replace(Some(term));
    }

    /// Ends the term now.
    pub fn revoke(&self) {
        self.0.term.send_replace(None);
    }

    /// Permits one write. Its answer must not be awaited past [`Permit::expires`].
    pub fn permit(&self) -> Result<Permit, Refusal> {
        // Counted before the term is read: a caller that revokes the term and then waits for `idle` sees either the
        // count or a refusal, never a write in between.
        self.0.writes.fetch_add(1, Ordering::SeqCst);
        match self.term() {
            Some(term) => Ok(Permit { fence: self.clone(), term }),
            None => {
                self.end_write();
                Err(Refusal::NotLeading)
            }
        }
    }

    /// Waits until no write is in flight.
    pub async fn idle(&self) {
        loop {
            let woken = self.0.idle.notified();
            if self.0.writes.load(Ordering::SeqCst) == 0 {
                return;
            }
            woken.await;
        }
    }

    /// Waits until the epoch differs from `known`, by grant, by revocation or because the term expired; returns the
    /// new one. A loop over this sees every end of a term, but not terms that started and ended between two calls.
    pub async fn changed_from(&self, known: Option<i64>) -> Option<i64> {
        let mut terms = self.0.term.subscribe();
        loop {
            terms.mark_unchanged();
            let term = self.term();
            let epoch = term.map(|term| term.epoch);
            if epoch != known {
                return epoch;
            }
            match term {
                Some(term) => {
                    tokio::select! {
                        _ = terms.changed() => {}
                        () = tokio::time::sleep_until(term.renew_by) => {}
                    }
                }
                None => {
                    // The sender lives in `self`, so the channel cannot be closed here.
                    let _ = terms.changed().await;
                }
            }
        }
    }

    fn end_write(&self) {
        if self.0.writes.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}

impl Permit {
    /// Whether the term of this permit still runs. Checked again before the first byte is sent: the process may have been
    /// stopped while the connection was set up.
    pub fn holds(&self) -> bool {
        self.fence.epoch() == Some(self.term.epoch)
    }

    /// The time after which the answer is useless: another replica may lead.
    pub fn expires(&self) -> Instant {
        self.term.expires
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.fence.end_write();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn term(epoch: i64, seconds: u64) -> Term {
        let now = Instant::now();
        Term {
            epoch,
            renew_by: now + Duration::from_secs(seconds),
            expires: now + Duration::from_secs(seconds + 5),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_passes_before_a_term_and_after_its_end() {
        let fence = Fence::new();
        assert_eq!(fence.permit().err(), Some(Refusal::NotLeading));
        fence.grant(term(4, 10));
        let permit = fence.permit().unwrap();
        assert_eq!(fence.epoch(), Some(4));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(fence.epoch(), None, "it expired without being revoked");
        assert!(!permit.holds());
        assert_eq!(fence.permit().err(), Some(Refusal::NotLeading));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_of_an_older_term_does_not_hold_in_a_newer_one() {
        let fence = Fence::new();
        fence.grant(term(4, 10));
        let permit = fence.permit().unwrap();
        fence.grant(term(4, 12));
        assert!(permit.holds(), "a renewal continues the term");
        fence.grant(term(6, 10));
        assert!(!permit.holds());
    }

    #[tokio::test(start_paused = true)]
    async fn idle_waits_for_the_last_write() {
        let fence = Fence::new();
        fence.idle().await;
        fence.grant(term(1, 10));
        let (first, second) = (fence.permit().unwrap(), fence.permit().unwrap());
        fence.revoke();
        let waiting = tokio::spawn({
            let fence = fence.clone();
            async move { fence.idle().await }
        });
        drop(first);
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(second);
        waiting.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_seen_on_grant_and_when_the_clock_ends_the_term() {
        let fence = Fence::new();
        let waiting = tokio::spawn({
            let fence = fence.clone();
            async move { (fence.changed_from(None).await, fence.changed_from(Some(7)).await) }
        });
        tokio::task::yield_now().await;
        fence.grant(term(7, 10));
        assert_eq!(waiting.await.unwrap(), (Some(7), None));
    }
}
