//! Runs one pass over one object, and decides when the next one is: at once, at a time, after a backoff, or on a change.
//!
//! Invariant: a panic ends the pass and not the process. The object is quarantined: it is reconciled again after a
//! while or when it changes, and counts as quarantined until a pass over it ends without a panic.

use super::queue::{Key, Kind, Queue};
use super::reconcile::{Again, ReconcileError, reconcile};
use crate::api::Promotion;
use crate::cluster::Cache;

use crate::observe::ObserveError;
use crate::process::{Handles, Metrics};
use futures::FutureExt;
use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long an object is quarantined after a panic, unless it changes.
const QUARANTINE: Duration = Duration::from_secs(300);
/// The delay after a pass whose view was older than an own write; the watch usually delivers the newer one earlier.
const STALE: Duration = Duration::from_millis(20);
/// The longest delay after a failure.
const LONGEST: Duration = Duration::from_secs(30);

/// Runs passes. Clones share the failures.
#[derive(Clone)]
pub(super) struct Passes {
    handles: Handles,
    queue: Queue,
    failures: Failures,
}

/// Passes that failed or panicked, by object.
#[derive(Clone)]
struct Failures {
    metrics: Metrics,
    consecutive: Cache<Key, u32>,
    quarantined: Arc<Mutex<BTreeSet<Key>>>,
}

impl Passes {
    pub(super) fn new(handles: Handles, queue: Queue) -> Self {
        let failures = Failures::new(handles.metrics.clone());
        Self { handles, queue, failures }
    }

    /// Runs one pass, and requeues the object if needed.
    pub(super) async fn pass(&self, key: &Key) {
        let promotion = self.promotion(key);
        let requeue = match AssertUnwindSafe(reconcile(&self.handles, key)).catch_unwind().await {
            Ok(result) => self.failures.ended(key, result),
            Err(_) => Some(self.failures.panicked(key)),
        };
        self.forget(promotion.as_deref(), self.promotion(key).as_deref());
        self.queue.done(key);
        match requeue {
            Some(Duration::ZERO) => self.queue.push(key.clone()),
            Some(after) => self.queue.push_at(key.clone(), Instant::now() + after),
            None => {}
        }
    }

    fn promotion(&self, key: &Key) -> Option<Arc<Promotion>> {
        match key.kind {
            Kind::Promotion => self.handles.stores.promotions.get(&key.namespace, &key.name),
            Kind::Recall
            | Kind::Freezes
            | Kind::Environment
            | Kind::Approval
            | Kind::Policy
            | Kind::Provider
            | Kind::Release => None,
        }
    }

    /// Forgets a promotion that has ended, or that was deleted during the pass. Called at the end of the pass, which may add to
    /// the memory until then.
    fn forget(&self, before: Option<&Promotion>, now: Option<&Promotion>) {
        let Some(uid) = before.and_then(|promotion| promotion.metadata.uid.as_deref()) else { return };
        let is_open = now.is_some_and(|promotion| {
            promotion.metadata.uid.as_deref() == Some(uid) && !promotion.phase().is_final()
        });
        if !is_open {
            self.handles.memory.forget(uid);
        }
    }
}

impl Failures {
    fn new(metrics: Metrics) -> Self {
        Self { metrics, consecutive: Cache::new(10_000), quarantined: Arc::default() }
    }

    /// The delay after a pass that ended without a panic; `None` waits for a change.
    fn ended(&self, key: &Key, result: Result<Again, ReconcileError>) -> Option<Duration> {
        if self.quarantined().remove(key) {
            self.metrics.quarantined(key.kind.as_str(), false);
        }
        match result {
            Ok(again) => {
                self.consecutive.remove(key);
                match again {
                    Again::OnChange => None,
                    Again::In(after) => Some(after),
                }
            }
            Err(ReconcileError::Observe(ObserveError::Stale { .. })) => Some(STALE),
            Err(error) => Some(self.failed(key, &error)),
        }
    }

    /// Quarantines an object.
    fn panicked(&self, key: &Key) -> Duration {
        let kind = key.kind.as_str();
        self.metrics.reconcile_panicked(kind);
        if self.quarantined().insert(key.clone()) {
            self.metrics.quarantined(kind, true);
        }
        tracing::error!(
            kind,
            namespace = key.namespace.as_str(),
            name = key.name,
            "quarantined after a panic"
        );
        QUARANTINE
    }

    /// The delay after a failure; shorter after a conflict, whose view is already outdated.
    fn failed(&self, key: &Key, error: &ReconcileError) -> Duration {
        let conflict = matches!(error, ReconcileError::Act(error) if matches!(error.code(), Some(409 | 422)));
        let mut count = 0;
        self.consecutive.update(key.clone(), |failures| {
            *failures = failures.saturating_add(1);
            count = *failures;
        });
        // Conflicts are common while other controllers write, so the first two are not logged.
        if count > 2 || !conflict {
            tracing::warn!(kind = key.kind.as_str(), namespace = key.namespace.as_str(), name = key.name, error = %error, "pass failed");
        }
        // A workload's controller may write its status between the read and the write: the next pass succeeds.
        if conflict && count == 1 {
            return Duration::ZERO;
        }
        let base = if conflict { 20 } else { 100 };
        Duration::from_millis(base << count.min(9)).min(LONGEST)
    }

    fn quarantined(&self) -> std::sync::MutexGuard<'_, BTreeSet<Key>> {
        self.quarantined.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Telemetry;
    use crate::process::Observation;

    fn key(name: &str) -> Key {
        Key { kind: Kind::Release, namespace: "shop".into(), name: name.into(), group: None }
    }

    #[test]
    fn an_object_that_panics_is_counted_as_quarantined_until_a_pass_over_it_ends() {
        let failures = Failures::new(Metrics::new(&Telemetry::default(), Observation::default));
        let shown = |line: &str| failures.metrics.render().unwrap().contains(line);
        let stale = || Err(ObserveError::Stale { kind: "Release", name: "a".into() }.into());
        assert_eq!(failures.panicked(&key("a")), QUARANTINE);
        failures.panicked(&key("a"));
        failures.panicked(&key("b"));
        assert!(shown(r#"towpath_quarantined{kind="Release"} 2"#), "each object counts once");
        assert!(shown(r#"towpath_reconcile_panics_total{kind="Release"} 3"#));
        assert_eq!(failures.ended(&key("a"), Ok(Again::OnChange)), None);
        assert_eq!(failures.ended(&key("a"), Ok(Again::OnChange)), None);
        assert_eq!(failures.ended(&key("b"), stale()), Some(STALE));
        assert!(shown(r#"towpath_quarantined{kind="Release"} 0"#));
    }
}
