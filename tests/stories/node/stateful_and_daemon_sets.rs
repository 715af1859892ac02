//! StatefulSets and DaemonSets, whose pods are replaced in place.

use anyhow::Result;
use serde_json::{Value, json};

use super::bad_releases::tells;
use super::shop::{in_shop, template};

support::node_stories![
    a_stateful_set_whose_first_pod_crashes_comes_back,
    a_daemon_set_that_crashes_comes_back,
];

fn store(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "store" },
        "spec": {
            "replicas": 2, "serviceName": "store", "selector": { "matchLabels": { "app": "store" } },
            "template": template("store", image),
        },
    })
}

fn agent(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": "agent" },
        "spec": { "selector": { "matchLabels": { "app": "agent" } }, "template": template("agent", image) },
    })
}

async fn a_stateful_set_whose_first_pod_crashes_comes_back() -> Result<()> {
    in_shop("3s", async |shop| {
        let (good, bad) = (shop.image("v1", &[]).await?, shop.image("v2", &[("CRASH_AFTER", "0")]).await?);
        let status = shop.comes_back("store", &[store(&good)], &[store(&bad)]).await?;
        tells(&status, "CrashLoopBackOff", &["terminated 2 times"])?;
        shop.project.settled("prod", "statefulsets", "store").await
    })
    .await
}

async fn a_daemon_set_that_crashes_comes_back() -> Result<()> {
    in_shop("3s", async |shop| {
        let (good, bad) = (shop.image("v1", &[]).await?, shop.image("v2", &[("CRASH_AFTER", "0")]).await?);
        let status = shop.comes_back("agent", &[agent(&good)], &[agent(&bad)]).await?;
        tells(&status, "CrashLoopBackOff", &["terminated 2 times"])
    })
    .await
}
