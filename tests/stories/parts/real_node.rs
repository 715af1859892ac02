//! Builders and glances shared by the tests.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use control_plane::{ControlPlane, Image, RealNode, eventually, placed};
use serde_json::{Value, json};
use support::installation::{control_plane, namespace, real_node};

pub use support::SOON;

/// A namespace of the shared control plane, and its real node.
pub struct Place {
    pub cluster: Arc<ControlPlane>,
    pub node: &'static RealNode,
    pub namespace: String,
}

impl Place {
    pub async fn new(prefix: &str) -> Result<Self> {
        let cluster = control_plane().await?;
        let namespace = namespace(&cluster, prefix).await?;
        Ok(Self { cluster, node: real_node().await?, namespace })
    }

    pub fn apply(&self, object: &Value) -> Result<()> {
        let kubectl = self.cluster.kubectl(self.cluster.admin());
        kubectl.run_with(&["apply", "-n", &self.namespace, "-f", "-"], &object.to_string()).map(drop)
    }

    pub fn list(&self, kind: &str) -> Result<Vec<Value>> {
        let kubectl = self.cluster.kubectl(self.cluster.admin());
        let said = kubectl.run(&["get", kind, "-n", &self.namespace, "-o", "json"])?;
        let list: Value = serde_json::from_str(&said)?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Makes a pod of an image and waits until its only container is as wanted; returns that container's status.
    pub async fn fares(
        &self,
        image: &Image,
        over: Value,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        self.node.push(image).await?;
        let mut spec = pod_spec(&image.name());
        merge(&mut spec["containers"][0], over);
        self.apply(&json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" }, "spec": spec }))?;
        self.container(what, wanted).await
    }

    /// Waits until the container of the only pod is as wanted.
    pub async fn container(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        eventually(what, SOON, async || {
            let pods = self.list("pods")?;
            let status = pods[0]["status"]["containerStatuses"][0].clone();
            anyhow::ensure!(wanted(&status), "last seen: {:#}", pods[0]["status"]);
            Ok(Some(status))
        })
        .await
    }

    /// What the application in a pod says about itself.
    pub async fn asks(&self, pod: &Value) -> Result<Value> {
        let address: IpAddr = pod["status"]["podIP"].as_str().context("the pod has no address")?.parse()?;
        let reply = self.node.get(address, 8080, "/").await?;
        anyhow::ensure!(reply.status == 200, "{reply:?}");
        Ok(serde_json::from_str(&reply.body)?)
    }
}

/// A pod of the tests' application that runs on the real node.
pub fn pod_spec(image: &str) -> Value {
    let mut spec = placed();
    spec["terminationGracePeriodSeconds"] = json!(0);
    spec["containers"] = json!([{
        "name": "app", "image": image,
        "readinessProbe": { "httpGet": { "path": "/ready", "port": 8080 }, "periodSeconds": 1, "timeoutSeconds": 10 },
    }]);
    spec
}

fn merge(base: &mut Value, over: Value) {
    if let (Some(base), Value::Object(over)) = (base.as_object_mut(), over) {
        base.extend(over);
    }
}
