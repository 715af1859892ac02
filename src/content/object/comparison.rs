//! The fields in which two forms of an object differ, without their values.
//!
//! Invariant: the result holds paths and hashes, never a value. Who may read the record of a promotion need not be allowed to read the
//! objects.

use super::canonical::{canonical, sha256};
use crate::api::{FieldChange, mark};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Characters of a hash. Two values of one object hardly ever have the same.
const HASH: usize = 12;
/// Characters of a path.
const PATH: usize = 512;
/// Metadata that identifies the object, or that the API server sets.
const SET_BY_SERVER: [&str; 10] = [
    "name",
    "managedFields",
    "resourceVersion",
    "generation",
    "uid",
    "creationTimestamp",
    "selfLink",
    "namespace",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// The fields that differ, by path. `salt` makes hashes of the same value differ between environments.
pub fn differences(before: Option<&Value>, after: &Value, salt: &str) -> Vec<FieldChange> {
    let (before, after) = (before.map(leaves).unwrap_or_default(), leaves(after));
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let hashed = |text: &String| hash(text, salt);
    let differs = |path: &&String| before.get(*path) != after.get(*path);
    let changed = paths.into_iter().filter(differs).map(|path| FieldChange {
        field: path.chars().take(PATH).collect(),
        before: before.get(path).map(hashed),
        after: after.get(path).map(hashed),
    });
    changed.collect()
}

/// The hash of a value in canonical JSON, as [`differences`] records it.
pub fn hash(value: &str, salt: &str) -> String {
    sha256(&format!("{salt}\n{value}")).chars().take(HASH).collect()
}

/// The values of an object that hold no other value, by path, as canonical JSON.
pub fn leaves(object: &Value) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(&comparable(object), String::new(), &mut found);
    found
}

/// The object without what no release sets.
fn comparable(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        ["apiVersion", "kind", "status"].iter().for_each(|field| {
            fields.remove(*field);
        });
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        SET_BY_SERVER.iter().for_each(|field| {
            metadata.remove(*field);
        });
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(mark::REVISION);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    let is_bare = object.get("metadata").and_then(Value::as_object).is_some_and(Map::is_empty);
    if let (true, Some(fields)) = (is_bare, object.as_object_mut()) {
        fields.remove("metadata");
    }
    object
}

/// Adds every value that holds no other value, in its canonical form.
fn walk(value: &Value, path: String, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (name, member) in members {
                walk(member, member_of(&path, name), found);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let named = names(items);
            for (index, item) in items.iter().enumerate() {
                let step = named.as_ref().and_then(|names| names.get(index).map(|name| (*name).to_owned()));
                let step = step.unwrap_or_else(|| index.to_string());
                walk(item, format!("{path}[{step}]"), found);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            found.insert(path, canonical(value));
        }
    }
}

/// The path of a member, as drift shows it.
fn member_of(path: &str, name: &str) -> String {
    match (name.contains(['.', '/', '[', ']']), path.is_empty()) {
        (true, _) => format!("{path}[{name}]"),
        (false, true) => name.to_owned(),
        (false, false) => format!("{path}.{name}"),
    }
}

/// The names of the items, if each has one of its own: an added container then changes no path of the others.
fn names(items: &[Value]) -> Option<Vec<&str>> {
    let names: Option<Vec<&str>> =
        items.iter().map(|item| item.get("name").and_then(Value::as_str)).collect();
    names.filter(|names| names.iter().collect::<BTreeSet<_>>().len() == names.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(before: Option<&Value>, after: &Value) -> Vec<String> {
        let shown = |change: FieldChange| {
            let mark = match (change.before.is_some(), change.after.is_some()) {
                (true, true) => "~",
                (false, _) => "+",
                (true, false) => "-",
            };
            format!("{mark}{}", change.field)
        };
        differences(before, after, "s").into_iter().map(shown).collect()
    }

    #[test]
    fn fields_are_named_as_people_find_them() {
        let live = json!({
            "kind": "Deployment", "status": { "replicas": 3 },
            "metadata": { "name": "web", "uid": "u", "resourceVersion": "1", "managedFields": [{}], "annotations": { "towpath.dev/revision": "1" } },
            "spec": { "replicas": 3, "template": { "spec": {
                "containers": [{ "name": "app", "image": "web:1", "args": ["a", "b"] }],
                "volumes": [],
            } } },
        });
        let mut tried = live.clone();
        tried["metadata"]["annotations"] = json!({ "towpath.dev/revision": "2", "example.com/a": "b" });
        tried["status"]["replicas"] = json!(1);
        tried["spec"]["template"]["spec"] = json!({
            "containers": [{ "name": "proxy", "image": "proxy:1" }, { "name": "app", "image": "web:2", "args": ["a"] }],
            "volumes": [{ "name": "v", "emptyDir": {} }],
        });
        assert_eq!(
            paths(Some(&live), &tried),
            [
                "+metadata.annotations[example.com/a]",
                "-spec.template.spec.containers[app].args[1]",
                "~spec.template.spec.containers[app].image",
                "+spec.template.spec.containers[proxy].image",
                "+spec.template.spec.containers[proxy].name",
                "-spec.template.spec.volumes",
                "+spec.template.spec.volumes[v].emptyDir",
                "+spec.template.spec.volumes[v].name",
            ]
        );
        assert_eq!(paths(Some(&live), &live), [""; 0]);
        assert_eq!(paths(None, &json!({ "data": { "a.conf": "x" } })), ["+data[a.conf]"]);
    }

    #[test]
    fn equal_values_have_equal_hashes_and_no_value_is_shown() {
        let of = |value: &str, salt: &str| {
            let found = differences(None, &json!({ "data": { "password": value } }), salt);
            found.first().and_then(|change| change.after.clone()).unwrap()
        };
        assert_eq!(of("hunter2", "a"), of("hunter2", "a"));
        assert_ne!(of("hunter2", "a"), of("hunter3", "a"));
        assert_ne!(of("hunter2", "a"), of("hunter2", "b"));
        assert_eq!(of("hunter2", "a").len(), HASH);
        let found = differences(None, &json!({ "data": { "password": "hunter2" } }), "a");
        assert!(!serde_json::to_string(&found).unwrap().contains("hunter2"));
    }
}
