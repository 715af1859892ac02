//! Builders of the objects that releases hold, and reads of what is live.

use crate::installation::SOON;
use crate::project::{Project, merge};
use anyhow::{Context, Result};
use control_plane::eventually;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A Kubernetes object.
pub type Object = Value;

/// The target namespace of an environment.
pub fn env_namespace(project: &str, environment: &str) -> String {
    format!("{project}-{environment}")
}

/// An image of the shop with this tag; the tag chooses the fate of its pods.
pub fn image(tag: &str) -> String {
    format!("registry.example/shop:{tag}")
}

fn pod_template(name: &str, tag: &str, config: Option<&str>) -> Value {
    let mut container = json!({ "name": "app", "image": image(tag) });
    if let Some(config) = config {
        container["envFrom"] = json!([{ "configMapRef": { "name": config } }]);
    }
    json!({ "metadata": { "labels": { "app": name } }, "spec": { "terminationGracePeriodSeconds": 0, "containers": [container] } })
}

/// A Deployment of two replicas.
pub fn deployment(name: &str, tag: &str, config: Option<&str>) -> Object {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": 2, "selector": { "matchLabels": { "app": name } }, "template": pod_template(name, tag, config),
        },
    })
}

/// A StatefulSet of two replicas, OrderedReady.
pub fn stateful_set(name: &str, tag: &str, config: Option<&str>) -> Object {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": name },
        "spec": {
            "replicas": 2, "serviceName": name, "selector": { "matchLabels": { "app": name } },
            "template": pod_template(name, tag, config),
        },
    })
}

/// A DaemonSet.
pub fn daemon_set(name: &str, tag: &str) -> Object {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": name },
        "spec": { "selector": { "matchLabels": { "app": name } }, "template": pod_template(name, tag, None) },
    })
}

/// A ConfigMap with one value.
pub fn config(name: &str, value: &str) -> Object {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "GREETING": value } })
}

/// A Service.
pub fn service(name: &str) -> Object {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": name },
        "spec": { "selector": { "app": name }, "ports": [{ "port": 80 }] },
    })
}

/// A hook Job that runs at a moment.
pub fn hook(name: &str, moment: &str, tag: &str) -> Object {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": name, "annotations": { "towpath.dev/hook": moment } },
        "spec": {
            "backoffLimit": 0,
            "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "hook", "image": image(tag) }] } },
        },
    })
}

/// A test in the content of a release.
pub fn test(name: &str, tag: &str) -> Object {
    json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": name, "annotations": { "towpath.dev/test": "required" } },
        "spec": { "template": { "spec": { "containers": [{ "name": "main", "image": image(tag) }] } } },
    })
}

/// The object with something merged over it.
pub fn with(mut object: Object, over: Value) -> Object {
    merge(&mut object, &over);
    object
}

/// What a namespace of an environment holds, without what clusters put there and what changes by itself.
pub type Snapshot = BTreeMap<String, Value>;

impl Project {
    /// An object in a target namespace; `kind` as in `deployments.apps/v1` or `configmaps`.
    pub async fn live(&self, environment: &str, kind: &str, name: &str) -> Result<Option<Value>> {
        self.get(&format!("{}/{name}", self.live_path(environment, kind))).await
    }

    /// The same, which must be there.
    pub async fn here(&self, environment: &str, kind: &str, name: &str) -> Result<Value> {
        self.live(environment, kind, name)
            .await?
            .with_context(|| format!("no {kind} {name} in {environment}"))
    }

    /// The path of a kind in a target namespace.
    pub fn live_path(&self, environment: &str, kind: &str) -> String {
        let group = match kind {
            "deployments" | "statefulsets" | "daemonsets" | "replicasets" => "apis/apps/v1",
            "jobs" => "apis/batch/v1",
            "horizontalpodautoscalers" => "apis/autoscaling/v2",
            "ingresses" => "apis/networking.k8s.io/v1",
            _ => "api/v1",
        };
        format!("/{group}/namespaces/{}/{kind}", self.target(environment))
    }

    /// All objects of a kind in a target namespace.
    pub async fn list(&self, environment: &str, kind: &str) -> Result<Vec<Value>> {
        let list = self.get(&self.live_path(environment, kind)).await?.unwrap_or_default();
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Everything of the kinds that the tests use: specs and data, no ConfigMap copies, no marks of a revision.
    pub async fn snapshot(&self, environment: &str) -> Result<Snapshot> {
        let mut found = Snapshot::new();
        for kind in ["deployments", "statefulsets", "daemonsets", "services", "configmaps", "serviceaccounts"]
        {
            for object in self.list(environment, kind).await? {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                let is_copy = object["metadata"]["annotations"]["towpath.dev/original-name"].is_string();
                if name == "kube-root-ca.crt" || (kind == "serviceaccounts" && name == "default") || is_copy {
                    continue;
                }
                let kept = json!({ "spec": object["spec"], "data": object["data"], "labels": object["metadata"]["labels"] });
                found.insert(format!("{kind}/{name}"), kept);
            }
        }
        Ok(found)
    }

    /// What the pods of a workload read: the data of every ConfigMap that its template names.
    pub async fn config_of(&self, environment: &str, kind: &str, name: &str) -> Result<Vec<Value>> {
        let workload = self.here(environment, kind, name).await?;
        let mut data = Vec::new();
        for container in workload["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten() {
            for source in container["envFrom"].as_array().into_iter().flatten() {
                let config = source["configMapRef"]["name"].as_str().context("no reference")?;
                data.push(self.here(environment, "configmaps", config).await?["data"].clone());
            }
        }
        Ok(data)
    }

    /// The image that a workload's template names.
    pub async fn image_of(&self, environment: &str, kind: &str, name: &str) -> Result<String> {
        let workload = self.here(environment, kind, name).await?;
        let image = &workload["spec"]["template"]["spec"]["containers"][0]["image"];
        Ok(image.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until a workload made manually is rolled out.
    pub async fn settled(&self, environment: &str, kind: &str, name: &str) -> Result<()> {
        eventually(&format!("{kind} {name} to settle"), SOON, async || {
            let workload = self.here(environment, kind, name).await?;
            let (spec, status) = (&workload["spec"], &workload["status"]);
            let wanted = spec["replicas"].as_i64().unwrap_or(1);
            let done = status["observedGeneration"] == workload["metadata"]["generation"]
                && status["updatedReplicas"].as_i64() == Some(wanted)
                && status["replicas"].as_i64() == Some(wanted)
                && status["readyReplicas"].as_i64() == Some(wanted);
            Ok(done.then_some(()))
        })
        .await
    }

    /// The pods of a workload that were not deleted, by the label of the builders.
    pub async fn pods(&self, environment: &str, app: &str) -> Result<Vec<Value>> {
        let pods = self.list(environment, "pods").await?;
        let of_app = |pod: &Value| {
            pod["metadata"]["labels"]["app"] == app && pod["metadata"]["deletionTimestamp"].is_null()
        };
        Ok(pods.into_iter().filter(of_app).collect())
    }
}
