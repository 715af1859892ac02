//! What a node does is not held against the release that runs on it.

use anyhow::Result;
use control_plane::{RealNode, eventually};
use serde_json::json;

use super::shop::{LONG, Shop, alone_in_shop, web};
use support::waits::condition;

support::node_stories![a_kubelet_that_is_silent_for_a_minute_is_no_fault_of_the_release,];

/// Goes on when dropped, however the story ends.
struct Stopped<'a>(&'a RealNode);

impl<'a> Stopped<'a> {
    fn new(node: &'a RealNode) -> Result<Self> {
        node.signal_kubelet("STOP")?;
        Ok(Self(node))
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let _ = self.0.signal_kubelet("CONT");
    }
}

/// Until the API says that the node is lost, or is not.
async fn node_is(shop: &Shop<'_>, wanted: &str) -> Result<()> {
    eventually(&format!("the node's Ready to be {wanted}"), LONG, async || {
        let node = shop.project.get("/api/v1/nodes/real").await?.unwrap_or_default();
        Ok(condition(&node, "Ready").filter(|ready| ready["status"] == wanted).map(drop))
    })
    .await
}

async fn available(shop: &Shop<'_>, wanted: i64) -> Result<()> {
    eventually(&format!("{wanted} available replicas"), LONG, async || {
        let web = shop.project.here("prod", "deployments", "web").await?;
        Ok((web["status"]["availableReplicas"].as_i64().unwrap_or_default() == wanted).then_some(()))
    })
    .await
}

/// While a kubelet is silent its node counts as lost: after the grace period its pods' Ready is False, without a reason, and their
/// ContainersReady stays True. Nothing of that is said by the release.
async fn a_kubelet_that_is_silent_for_a_minute_is_no_fault_of_the_release() -> Result<()> {
    alone_in_shop("100s", async |shop| {
        let web = web(&shop.image("v1", &[]).await?);
        let release = shop.project.release("1.0.0", &[web]).await?;
        let name = format!("prod-{release}");
        shop.project.settled("prod", "deployments", "web").await?;
        let stopped = Stopped::new(shop.node)?;
        node_is(shop, "Unknown").await?;
        available(shop, 0).await?;
        drop(stopped);
        node_is(shop, "True").await?;
        available(shop, 2).await?;
        shop.ended(&name, "Verified").await?;
        shop.answers("prod", "web", &json!({ "version": "v1" })).await
    })
    .await
}
