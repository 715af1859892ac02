//! The memory of this process, as the kernel counts it. Nothing where there is no `/proc`.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads the resident memory at each scrape.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resident;

impl Collector for Resident {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(bytes) = fs::read_to_string("/proc/self/status").ok().as_deref().and_then(resident) else {
            return Ok(());
        };
        let help = "Resident memory of the process, in bytes";
        let metric = encoder.encode_descriptor("resident_memory_bytes", help, None, MetricType::Gauge)?;
        ConstGauge::new(bytes).encode(metric)
    }
}

/// The line `VmRSS:    12345 kB`, in bytes.
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[test]
fn the_resident_memory_is_read_in_bytes() {
    assert_eq!(resident("VmHWM:\t   900 kB\nVmRSS:\t   800 kB\nThreads:\t1\n"), Some(819_200));
    assert_eq!(resident("Threads:\t1\n"), None);
}
