//! How long to wait after a failure: doubling, capped, jittered. Shared by reads, watches and the lease.
//!
//! Invariant: a delay lies between half of its step and its step, so that replicas do not retry in lockstep and
//! none retries at once.

use std::time::Duration;

use tower::util::rng::{HasherRng, Rng};

/// Doubling delays with jitter.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    step: u32,
    jitter: HasherRng,
}

impl Backoff {
    /// Delays that start at `first` and never exceed `cap`.
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, step: 0, jitter: HasherRng::new() }
    }

    /// The delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        let full = self.first.saturating_mul(2u32.saturating_pow(self.step)).min(self.cap);
        self.step = self.step.saturating_add(1);
        full.mul_f64(0.5 + self.jitter.next_f64() / 2.0)
    }

    /// Starts over with the first delay.
    pub fn reset(&mut self) {
        self.step = 0;
    }

    /// Failures since the last reset.
    pub fn failures(&self) -> u32 {
        self.step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_the_cap_and_stay_jittered() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for full in [100, 200, 400, 800, 1000, 1000] {
            let delay = backoff.next_delay();
            assert!(delay <= Duration::from_millis(full), "{delay:?} exceeds {full} ms");
            assert!(delay >= Duration::from_millis(full / 2), "{delay:?} is under half of {full} ms");
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_millis(100));
    }

    #[test]
    fn many_failures_do_not_overflow() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30));
        assert!((0..1000).all(|_| backoff.next_delay() <= Duration::from_secs(30)));
    }
}
