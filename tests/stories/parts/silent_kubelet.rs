//! What does the API say of pods whose kubelet is silent, and afterwards?

use anyhow::{Context, Result, ensure};
use control_plane::{ControlPlane, Image, RealNode, eventually};
use serde_json::{Value, json};

use super::real_node::{SOON, pod_spec};

support::node_stories![a_silent_kubelet_takes_ready_from_its_pods_and_nothing_from_their_containers,];

/// Goes on when dropped, however the test ends.
struct Stopped<'a>(&'a RealNode);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        let _ = self.0.signal_kubelet("CONT");
    }
}

async fn pod(cluster: &ControlPlane, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
    let kubectl = cluster.kubectl(cluster.admin());
    eventually(what, SOON, async || {
        let pod: Value = serde_json::from_str(&kubectl.run(&["get", "pod", "a", "-o", "json"])?)?;
        Ok(Some(pod).filter(&wanted))
    })
    .await
}

fn condition<'a>(pod: &'a Value, kind: &str) -> &'a Value {
    let conditions = pod["status"]["conditions"].as_array();
    conditions.into_iter().flatten().find(|found| found["type"] == kind).unwrap_or(&Value::Null)
}

fn is(pod: &Value, kind: &str, status: &str) -> bool {
    condition(pod, kind)["status"] == status
}

/// On a control plane of its own: pods of other tests must not suffer.
async fn a_silent_kubelet_takes_ready_from_its_pods_and_nothing_from_their_containers() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let node = cluster.real_node().await?;
    let image = Image::of("app", "v1");
    node.push(&image).await?;
    let object = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" }, "spec": pod_spec(&image.name()),
    });
    cluster.kubectl(cluster.admin()).run_with(&["apply", "-f", "-"], &object.to_string())?;
    let ready = |pod: &Value| is(pod, "Ready", "True");
    let before = pod(&cluster, "ready", ready).await?;

    node.signal_kubelet("STOP")?;
    let stopped = Stopped(node);
    let lost = pod(&cluster, "not ready", |pod| is(pod, "Ready", "False")).await?;
    ensure!(condition(&lost, "Ready")["reason"].is_null(), "{lost:#}");
    ensure!(is(&lost, "ContainersReady", "True"), "{lost:#}");
    ensure!(lost["status"]["containerStatuses"][0]["ready"] == true, "{lost:#}");
    let address = lost["status"]["podIP"].as_str().context("no address")?.parse()?;
    ensure!(node.get(address, 8080, "/ready").await?.status == 200, "the process itself stopped answering");

    drop(stopped);
    let back = pod(&cluster, "ready again", ready).await?;
    let since = |pod: &Value| condition(pod, "Ready")["lastTransitionTime"].clone();
    // As if nothing had been: a process that remembers the later time sees readiness begin in the past.
    ensure!(since(&back) == since(&before), "{back:#}");
    Ok(())
}
