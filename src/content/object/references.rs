//! The objects that a pod template refers to by name: ConfigMaps, Secrets, claims, classes, its ServiceAccount. References are at the paths of the
//! pod's schema; a name in other text is not a reference (see `plan::copied`).

use super::key::ObjectKey;
use super::paths;
use super::paths::JsonPath;
use super::templates::pod_template;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Whether pods need the object to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// `optional: true` at every reference.
    Optional,
    /// At least one reference is not optional.
    Required,
}

/// Objects that refer to a ConfigMap by their member `name`.
const CONFIG_MAPS: [JsonPath; 8] = [
    &["spec", "volumes", "*", "configMap"],
    &["spec", "volumes", "*", "projected", "sources", "*", "configMap"],
    &["spec", "initContainers", "*", "env", "*", "valueFrom", "configMapKeyRef"],
    &["spec", "initContainers", "*", "envFrom", "*", "configMapRef"],
    &["spec", "containers", "*", "env", "*", "valueFrom", "configMapKeyRef"],
    &["spec", "containers", "*", "envFrom", "*", "configMapRef"],
    &["spec", "ephemeralContainers", "*", "env", "*", "valueFrom", "configMapKeyRef"],
    &["spec", "ephemeralContainers", "*", "envFrom", "*", "configMapRef"],
];

/// Objects that refer to a Secret by their member `name`.
const SECRETS: [JsonPath; 15] = [
    &["spec", "volumes", "*", "projected", "sources", "*", "secret"],
    &["spec", "volumes", "*", "csi", "nodePublishSecretRef"],
    &["spec", "volumes", "*", "cephfs", "secretRef"],
    &["spec", "volumes", "*", "cinder", "secretRef"],
    &["spec", "volumes", "*", "flexVolume", "secretRef"],
    &["spec", "volumes", "*", "iscsi", "secretRef"],
    &["spec", "volumes", "*", "rbd", "secretRef"],
    &["spec", "volumes", "*", "scaleIO", "secretRef"],
    &["spec", "volumes", "*", "storageos", "secretRef"],
    &["spec", "initContainers", "*", "env", "*", "valueFrom", "secretKeyRef"],
    &["spec", "initContainers", "*", "envFrom", "*", "secretRef"],
    &["spec", "containers", "*", "env", "*", "valueFrom", "secretKeyRef"],
    &["spec", "containers", "*", "envFrom", "*", "secretRef"],
    &["spec", "ephemeralContainers", "*", "env", "*", "valueFrom", "secretKeyRef"],
    &["spec", "ephemeralContainers", "*", "envFrom", "*", "secretRef"],
];

/// Objects that refer by their member `name` to a Secret with the credentials of a registry. A kubelet pulls without those that do not exist.
const PULL_SECRETS: [JsonPath; 1] = [&["spec", "imagePullSecrets", "*"]];

/// Objects that refer to a Secret by their member `secretName`.
const SECRET_VOLUMES: [JsonPath; 2] =
    [&["spec", "volumes", "*", "secret"], &["spec", "volumes", "*", "azureFile"]];

/// Names of the ConfigMaps that a pod template refers to.
pub fn config_maps(template: &Value) -> BTreeMap<String, Need> {
    let mut names = BTreeMap::new();
    collect(template, &CONFIG_MAPS, "name", &mut names);
    names
}

/// Names of the Secrets that a pod template refers to. Names only: Secrets are never read.
pub fn secrets(template: &Value) -> BTreeMap<String, Need> {
    let mut names = BTreeMap::new();
    collect(template, &SECRETS, "name", &mut names);
    collect(template, &SECRET_VOLUMES, "secretName", &mut names);
    for reference in paths::all(template, &PULL_SECRETS) {
        if let Some(name) = reference.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) {
            names.entry(name.to_owned()).or_insert(Need::Optional);
        }
    }
    names
}

/// Name of the ServiceAccount that the pods run as; none when it is `default` by omission.
pub fn service_account(template: &Value) -> Option<&str> {
    // `serviceAccount` is the deprecated alias; the API server keeps both equal.
    ["/spec/serviceAccountName", "/spec/serviceAccount"]
        .iter()
        .find_map(|pointer| template.pointer(pointer).and_then(Value::as_str))
        .filter(|name| !name.is_empty())
}

/// Whether the pods of a workload need this object to start: a ConfigMap, or their ServiceAccount.
pub fn refers_to(workload: &Value, key: &ObjectKey) -> bool {
    let Some(template) = pod_template(workload) else { return false };
    match (key.api_version(), key.kind()) {
        ("v1", "ConfigMap") => config_maps(template).get(key.name()) == Some(&Need::Required),
        ("v1", "ServiceAccount") => service_account(template) == Some(key.name()),
        _ => false,
    }
}

/// Names of the ConfigMaps that any of the templates refers to.
pub fn all_config_maps<'a>(templates: impl IntoIterator<Item = &'a Value>) -> BTreeSet<String> {
    templates.into_iter().flat_map(|template| config_maps(template).into_keys()).collect()
}

/// Rewrites references to ConfigMaps: each name that is a key of `names` becomes its value. Volumes keep their own names,
/// so mounts do not change.
pub fn rename_config_maps(template: &mut Value, names: &BTreeMap<String, String>) {
    paths::update_all(template, &CONFIG_MAPS, |reference| {
        let renamed = reference.get("name").and_then(Value::as_str).and_then(|name| names.get(name)).cloned();
        if let (Some(new), Some(name)) = (renamed, reference.get_mut("name")) {
            *name = Value::String(new);
        }
    });
}

fn collect(template: &Value, paths: &[JsonPath], member: &str, names: &mut BTreeMap<String, Need>) {
    for reference in paths::all(template, paths) {
        let Some(name) = reference.get(member).and_then(Value::as_str).filter(|name| !name.is_empty()) else {
            continue;
        };
        let optional = reference.get("optional").and_then(Value::as_bool).unwrap_or(false);
        let need = if optional { Need::Optional } else { Need::Required };
        let known = names.entry(name.to_owned()).or_insert(need);
        *known = need.max(*known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn template() -> Value {
        let uses = |tag: &str| {
            json!([{
                "name": "c",
                "env": [
                    {"name": "A", "valueFrom": {"configMapKeyRef": {"name": format!("key-{tag}"), "key": "a"}}},
                    {"name": "B", "valueFrom": {"secretKeyRef": {"name": format!("secret-{tag}"), "key": "a"}}},
                ],
                "envFrom": [
                    {"configMapRef": {"name": format!("all-{tag}"), "optional": true}},
                    {"secretRef": {"name": "shared", "optional": true}},
                ],
            }])
        };
        json!({"spec": {
            "serviceAccountName": "runner",
            "imagePullSecrets": [{"name": "pull"}],
            "containers": uses("main"),
            "initContainers": uses("init"),
            "ephemeralContainers": uses("debug"),
            "volumes": [
                {"name": "v", "configMap": {"name": "volume"}},
                {"name": "p", "projected": {"sources": [
                    {"configMap": {"name": "projected"}}, {"secret": {"name": "shared"}}, {"serviceAccountToken": {}},
                ]}},
                {"name": "s", "secret": {"secretName": "mounted"}},
                {"name": "e", "emptyDir": {}},
            ],
        }})
    }

    #[test]
    fn every_reference_is_found() {
        let names: Vec<String> = config_maps(&template()).into_keys().collect();
        assert_eq!(
            names,
            ["all-debug", "all-init", "all-main", "key-debug", "key-init", "key-main", "projected", "volume"]
        );
        let names: Vec<String> = secrets(&template()).into_keys().collect();
        assert_eq!(names, ["mounted", "pull", "secret-debug", "secret-init", "secret-main", "shared"]);
        assert_eq!(service_account(&template()), Some("runner"));
    }

    #[test]
    fn one_reference_that_is_not_optional_makes_the_object_required() {
        assert_eq!(config_maps(&template())["all-main"], Need::Optional);
        assert_eq!(secrets(&template())["shared"], Need::Required);
        assert_eq!(secrets(&template())["pull"], Need::Optional);
    }

    #[test]
    fn a_workload_needs_its_config_and_its_account() {
        let workload =
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": template()}});
        for (kind, name, expected) in [
            ("ConfigMap", "volume", true),
            ("ConfigMap", "all-main", false),
            ("ConfigMap", "runner", false),
            ("ServiceAccount", "runner", true),
            ("Service", "volume", false),
        ] {
            let key = ObjectKey::new("v1", kind, name).unwrap();
            assert_eq!(refers_to(&workload, &key), expected, "{key}");
        }
    }

    #[test]
    fn renaming_reaches_every_reference_and_nothing_else() {
        let mut renamed = template();
        let names =
            config_maps(&renamed).into_keys().map(|name| (name.clone(), format!("{name}-new"))).collect();
        rename_config_maps(&mut renamed, &names);
        assert!(config_maps(&renamed).keys().all(|name| name.ends_with("-new")));
        assert_eq!(secrets(&renamed), secrets(&template()));
        let back = names.iter().map(|(old, new): (&String, &String)| (new.clone(), old.clone())).collect();
        rename_config_maps(&mut renamed, &back);
        assert_eq!(renamed, template());
    }
}
