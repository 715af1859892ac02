//! Copies of ConfigMaps. The name of a copy ends in a digest of its data, so the data never changes under a running pod.
//!
//! Invariant: a copy holds everything that is needed to restore exactly its original. Otherwise content that is captured from a
//! namespace that Towpath writes to would differ from the content that it wrote.

use super::canonical::{Form, canonical};
use super::key::{group_kind, name_of};
use super::metadata::{annotation, annotations};
use super::names;
use crate::api::mark;
use crate::api::names::is_subdomain;
use serde_json::{Map, Value, json};

/// On a copy: the labels of its original, as JSON. A copy has no labels, so that a label selector that matches the original does
/// not match its copies.
pub const ORIGINAL_LABELS: &str = "towpath.dev/original-labels";
/// On a copy: its original is immutable, too.
pub const ORIGINAL_IMMUTABLE: &str = "towpath.dev/original-immutable";

/// Hexadecimal digits in the name of a copy.
const DIGITS: usize = 10;

/// Whether the object is a ConfigMap.
pub(in crate::content) fn is_config_map(object: &Value) -> bool {
    group_kind(object) == ("", "ConfigMap")
}

/// The data of a ConfigMap, without its metadata.
pub(in crate::content) fn payload(config_map: &Value) -> Value {
    let part = |key: &str| config_map.get(key).filter(|part| !part.is_null()).cloned().unwrap_or(json!({}));
    json!({"data": part("data"), "binaryData": part("binaryData")})
}

/// The name of the copy that has the data of this ConfigMap.
pub fn copy_name(config_map: &Value) -> String {
    names::suffixed(name_of(config_map), &Form::default().short_digest(&payload(config_map), DIGITS), 253)
}

/// The immutable copy of a ConfigMap.
pub(in crate::content) fn copy_of(config_map: &Value) -> Value {
    let mut annotations = annotations(config_map).cloned().unwrap_or_default();
    annotations.insert(mark::ORIGINAL_NAME.into(), name_of(config_map).into());
    if let Some(labels) = config_map.pointer("/metadata/labels") {
        annotations.insert(ORIGINAL_LABELS.into(), canonical(labels).into());
    }
    if config_map.get("immutable").and_then(Value::as_bool) == Some(true) {
        annotations.insert(ORIGINAL_IMMUTABLE.into(), "true".into());
    }
    let mut copy = config_map.clone();
    if let Some(members) = copy.as_object_mut() {
        members.insert(
            "metadata".into(),
            json!({"name": copy_name(config_map), "annotations": Value::Object(annotations)}),
        );
        members.insert("immutable".into(), true.into());
    }
    copy
}

/// The name of the original, if this object is a copy. The annotation alone does not make a copy: a copy is immutable, and its
/// name is the name of the original with a digest.
pub fn original_name(live: &Value) -> Option<&str> {
    let original = annotation(live, mark::ORIGINAL_NAME)?;
    let (stem, hash) = name_of(live).rsplit_once('-')?;
    let hashed = hash.len() == DIGITS && hash.bytes().all(|b| b.is_ascii_hexdigit());
    let immutable = live.get("immutable").and_then(Value::as_bool) == Some(true);
    let is_copy = is_config_map(live)
        && immutable
        && hashed
        && is_subdomain(original)
        && names::suffixed(original, hash, 253) == format!("{stem}-{hash}");
    is_copy.then_some(original)
}

/// Restores the original of a copy. `strip` removes the annotations that remain.
pub(in crate::content) fn restore(mut copy: Value) -> Value {
    let Some(original) = original_name(&copy).map(str::to_owned) else { return copy };
    let labels: Option<Map<String, Value>> =
        annotation(&copy, ORIGINAL_LABELS).and_then(|text| serde_json::from_str(text).ok());
    let immutable = annotation(&copy, ORIGINAL_IMMUTABLE) == Some("true");
    if let Some(metadata) = copy.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("name".into(), original.into());
        if let Some(labels) = labels {
            metadata.insert("labels".into(), labels.into());
        }
    }
    if let Some(members) = copy.as_object_mut().filter(|_| !immutable) {
        members.remove("immutable");
    }
    copy
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_map() -> Value {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"},
            "metadata": {"name": "web-config", "labels": {"app": "web"}, "annotations": {"note": "x"}},
        })
    }

    #[test]
    fn a_copy_is_immutable_named_by_its_data_and_has_no_labels() {
        let copy = copy_of(&config_map());
        assert_eq!(name_of(&copy), copy_name(&config_map()));
        assert_eq!(copy["immutable"], true);
        assert_eq!(copy["metadata"].get("labels"), None);
        let mut other = config_map();
        other["data"]["k"] = json!("w");
        assert_ne!(copy_name(&other), copy_name(&config_map()));
        other = config_map();
        other["metadata"]["labels"] = json!({"app": "other"});
        assert_eq!(copy_name(&other), copy_name(&config_map()), "labels do not roll pods");
    }

    #[test]
    fn an_annotation_alone_makes_no_copy() {
        for (pointer, value) in [
            ("/immutable", json!(false)),
            ("/metadata/name", json!("web-config")),
            ("/metadata/name", json!("other-0123456789")),
            ("/metadata/annotations/towpath.dev~1original-name", json!("../x")),
            ("/kind", json!("Secret")),
        ] {
            let mut copy = copy_of(&config_map());
            *copy.pointer_mut(pointer).unwrap() = value;
            assert_eq!(original_name(&copy), None, "{pointer}");
            assert_eq!(restore(copy.clone()), copy);
        }
    }
}
