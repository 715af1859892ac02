//! A metric of the shop, and a real Prometheus that scrapes it.

use crate::installation::Installation;
use anyhow::Result;
use axum::Router;
use axum::routing::get;
use control_plane::Prometheus;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use support::metrics::serve;

/// The ratio of orders that fail, in hundredths.
pub struct Metrics {
    failing: Arc<AtomicU64>,
    // It ends with this.
    _prometheus: Prometheus,
}

impl Metrics {
    /// Starts both, and lets the policy of prod ask for the metric.
    pub async fn start(installation: &Installation) -> Result<Self> {
        let failing = Arc::new(AtomicU64::new(1));
        let shown = Arc::clone(&failing);
        let text = async move || {
            let ratio = shown.load(Ordering::Relaxed) as f64 / 100.0;
            format!("shop_failed_orders_ratio{{namespace=\"shop-prod\"}} {ratio}\n")
        };
        let exporter = serve("127.0.0.1:0", Router::new().route("/metrics", get(text))).await?;
        let prometheus = Prometheus::start(&installation.cluster, &[exporter], &json!([])).await?;
        let provider = json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "CheckProvider", "metadata": { "name": "prometheus" },
            "spec": {
                "prometheus": { "url": prometheus.url() }, "projects": ["shop"],
                // It runs beside the controller here.
                "allowAddresses": ["127.0.0.0/8"],
            },
        });
        let policy = json!({
            "apiVersion": "towpath.dev/v1alpha1", "kind": "RollbackPolicy",
            "metadata": { "name": "careful", "namespace": "shop" },
            "spec": { "observeWindow": "30s", "checks": [{
                "name": "failed-orders", "interval": "5s", "window": "1s",
                "prometheus": {
                    "provider": "prometheus", "max": 0.05,
                    "query": "shop_failed_orders_ratio{namespace=\"$namespace\"}",
                },
            }] },
        });
        installation.apply(&provider.to_string())?;
        installation.apply(&policy.to_string())?;
        Ok(Self { failing, _prometheus: prometheus })
    }

    /// So many of a hundred orders fail from now on.
    pub fn fail(&self, hundredths: u64) {
        self.failing.store(hundredths, Ordering::Relaxed);
    }
}
