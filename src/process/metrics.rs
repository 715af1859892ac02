//! Metrics of the process, in the Prometheus text format.
//!
//! Invariant: no label names a person or a release. Labels are kinds, verbs, codes, gates and outcomes, and the names of projects, environments
//! and applications, all of bounded number. None is a label that Prometheus adds to a target, such as `namespace` or `pod`.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::deliveries::{Deliveries, Delivery};
use super::gauges::Gauges;
use super::resident::Resident;
use crate::api::LaneId;
use crate::cluster::Telemetry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// What a scrape computes from what the process has observed.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// The gauges.
    pub gauges: Vec<Gauges>,
    /// The lanes that exist.
    pub lanes: BTreeSet<LaneId>,
}

/// Asked at each scrape.
type Source = Box<dyn Fn() -> Observation + Send + Sync>;

/// The metrics that depend on what was observed.
struct Observed {
    source: Source,
    deliveries: Deliveries,
}

impl Collector for Observed {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Observation { gauges, lanes } = (self.source)();
        for family in gauges {
            family.encode(&mut encoder)?;
        }
        self.deliveries.keep(lanes);
        self.deliveries.encode(&mut encoder)
    }
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observed")
    }
}

/// The counters of the process. Cloned handles share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    decisions: Family<KindLabel, Counter>,
    promotions: Family<OutcomeLabel, Counter>,
    deliveries: Deliveries,
    notifications: Family<OutcomeLabel, Counter>,
    promotion_seconds: Histogram,
    reconcile_panics: Family<KindLabel, Counter>,
    quarantined: Family<KindLabel, Gauge>,
}

impl Metrics {
    /// New counters, rendered together with those of `telemetry` and with what `source` computes.
    pub fn new(telemetry: &Telemetry, source: impl Fn() -> Observation + Send + Sync + 'static) -> Self {
        let mut registry = Registry::with_prefix("towpath");
        telemetry.register(&mut registry);
        registry.register_collector(Box::new(Resident));
        let deliveries = Deliveries::default();
        let observed = Observed { source: Box::new(source), deliveries: deliveries.clone() };
        registry.register_collector(Box::new(observed));
        // From a second to a day: a promotion lasts as long as its rollout and its observe window.
        let promotion_seconds = registered(
            &mut registry,
            "promotion_duration_seconds",
            "Time from the first write of a promotion to its end",
            Histogram::new([1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0]),
        );
        let mut kinds =
            |name, help| registered(&mut registry, name, help, Family::<KindLabel, Counter>::default());
        let decisions = kinds("decisions", "Decisions taken, by kind of object");
        let reconcile_panics = kinds("reconcile_panics", "Reconciles that panicked, by kind");
        let mut outcomes =
            |name, help| registered(&mut registry, name, help, Family::<OutcomeLabel, Counter>::default());
        let promotions =
            outcomes("promotions", "Promotions of releases ended, by outcome, with those that wrote nothing");
        let notifications =
            outcomes("notifications", "Notifications sent, failed attempts and dropped ones, by outcome");
        let quarantined = registered(
            &mut registry,
            "quarantined",
            "Objects quarantined after a panic, by kind",
            Family::default(),
        );
        Self {
            registry: Arc::new(registry),
            decisions,
            promotions,
            deliveries,
            notifications,
            promotion_seconds,
            reconcile_panics,
            quarantined,
        }
    }

    /// A decision was taken about an object of `kind`. The other counters of the kind start at zero then: Prometheus sees no increase from
    /// nothing to one.
    pub fn decision(&self, kind: &'static str) {
        self.decisions.get_or_create(&KindLabel { kind }).inc();
        let _ = self.reconcile_panics.get_or_create(&KindLabel { kind });
        let _ = self.quarantined.get_or_create(&KindLabel { kind });
    }

    /// A promotion of a release ended with `outcome`, `lasted` after its first write.
    pub fn promotion_ended(&self, outcome: &'static str, lasted: Option<Duration>) {
        self.promotions.get_or_create(&OutcomeLabel { outcome }).inc();
        lasted.iter().for_each(|lasted| self.promotion_seconds.observe(lasted.as_secs_f64()));
    }

    /// A promotion or a rollback ended in a lane.
    pub fn delivered(&self, lane: LaneId, delivery: &Delivery) {
        self.deliveries.count(lane, delivery);
    }

    /// Notifications were `sent` or `dropped`, or attempts to send one `failed`.
    pub fn notified(&self, outcome: &'static str, count: u64) {
        self.notifications.get_or_create(&OutcomeLabel { outcome }).inc_by(count);
    }

    /// A reconcile of an object of `kind` panicked.
    pub fn reconcile_panicked(&self, kind: &'static str) {
        self.reconcile_panics.get_or_create(&KindLabel { kind }).inc();
    }

    /// An object of `kind` is quarantined (`true`), or no longer (`false`).
    pub fn quarantined(&self, kind: &'static str, is_quarantined: bool) {
        self.quarantined.get_or_create(&KindLabel { kind }).inc_by(if is_quarantined { 1 } else { -1 });
    }

    /// Renders all metrics for a scrape.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn registered<M>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M
where
    M: prometheus_client::registry::Metric + Clone,
{
    registry.register(name, help, metric.clone());
    metric
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
