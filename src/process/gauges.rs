//! Gauges that are computed at each scrape from what the process has observed.
//!
//! Invariant: nothing is stored between scrapes, so that no series outlives its object, and every replica shows the same.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// The gauges of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Gauges {
    /// Their name, without the prefix of all metrics.
    pub name: &'static str,
    /// What they mean.
    pub help: &'static str,
    /// The names of their labels.
    pub labels: &'static [&'static str],
    /// For each combination of labels, the values of the labels in their order, and that of the gauge.
    pub samples: Vec<(Vec<String>, f64)>,
}

impl Gauges {
    /// Shows the gauges.
    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut family = encoder.encode_descriptor(self.name, self.help, None, MetricType::Gauge)?;
        for (values, value) in &self.samples {
            let labels: Vec<(&str, &str)> =
                self.labels.iter().copied().zip(values.iter().map(String::as_str)).collect();
            ConstGauge::new(*value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
