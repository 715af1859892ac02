//! Objects of custom kinds whose controllers may create a Secret or a ConfigMap: an ExternalSecret, a SealedSecret, a Certificate.
//!
//! It is unknown what a custom kind does. Taking too many for makers only delays a failure, so every one that has the name itself, or
//! says it in its spec, may be one. An object with a pod template only reads it.

use super::key::{group_kind, name_of};
use super::kinds::is_default;
use super::templates::pod_template;
use serde_json::Value;

/// Whether the controller of an object may create a Secret or ConfigMap of this name.
pub fn may_create(object: &Value, name: &str) -> bool {
    is_maker(object) && (name_of(object) == name || object.get("spec").is_some_and(|spec| says(spec, name)))
}

/// Whether an object is of a custom kind without pods of its own.
pub fn is_maker(object: &Value) -> bool {
    let api_version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let (_, kind) = group_kind(object);
    !is_default(api_version, kind) && pod_template(object).is_none()
}

fn says(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text == name,
        Value::Array(items) => items.iter().any(|item| says(item, name)),
        Value::Object(fields) => fields.values().any(|field| says(field, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_custom_object_that_has_the_name_or_says_it_may_create_the_secret() {
        let object = |api_version: &str, kind: &str, name: &str, spec: Value| json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": name }, "spec": spec });
        let template = json!({ "template": { "spec": { "containers": [{
            "name": "main", "image": "i", "envFrom": [{ "secretRef": { "name": "db" } }],
        }] } } });
        for (what, object, may) in [
            (
                "its target",
                object(
                    "external-secrets.io/v1",
                    "ExternalSecret",
                    "vault",
                    json!({ "target": { "name": "db" } }),
                ),
                true,
            ),
            (
                "its own name",
                object("bitnami.com/v1alpha1", "SealedSecret", "db", json!({ "encryptedData": {} })),
                true,
            ),
            (
                "a field of any name",
                object("cert-manager.io/v1", "Certificate", "web", json!({ "secretName": "db" })),
                true,
            ),
            (
                "another name",
                object("cert-manager.io/v1", "Certificate", "web", json!({ "secretName": "web" })),
                false,
            ),
            (
                "a part of a text",
                object("example.com/v1", "Note", "note", json!({ "text": "the db is here" })),
                false,
            ),
            ("a workload that reads it", object("argoproj.io/v1alpha1", "Rollout", "web", template), false),
            ("a built-in kind", object("v1", "ConfigMap", "db", json!({})), false),
        ] {
            assert_eq!(may_create(&object, "db"), may, "{what}");
        }
    }
}
