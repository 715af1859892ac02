//! Builders and glances shared by the tests.

use std::fmt::Debug;

use anyhow::{Result, ensure};
use control_plane::{ControlPlane, eventually};
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::api::{Api, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use support::SOON;

pub async fn create<K>(cluster: &ControlPlane, namespace: &str, object: Value) -> Result<Api<K>>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    let api = Api::namespaced(cluster.admin().client()?, namespace);
    api.create(&PostParams::default(), &serde_json::from_value(object)?).await?;
    Ok(api)
}

/// The object as JSON, once the predicate holds of it.
pub async fn until<K>(api: &Api<K>, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value>
where
    K: Clone + DeserializeOwned + Serialize + Debug,
{
    eventually(&format!("{name}: {what}"), SOON, async || {
        let object = serde_json::to_value(api.get(name).await?)?;
        ensure!(holds(&object), "last seen: {:#}", object["status"]);
        Ok(Some(object))
    })
    .await
}

/// The pods of an `app`, as JSON.
pub async fn pods(cluster: &ControlPlane, namespace: &str, app: &str) -> Result<Vec<Value>> {
    let kubectl = cluster.kubectl(cluster.admin());
    let said = kubectl.run(&["get", "pods", "-n", namespace, "-l", &format!("app={app}"), "-o", "json"])?;
    let list: Value = serde_json::from_str(&said)?;
    Ok(list["items"].as_array().cloned().unwrap_or_default())
}

pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a str {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == kind);
    found.and_then(|condition| condition["status"].as_str()).unwrap_or("absent")
}

pub fn deployment(name: &str, replicas: u32, image: &str) -> Value {
    serde_json::json!({
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [{ "name": "app", "image": image }] },
            },
        },
    })
}
