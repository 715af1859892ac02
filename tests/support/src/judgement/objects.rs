//! Short forms of manifests: `Deployment web v2`, the same with fields beside it, or a whole manifest.

use super::timing::{Range, Timing};
use crate::objects::{Object, config, daemon_set, deployment, hook, image, service, stateful_set};
use crate::project::merge;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

/// An object in short.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Short {
    /// Kind, name, and what its kind needs, as `Deployment web v2`.
    Line(String),
    /// A whole manifest, or `is` and [`Fields`].
    Whole(Value),
}

/// What can stand beside `is`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Fields {
    is: String,
    replicas: Option<i64>,
    /// A ConfigMap whose data is the environment of its container.
    config: Option<String>,
    /// A claim that its pods mount.
    claim: Option<String>,
    /// `own`: its pods run on the nodes of the situation.
    nodes: Option<String>,
    /// The fate of its pods, where their image does not name it.
    fate: Option<String>,
    /// How long the fate takes to come, or a range such as `2s..6s`.
    seconds: Option<Range>,
    /// How long a deleted pod stays.
    terminating: Option<Range>,
    /// Annotations of the object.
    annotations: Option<Value>,
    /// Merged over the object.
    with: Option<Value>,
}

impl Short {
    /// The manifest.
    pub fn object(&self, timing: &Timing, project: &str) -> Result<Object> {
        let object = match self {
            Self::Line(line) => of_line(line)?,
            Self::Whole(whole) if whole["kind"].is_string() => whole.clone(),
            Self::Whole(whole) => {
                let fields = serde_json::from_value(whole.clone()).with_context(|| format!("{whole}"))?;
                of_fields(fields, timing)?
            }
        };
        Ok(named(object, project))
    }
}

/// All of them.
pub fn objects(shorts: &[Short], timing: &Timing, project: &str) -> Result<Vec<Object>> {
    shorts.iter().map(|short| short.object(timing, project)).collect()
}

/// The same with the name of the project for `$project`, and a port of the nodes that is its own for `$port`.
pub fn named(value: Value, project: &str) -> Value {
    match value {
        Value::String(text) if text == "$port" => node_port(project).into(),
        Value::String(text) => Value::String(text.replace("$project", project)),
        Value::Array(items) => items.into_iter().map(|item| named(item, project)).collect(),
        Value::Object(fields) => {
            let with =
                |(name, field): (String, Value)| (name.replace("$project", project), named(field, project));
            Value::Object(fields.into_iter().map(with).collect())
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

/// One of the ports of the nodes; another one for most other projects.
fn node_port(project: &str) -> u32 {
    let hash = project.bytes().fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
    30_000 + hash % 2_768
}

fn of_line(line: &str) -> Result<Object> {
    let words: Vec<&str> = line.split_whitespace().collect();
    Ok(match words.as_slice() {
        ["Deployment", name, tag] => deployment(name, tag, None),
        ["StatefulSet", name, tag] => stateful_set(name, tag, None),
        ["DaemonSet", name, tag] => daemon_set(name, tag),
        ["Job", name, moment, tag] => hook(name, moment, tag),
        ["CronJob", name, tag] => cron_job(name, tag),
        ["ConfigMap", name, value] => config(name, value),
        ["Service", name] => service(name),
        ["ServiceAccount", name] => {
            json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name } })
        }
        ["PersistentVolumeClaim", name] => claim(name),
        ["ResourceQuota", name, resource, most] => json!({
            "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": name },
            "spec": { "hard": { *resource: most } },
        }),
        ["HorizontalPodAutoscaler", name, least, most] => autoscaler(name, least.parse()?, most.parse()?),
        ["PodDisruptionBudget", name, least] => json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": name },
            "spec": { "minAvailable": least.parse::<i64>()?, "selector": { "matchLabels": { "app": name } } },
        }),
        ["NetworkPolicy", name] => json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": name },
            "spec": { "podSelector": { "matchLabels": { "app": name } }, "policyTypes": ["Ingress"] },
        }),
        ["Ingress", name, host] => ingress(name, host),
        _ => bail!("{line} is no short form of an object"),
    })
}

fn cron_job(name: &str, tag: &str) -> Object {
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": name },
        // Never by itself within a story; runs are made from it.
        "spec": { "schedule": "0 0 1 1 *", "jobTemplate": { "spec": {
            "backoffLimit": 0,
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "restartPolicy": "Never", "containers": [{ "name": "app", "image": image(tag) }] },
            },
        } } },
    })
}

fn claim(name: &str) -> Object {
    json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": { "name": name },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    })
}

fn autoscaler(name: &str, least: i64, most: i64) -> Object {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": name },
        "spec": {
            "minReplicas": least, "maxReplicas": most,
            "scaleTargetRef": { "apiVersion": "apps/v1", "kind": "Deployment", "name": name },
            "metrics": [{ "type": "Resource", "resource": {
                "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 },
            } }],
        },
    })
}

fn ingress(name: &str, host: &str) -> Object {
    let backend = json!({ "service": { "name": name, "port": { "number": 80 } } });
    let path = json!({ "path": "/", "pathType": "Prefix", "backend": backend });
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": { "name": name },
        "spec": { "rules": [{ "host": host, "http": { "paths": [path] } }] },
    })
}

fn of_fields(fields: Fields, timing: &Timing) -> Result<Object> {
    let mut object = of_line(&fields.is)?;
    if let Some(replicas) = fields.replicas {
        object["spec"]["replicas"] = json!(replicas);
    }
    if let Some(annotations) = fields.annotations {
        merge(&mut object, &json!({ "metadata": { "annotations": annotations } }));
    }
    let mut notes = json!({});
    if let Some(fate) = fields.fate {
        notes["fate.towpath.dev/pod"] = json!(fate);
    }
    if let Some(range) = fields.seconds {
        let seconds = timing.choose(&range, &format!("{range:?}")).as_secs_f64();
        notes["fate.towpath.dev/seconds"] = json!(format!("{seconds:.1}"));
    }
    if let Some(range) = fields.terminating {
        let seconds = timing.choose(&range, &format!("{range:?}")).as_secs_f64();
        notes["fate.towpath.dev/terminating"] = json!(format!("{seconds:.1}s"));
    }
    if let Some(template) = template(&mut object) {
        if notes.as_object().is_some_and(|notes| !notes.is_empty()) {
            merge(template, &json!({ "metadata": { "annotations": notes } }));
        }
        if let Some(config) = fields.config {
            template["spec"]["containers"][0]["envFrom"] = json!([{ "configMapRef": { "name": config } }]);
        }
        if let Some(claim) = fields.claim {
            template["spec"]["volumes"] =
                json!([{ "name": "data", "persistentVolumeClaim": { "claimName": claim } }]);
            template["spec"]["containers"][0]["volumeMounts"] =
                json!([{ "name": "data", "mountPath": "/data" }]);
        }
        if fields.nodes.is_some() {
            template["spec"]["nodeSelector"] = json!({ "fate.towpath.dev/project": "$project" });
            template["spec"]["tolerations"] =
                json!([{ "key": "fate.towpath.dev/project", "operator": "Exists" }]);
        }
    }
    if let Some(over) = fields.with {
        merge(&mut object, &over);
    }
    Ok(object)
}

/// The template of an object's pods.
pub fn template(object: &mut Object) -> Option<&mut Value> {
    let path = match object["kind"].as_str()? {
        "CronJob" => "/spec/jobTemplate/spec/template",
        _ => "/spec/template",
    };
    object.pointer_mut(path)
}

/// Where the API server has a kind: the path up to the namespace, and the plural.
pub fn served(kind: &str) -> Result<(&'static str, &'static str)> {
    Ok(match kind {
        "Deployment" => ("/apis/apps/v1", "deployments"),
        "StatefulSet" => ("/apis/apps/v1", "statefulsets"),
        "DaemonSet" => ("/apis/apps/v1", "daemonsets"),
        "ReplicaSet" => ("/apis/apps/v1", "replicasets"),
        "Job" => ("/apis/batch/v1", "jobs"),
        "CronJob" => ("/apis/batch/v1", "cronjobs"),
        "HorizontalPodAutoscaler" => ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
        "PodDisruptionBudget" => ("/apis/policy/v1", "poddisruptionbudgets"),
        "NetworkPolicy" => ("/apis/networking.k8s.io/v1", "networkpolicies"),
        "Ingress" => ("/apis/networking.k8s.io/v1", "ingresses"),
        "ConfigMap" => ("/api/v1", "configmaps"),
        "Secret" => ("/api/v1", "secrets"),
        "Service" => ("/api/v1", "services"),
        "ServiceAccount" => ("/api/v1", "serviceaccounts"),
        "PersistentVolumeClaim" => ("/api/v1", "persistentvolumeclaims"),
        "Pod" => ("/api/v1", "pods"),
        "ResourceQuota" => ("/api/v1", "resourcequotas"),
        other => bail!("the tests do not know where {other} is served"),
    })
}

/// The path of an object in a namespace, from `Deployment web`.
pub fn path(namespace: &str, object: &str) -> Result<String> {
    let (kind, name) = object.split_once(' ').with_context(|| format!("{object} is no kind and name"))?;
    let (group, plural) = served(kind)?;
    Ok(format!("{group}/namespaces/{namespace}/{plural}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_a_number_and_that_of_its_project() {
        let of = |project: &str| named(json!({ "ports": [{ "nodePort": "$port" }] }), project);
        assert!(of("a")["ports"][0]["nodePort"].is_u64(), "{}", of("a"));
        assert_ne!(of("a"), of("b"));
    }
}
