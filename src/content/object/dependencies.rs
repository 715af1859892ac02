//! The objects that pods need beside their config, and that a release may leave to its environment: claims, classes, the ServiceAccount.
//!
//! Invariant: only what keeps a pod from starting is a dependency. A generic ephemeral volume and a claim template bring their claims with
//! them, and the ServiceAccount `default` exists in every namespace.

use super::key::ObjectKey;
use super::paths;
use super::references::service_account;
use super::templates::complete_pod_template;
use serde_json::Value;
use std::collections::BTreeSet;

/// An object that pods need, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dependency {
    /// A PersistentVolumeClaim that they mount.
    Claim(String),
    /// The ServiceAccount that they run as.
    ServiceAccount(String),
    /// Their PriorityClass.
    PriorityClass(String),
    /// Their RuntimeClass.
    RuntimeClass(String),
    /// The StorageClass of a claim that is created for them.
    StorageClass(String),
}

impl Dependency {
    /// Kind and name.
    pub fn parts(&self) -> (&'static str, &str) {
        match self {
            Self::Claim(name) => ("PersistentVolumeClaim", name),
            Self::ServiceAccount(name) => ("ServiceAccount", name),
            Self::PriorityClass(name) => ("PriorityClass", name),
            Self::RuntimeClass(name) => ("RuntimeClass", name),
            Self::StorageClass(name) => ("StorageClass", name),
        }
    }

    /// Its API version and its plural in URLs.
    pub fn resource(&self) -> (&'static str, &'static str) {
        match self {
            Self::Claim(_) => ("v1", "persistentvolumeclaims"),
            Self::ServiceAccount(_) => ("v1", "serviceaccounts"),
            Self::PriorityClass(_) => ("scheduling.k8s.io/v1", "priorityclasses"),
            Self::RuntimeClass(_) => ("node.k8s.io/v1", "runtimeclasses"),
            Self::StorageClass(_) => ("storage.k8s.io/v1", "storageclasses"),
        }
    }

    /// Whether it is an object of the target namespace, rather than of the cluster.
    pub fn is_namespaced(&self) -> bool {
        matches!(self, Self::Claim(_) | Self::ServiceAccount(_))
    }

    /// Whether an object of a release is it.
    pub fn is(&self, key: &ObjectKey) -> bool {
        (key.kind(), key.name()) == self.parts() && key.api_version() == self.resource().0
    }
}

/// What an object of a release needs: the pods of a workload, or a claim. Controllers of custom kinds may create what their pods need.
pub fn dependencies(object: &Value) -> BTreeSet<Dependency> {
    let mut found = BTreeSet::new();
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    if kind == "PersistentVolumeClaim" {
        found.extend(storage_class(object.get("spec")));
    }
    let Some(template) = complete_pod_template(object) else { return found };
    let spec = template.get("spec");
    let text = |field: &str| {
        spec.and_then(|spec| spec.get(field)?.as_str()).filter(|name| !name.is_empty()).map(str::to_owned)
    };
    let claims = claim_templates(object);
    for volume in all(template, &["spec", "volumes", "*"]) {
        // The StatefulSet controller replaces volumes with the name of a claim template.
        if claims.iter().any(|claim| name_of(claim) == volume.get("name").and_then(Value::as_str)) {
            continue;
        }
        let claim = volume.pointer("/persistentVolumeClaim/claimName").and_then(Value::as_str);
        found.extend(claim.map(|name| Dependency::Claim(name.to_owned())));
        found.extend(storage_class(volume.pointer("/ephemeral/volumeClaimTemplate/spec")));
    }
    found.extend(claims.iter().filter_map(|claim| storage_class(claim.get("spec"))));
    let account = service_account(template).filter(|name| *name != "default");
    found.extend(account.map(|name| Dependency::ServiceAccount(name.to_owned())));
    found.extend(text("priorityClassName").map(Dependency::PriorityClass));
    found.extend(text("runtimeClassName").map(Dependency::RuntimeClass));
    found
}

/// The claim templates of a StatefulSet.
pub fn claim_templates(object: &Value) -> Vec<&Value> {
    match object.get("kind").and_then(Value::as_str) {
        Some("StatefulSet") => all(object, &["spec", "volumeClaimTemplates", "*"]),
        Some(_) | None => Vec::new(),
    }
}

fn name_of(object: &Value) -> Option<&str> {
    object.pointer("/metadata/name").and_then(Value::as_str)
}

/// The StorageClass of a claim; none for the default class, and none where the name is empty, which asks for a volume without a class.
fn storage_class(claim: Option<&Value>) -> Option<Dependency> {
    let claim = claim?;
    // A claim that names its volume is bound to it, whether the class exists or not.
    let is_bound = claim.get("volumeName").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
    let name = claim.get("storageClassName")?.as_str().filter(|name| !name.is_empty() && !is_bound)?;
    Some(Dependency::StorageClass(name.to_owned()))
}

fn all<'a>(root: &'a Value, path: &[&str]) -> Vec<&'a Value> {
    let mut found = Vec::new();
    paths::at(root, path, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn workload(kind: &str, pod: Value, more: Value) -> Value {
        let mut object =
            json!({ "apiVersion": "apps/v1", "kind": kind, "spec": { "template": { "spec": pod } } });
        json_patch::merge(&mut object["spec"], &more);
        object
    }

    fn words(object: &Value) -> Vec<String> {
        let each = dependencies(object).into_iter();
        each.map(|one| format!("{} {}", one.parts().0, one.parts().1)).collect()
    }

    #[test]
    fn pods_need_their_claims_classes_and_account() {
        let claim = |name: &str| json!({ "name": name, "persistentVolumeClaim": { "claimName": name } });
        let class =
            |name: &str| json!({ "spec": { "storageClassName": name, "accessModes": ["ReadWriteOnce"] } });
        let named =
            |name: &str| json!({ "metadata": { "name": name }, "spec": { "storageClassName": "fast" } });
        for (what, object, expected) in [
            (
                "a claim",
                workload(
                    "Deployment",
                    json!({ "volumes": [claim("uploads"), { "name": "e", "emptyDir": {} }] }),
                    json!({}),
                ),
                vec!["PersistentVolumeClaim uploads"],
            ),
            (
                "a generic ephemeral volume needs its class, and no claim",
                workload(
                    "Deployment",
                    json!({ "volumes": [{ "name": "e", "ephemeral": { "volumeClaimTemplate": class("fast") } }] }),
                    json!({}),
                ),
                vec!["StorageClass fast"],
            ),
            (
                "claim templates need their class, and replace volumes of their name",
                workload(
                    "StatefulSet",
                    json!({ "volumes": [claim("data"), claim("logs")] }),
                    json!({ "volumeClaimTemplates": [named("data")] }),
                ),
                vec!["PersistentVolumeClaim logs", "StorageClass fast"],
            ),
            (
                "account and classes",
                workload(
                    "DaemonSet",
                    json!({ "serviceAccountName": "runner", "priorityClassName": "high", "runtimeClassName": "gvisor" }),
                    json!({}),
                ),
                vec!["ServiceAccount runner", "PriorityClass high", "RuntimeClass gvisor"],
            ),
            (
                "the default account and empty names",
                workload(
                    "Deployment",
                    json!({ "serviceAccountName": "default", "priorityClassName": "", "volumes": [] }),
                    json!({}),
                ),
                vec![],
            ),
            (
                "a claim of a class",
                json!({ "kind": "PersistentVolumeClaim", "spec": { "storageClassName": "fast" } }),
                vec!["StorageClass fast"],
            ),
            (
                "a claim without a class",
                json!({ "kind": "PersistentVolumeClaim", "spec": { "storageClassName": "" } }),
                vec![],
            ),
            ("a claim of the default class", json!({ "kind": "PersistentVolumeClaim", "spec": {} }), vec![]),
            (
                "a claim of a volume",
                json!({ "kind": "PersistentVolumeClaim", "spec": { "storageClassName": "manual", "volumeName": "disk" } }),
                vec![],
            ),
            ("another kind", json!({ "kind": "Service", "spec": {} }), vec![]),
        ] {
            assert_eq!(words(&object), expected, "{what}");
        }
    }

    #[test]
    fn the_content_may_bring_what_its_pods_need() {
        let key = |version: &str, kind: &str| ObjectKey::new(version, kind, "web").unwrap();
        let claim = Dependency::Claim("web".into());
        assert!(claim.is(&key("v1", "PersistentVolumeClaim")));
        assert!(!claim.is(&key("v1", "ServiceAccount")));
        assert!(!claim.is(&key("example.com/v1", "PersistentVolumeClaim")));
    }
}
