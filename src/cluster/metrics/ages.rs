//! The age of each watch, computed when somebody scrapes: nothing has to tick for it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::cluster::pulse::Pulse;

/// The pulses of the watches, by kind.
#[derive(Debug, Default)]
pub(super) struct WatchAges(Mutex<BTreeMap<&'static str, Pulse>>);

impl WatchAges {
    pub(super) fn follow(&self, kind: &'static str, pulse: Pulse) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, pulse);
    }
}

impl Collector for WatchAges {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let pulses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut family = encoder.encode_descriptor(
            "watch_age_seconds",
            "Time since the API server was last heard on the watch, by kind",
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
