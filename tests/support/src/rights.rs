//! The rights that roles grant, one by one, and as lines that a person can review.

use serde_json::Value;

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    pub group: String,
    pub resource: String,
    pub verb: String,
    /// Where a Role grants it; empty for a ClusterRole.
    pub namespace: String,
    /// The objects that it is restricted to; empty for all.
    pub names: Vec<String>,
}

impl Grant {
    /// All that the roles with these names grant.
    pub fn of_roles(objects: &[Value], names: &[&str]) -> Vec<Self> {
        let named =
            |object: &&Value| names.contains(&object["metadata"]["name"].as_str().unwrap_or_default());
        let mut grants = Vec::new();
        for role in objects.iter().filter(|object| is_role(object)).filter(named) {
            let namespace = role["metadata"]["namespace"].as_str().unwrap_or_default();
            for rule in role["rules"].as_array().into_iter().flatten() {
                for group in words(&rule["apiGroups"]) {
                    for resource in words(&rule["resources"]) {
                        for verb in words(&rule["verbs"]) {
                            let (group, resource, namespace) =
                                (group.clone(), resource.clone(), namespace.into());
                            let names = words(&rule["resourceNames"]);
                            grants.push(Self { group, resource, verb, namespace, names });
                        }
                    }
                }
            }
        }
        grants
    }
}

/// One line per rule and binding: `ClusterRole towpath: apps deployments: get list watch`.
pub fn lines(objects: &[Value]) -> Vec<String> {
    let mut lines = Vec::new();
    for object in objects {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let place = Some(text("/metadata/namespace")).filter(|namespace| !namespace.is_empty());
        let place = place.map(|namespace| format!(" in {namespace}")).unwrap_or_default();
        let shown = format!("{} {}{place}", text("/kind"), text("/metadata/name"));
        for rule in object["rules"].as_array().into_iter().flatten().filter(|_| is_role(object)) {
            let names = words(&rule["resourceNames"]);
            let only = if names.is_empty() { String::new() } else { format!(" named {}", names.join(" ")) };
            let group = words(&rule["apiGroups"]).join(" ");
            let group = if group.is_empty() { "core" } else { &group };
            let (resources, verbs) = (words(&rule["resources"]).join(" "), words(&rule["verbs"]).join(" "));
            lines.push(format!("{shown}: {group} {resources}{only}: {verbs}"));
        }
        for subject in object["subjects"].as_array().into_iter().flatten() {
            let part = |name: &str| subject[name].as_str().unwrap_or_default();
            let role = format!("{} {}", text("/roleRef/kind"), text("/roleRef/name"));
            lines.push(format!("{shown}: {role} -> {} {}/{}", part("kind"), part("namespace"), part("name")));
        }
    }
    lines.sort();
    lines
}

fn is_role(object: &Value) -> bool {
    object["kind"] == "ClusterRole" || object["kind"] == "Role"
}

fn words(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
