//! What a target namespace holds, to compare before and after: everything that a release can write.

use super::objects::served;
use crate::project::Project;
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Objects by `Deployment web`.
pub type Snapshot = BTreeMap<String, Value>;

const KINDS: [&str; 12] = [
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "CronJob",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "Ingress",
    "ConfigMap",
    "Service",
    "ServiceAccount",
    "PersistentVolumeClaim",
];

/// Specs, data and labels; of a claim its identity too. No copies of ConfigMaps, no marks of a revision, nothing that every namespace
/// has.
pub async fn snapshot(project: &Project, environment: &str) -> Result<Snapshot> {
    let (mut found, namespace) = (Snapshot::new(), project.target(environment));
    for kind in KINDS {
        let (group, plural) = served(kind)?;
        let list =
            project.get(&format!("{group}/namespaces/{namespace}/{plural}")).await?.unwrap_or_default();
        for object in list["items"].as_array().into_iter().flatten() {
            let metadata = &object["metadata"];
            let name = metadata["name"].as_str().unwrap_or_default();
            let is_copy = metadata["annotations"]["towpath.dev/original-name"].is_string();
            if is_copy
                || matches!((kind, name), ("ConfigMap", "kube-root-ca.crt") | ("ServiceAccount", "default"))
            {
                continue;
            }
            let mut kept = json!({
                "spec": object["spec"], "data": object["data"], "labels": metadata["labels"],
                "annotations": marks(&metadata["annotations"]),
            });
            if kind == "PersistentVolumeClaim" {
                kept["uid"] = metadata["uid"].clone();
            }
            found.insert(format!("{kind} {name}"), kept);
        }
    }
    Ok(found)
}

/// Annotations that neither Towpath nor a controller writes.
fn marks(annotations: &Value) -> Value {
    let foreign = |name: &str| {
        !(name.starts_with("towpath.dev/")
            || name.starts_with("deployment.kubernetes.io/")
            || name.starts_with("deprecated.daemonset.template.generation")
            || name.starts_with("pv.kubernetes.io/")
            || name.starts_with("volume.")
            // Adoption removes it: kubectl would undo the release with it.
            || name == "kubectl.kubernetes.io/last-applied-configuration"
            || name.starts_with("autoscaling.alpha.kubernetes.io/"))
    };
    let kept = annotations.as_object().into_iter().flatten().filter(|(name, _)| foreign(name));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
}

/// What differs, one line for each object.
pub fn differences(before: &Snapshot, after: &Snapshot, but: &[String]) -> Vec<String> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    let mut found = Vec::new();
    for name in names.into_iter().filter(|name| !but.contains(name)) {
        match (before.get(name), after.get(name)) {
            (Some(_), None) => found.push(format!("{name} is gone")),
            (None, Some(_)) => found.push(format!("{name} is left over")),
            (Some(old), Some(new)) if old != new => found.push(format!("{name}: {}", changed("", old, new))),
            _ => {}
        }
    }
    found
}

/// The first fields that differ.
fn changed(path: &str, old: &Value, new: &Value) -> String {
    if let (Some(one), Some(other)) = (old.as_object(), new.as_object()) {
        let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
        names.sort();
        names.dedup();
        let differing = names.into_iter().filter(|name| one.get(*name) != other.get(*name));
        return differing
            .map(|name| changed(&format!("{path}.{name}"), &old[name], &new[name]))
            .collect::<Vec<_>>()
            .join("; ");
    }
    format!("{path} was {old}, is {new}")
}
