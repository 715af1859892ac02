//! Counters of the cluster layer. The process registers them with its metrics.
//!
//! Invariant: no label names a person or an object. Labels are kinds, verbs and codes, all of bounded number.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::pulse::Pulse;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    verb: &'static str,
    code: Cow<'static, str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// The counters. Cloned handles share them.
#[derive(Debug, Clone, Default)]
pub struct Telemetry {
    requests: Family<RequestLabels, Counter>,
    decode_errors: Family<KindLabel, Counter>,
    watch_restarts: Family<KindLabel, Counter>,
    watch_ages: WatchAges,
    events_dropped: Counter,
    leading: Gauge,
}

impl Telemetry {
    /// Lets `registry` show the counters.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(self.watch_ages.clone()));
        registry.register(
            "decode_errors",
            "Objects received that could not be decoded, by kind",
            self.decode_errors.clone(),
        );
        registry.register("watch_restarts", "Watches restarted, by kind", self.watch_restarts.clone());
        registry.register(
            "requests",
            "Requests to the API server, by verb and status code; other values: why there was no answer",
            self.requests.clone(),
        );
        registry.register(
            "events_dropped",
            "Events not written: queue full or refused",
            self.events_dropped.clone(),
        );
        registry.register("leading", "1 while this replica holds the lease", self.leading.clone());
    }

    /// A request was answered with `code`, or failed for the reason `code`.
    pub fn request(&self, verb: &'static str, code: impl Into<Cow<'static, str>>) {
        self.requests.get_or_create(&RequestLabels { verb, code: code.into() }).inc();
    }

    /// An object of `kind` arrived that cannot be decoded.
    pub fn decode_error(&self, kind: &'static str) {
        self.decode_errors.get_or_create(&KindLabel { kind }).inc();
    }

    /// The watch of `kind` was restarted.
    pub fn watch_restarted(&self, kind: &'static str) {
        self.watch_restarts.get_or_create(&KindLabel { kind }).inc();
    }

    /// Publishes the age of the watch of `kind`, read from `pulse` at each scrape. Its counters start at zero: Prometheus sees no increase
    /// from nothing to one.
    pub fn watch_age(&self, kind: &'static str, pulse: &Pulse) {
        for counters in [&self.decode_errors, &self.watch_restarts] {
            let _ = counters.get_or_create(&KindLabel { kind });
        }
        self.watch_ages.0.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, pulse.clone());
    }

    /// An Event was not written.
    pub fn event_dropped(&self) {
        self.events_dropped.inc();
    }

    /// Whether this replica holds the lease.
    pub fn set_leading(&self, leading: bool) {
        self.leading.set(i64::from(leading));
    }
}

/// The pulses of the watches, by kind. Ages are computed at a scrape: nothing has to tick for them.
#[derive(Debug, Clone, Default)]
struct WatchAges(Arc<Mutex<BTreeMap<&'static str, Pulse>>>);

impl Collector for WatchAges {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let pulses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut family = encoder.encode_descriptor(
            "watch_age_seconds",
            "Time since the watch last received bytes from the API server, by kind",
            None,
            MetricType::Gauge,
        )?;
        for (kind, pulse) in pulses.iter() {
            let age = ConstGauge::new(pulse.age().as_secs_f64());
            age.encode(family.encode_family(&[("kind", *kind)])?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus_client::encoding::text::encode;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_registry_shows_what_was_counted() {
        let telemetry = Telemetry::default();
        telemetry.request("get", "200");
        telemetry.clone().request("get", "200");
        telemetry.request("patch", "not-leading");
        telemetry.event_dropped();
        telemetry.set_leading(true);
        let pulse = Pulse::new();
        telemetry.watch_age("Pod", &pulse);
        tokio::time::advance(Duration::from_secs(42)).await;
        let (mut registry, mut text) = (Registry::default(), String::new());
        telemetry.register(&mut registry);
        encode(&mut text, &registry).unwrap();
        for line in [
            r#"requests_total{verb="get",code="200"} 2"#,
            r#"requests_total{verb="patch",code="not-leading"} 1"#,
            r#"watch_age_seconds{kind="Pod"} 42"#,
            r#"watch_restarts_total{kind="Pod"} 0"#,
            r#"decode_errors_total{kind="Pod"} 0"#,
            "events_dropped_total 1",
            "leading 1",
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
    }
}
