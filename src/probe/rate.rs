//! How many requests per second a provider gets.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// The requests of the last second, by provider. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate(Arc<Mutex<BTreeMap<String, VecDeque<Instant>>>>);

impl Rate {
    /// Waits until the provider may be asked.
    pub async fn slot(&self, provider: &str, limit: usize) {
        while let Some(wait) = self.take(provider, limit.max(1)) {
            tokio::time::sleep(wait).await;
        }
    }

    /// Takes a slot, or returns how long to wait for one.
    fn take(&self, provider: &str, limit: usize) -> Option<Duration> {
        let now = Instant::now();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = all.entry(provider.to_owned()).or_default();
        while recent.front().is_some_and(|at| now.duration_since(*at) >= SECOND) {
            recent.pop_front();
        }
        match recent.front() {
            Some(oldest) if recent.len() >= limit => Some(SECOND.saturating_sub(now.duration_since(*oldest))),
            Some(_) | None => {
                recent.push_back(now);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_provider_gets_no_more_requests_per_second_than_its_limit() {
        let rate = Rate::default();
        let start = Instant::now();
        for _ in 0..10 {
            rate.slot("a", 3).await;
        }
        assert_eq!(start.elapsed(), 3 * SECOND);
        rate.slot("b", 3).await;
        assert_eq!(start.elapsed(), 3 * SECOND, "another provider does not wait");
    }
}
