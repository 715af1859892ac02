//! Figures that benchmarks print: medians, and what a bare client needs for a write in the same run.

use anyhow::Result;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use std::time::Instant;

const RAW: usize = 25;

pub fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Server-side applies by a bare client on a warm connection, one after the other, in milliseconds.
pub async fn raw_writes(client: &Client, namespace: &str) -> Result<Vec<f64>> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let mut took = Vec::new();
    for round in 0..=RAW {
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "raw" },
            "data": { "round": format!("{round} {}", Timestamp::now()) },
        });
        let begun = Instant::now();
        maps.patch("raw", &PatchParams::apply("bench"), &Patch::Apply(&map)).await?;
        // The first one opens the connection.
        if round > 0 {
            took.push(begun.elapsed().as_secs_f64() * 1000.0);
        }
    }
    Ok(took)
}
