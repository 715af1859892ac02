//! What the process counts about itself, in the Prometheus text format.
//!
//! Invariant: no label names a person or an object. Labels are kinds, verbs, codes and outcomes, all of bounded number.

mod ages;

use std::borrow::Cow;
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

use super::pulse::Pulse;
use ages::WatchAges;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    verb: &'static str,
    code: Cow<'static, str>,
}

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
    requests: Family<RequestLabels, Counter>,
    decisions: Family<KindLabel, Counter>,
    promotions: Family<OutcomeLabel, Counter>,
    rollbacks: Family<OutcomeLabel, Counter>,
    promotion_seconds: Histogram,
    decode_errors: Family<KindLabel, Counter>,
    watch_restarts: Family<KindLabel, Counter>,
    watch_ages: Arc<WatchAges>,
    reconcile_panics: Family<KindLabel, Counter>,
    quarantined: Family<KindLabel, Gauge>,
    notes_dropped: Counter,
    leading: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A fresh set of counters, all at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("towpath");
        let watch_ages = Arc::new(WatchAges::default());
        registry.register_collector(Box::new(Arc::clone(&watch_ages)));
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
        let decode_errors = kinds("decode_errors", "Objects received that could not be decoded, by kind");
        let watch_restarts = kinds("watch_restarts", "Watches built anew, by kind");
        let reconcile_panics = kinds("reconcile_panics", "Reconciles that panicked, by kind");
        let mut outcomes =
            |name, help| registered(&mut registry, name, help, Family::<OutcomeLabel, Counter>::default());
        let promotions = outcomes("promotions", "Promotions ended, by outcome");
        let rollbacks = outcomes("rollbacks", "Rollbacks ended, by outcome");
        let requests = registered(
            &mut registry,
            "requests",
            "Requests to the API server, by verb and status code; other codes: why there was none",
            Family::default(),
        );
        let quarantined = registered(
            &mut registry,
            "quarantined",
            "Objects set aside after a panic, by kind",
            Family::default(),
        );
        let notes_dropped = registered(
            &mut registry,
            "events_dropped",
            "Events not written: queue full or refused",
            Counter::default(),
        );
        let leading =
            registered(&mut registry, "leading", "1 while this replica holds the lease", Gauge::default());
        Self {
            registry: Arc::new(registry),
            requests,
            decisions,
            promotions,
            rollbacks,
            promotion_seconds,
            decode_errors,
            watch_restarts,
            watch_ages,
            reconcile_panics,
            quarantined,
            notes_dropped,
            leading,
        }
    }

    /// A request was answered with `code`, or failed for the reason `code`.
    pub fn request(&self, verb: &'static str, code: impl Into<Cow<'static, str>>) {
        self.requests.get_or_create(&RequestLabels { verb, code: code.into() }).inc();
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

    /// An object of `kind` arrived that cannot be decoded.
    pub fn decode_error(&self, kind: &'static str) {
        self.decode_errors.get_or_create(&KindLabel { kind }).inc();
    }

    /// The watch of `kind` was built anew.
    pub fn watch_restarted(&self, kind: &'static str) {
        self.watch_restarts.get_or_create(&KindLabel { kind }).inc();
    }

    /// Publish the age of the watch of `kind`, read from `pulse` at each scrape.
    pub fn watch_age(&self, kind: &'static str, pulse: &Pulse) {
        self.watch_ages.follow(kind, pulse.clone());
    }

    /// A reconcile of an object of `kind` panicked.
    pub fn reconcile_panicked(&self, kind: &'static str) {
        self.reconcile_panics.get_or_create(&KindLabel { kind }).inc();
    }

    /// An object of `kind` is set aside (`true`), or not any more (`false`).
    pub fn quarantined(&self, kind: &'static str, is_set_aside: bool) {
        self.quarantined.get_or_create(&KindLabel { kind }).inc_by(if is_set_aside { 1 } else { -1 });
    }

    /// An Event was not written.
    pub fn note_dropped(&self) {
        self.notes_dropped.inc();
    }

    /// Whether this replica holds the lease.
    pub fn set_leading(&self, leading: bool) {
        self.leading.set(i64::from(leading));
    }

    /// Everything, as a scrape shows it.
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

    #[tokio::test(start_paused = true)]
    async fn a_scrape_shows_what_was_counted() {
        let metrics = Metrics::new();
        metrics.request("get", "200");
        metrics.clone().request("get", "200");
        metrics.request("patch", "not-leading");
        metrics.promotion_ended("Verified", Duration::from_secs(7));
        metrics.set_leading(true);
        let pulse = Pulse::new();
        metrics.watch_age("Pod", &pulse);
        tokio::time::advance(Duration::from_secs(42)).await;
        let text = metrics.render().unwrap();
        for line in [
            r#"towpath_requests_total{verb="get",code="200"} 2"#,
            r#"towpath_requests_total{verb="patch",code="not-leading"} 1"#,
            r#"towpath_promotions_total{outcome="Verified"} 1"#,
            r#"towpath_promotion_duration_seconds_bucket{le="15.0"} 1"#,
            r#"towpath_watch_age_seconds{kind="Pod"} 42"#,
            "towpath_leading 1",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
    }
}
