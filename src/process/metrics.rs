//! Metrics of the process, in the Prometheus text format.
//!
//! Invariant: no label names a person or an object. Labels are kinds, verbs, codes and outcomes, all of bounded number.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::cluster::Telemetry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

/// The counters of the process. Cloned handles share them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    decisions: Family<KindLabel, Counter>,
    promotions: Family<OutcomeLabel, Counter>,
    rollbacks: Family<OutcomeLabel, Counter>,
    promotion_seconds: Histogram,
    reconcile_panics: Family<KindLabel, Counter>,
    quarantined: Family<KindLabel, Gauge>,
}

impl Metrics {
    /// New counters, rendered together with those of `telemetry`.
    pub fn new(telemetry: &Telemetry) -> Self {
        let mut registry = Registry::with_prefix("towpath");
        telemetry.register(&mut registry);
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
        let promotions = outcomes("promotions", "Promotions ended, by outcome");
        let rollbacks = outcomes("rollbacks", "Rollbacks ended, by outcome");
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
            rollbacks,
            promotion_seconds,
            reconcile_panics,
            quarantined,
        }
    }

    /// A decision was taken about an object of `kind`.
    pub fn decision(&self, kind: &'static str) {
        self.decisions.get_or_create(&KindLabel { kind }).inc();
    }

    /// A promotion ended with `outcome`, `lasted` after its first write.
    pub fn promotion_ended(&self, outcome: &'static str, lasted: Duration) {
        self.promotions.get_or_create(&OutcomeLabel { outcome }).inc();
        self.promotion_seconds.observe(lasted.as_secs_f64());
    }

    /// A rollback ended with `outcome`.
    pub fn rollback_ended(&self, outcome: &'static str) {
        self.rollbacks.get_or_create(&OutcomeLabel { outcome }).inc();
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
mod tests {
    use super::*;

    #[test]
    fn a_scrape_shows_what_was_counted() {
        let telemetry = Telemetry::default();
        let metrics = Metrics::new(&telemetry);
        telemetry.request("get", "200");
        metrics.promotion_ended("Verified", Duration::from_secs(7));
        metrics.clone().decision("Release");
        let text = metrics.render().unwrap();
        for line in [
            r#"towpath_requests_total{verb="get",code="200"} 1"#,
            r#"towpath_decisions_total{kind="Release"} 1"#,
            r#"towpath_promotions_total{outcome="Verified"} 1"#,
            r#"towpath_promotion_duration_seconds_bucket{le="15.0"} 1"#,
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
    }
}
