//! Schemas that several kinds share, and rules that the derive macros cannot express.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::json;

/// A duration such as `90s`, `10m` or `1h30m`.
pub fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": DURATION, "maxLength": 16 })
}

/// An optional duration.
pub fn optional_duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "nullable": true, "pattern": DURATION, "maxLength": 16 })
}

/// A number.
pub fn number(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "number" })
}

/// An optional number.
pub fn optional_number(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "number", "nullable": true })
}

/// Whole Kubernetes objects. Unknown fields are preserved, and the list is replaced as a whole.
pub fn manifests(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 200,
        "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "object",
            "required": ["apiVersion", "kind"],
            "x-kubernetes-preserve-unknown-fields": true,
        },
    })
}

/// The pod template of a test. The API server checks the pod itself when a promotion tries it.
pub fn test_template(_: &mut SchemaGenerator) -> Schema {
    let texts = |description: &str| json!({ "type": "object", "description": description, "additionalProperties": { "type": "string" } });
    let text = |description: &str| json!({ "type": "string", "description": description, "minLength": 1 });
    json_schema!({
        "type": "object",
        "required": ["spec"],
        "properties": {
            "metadata": {
                "type": "object",
                "description": "Metadata of the pod.",
                "properties": { "labels": texts("Labels of the pod."), "annotations": texts("Annotations of the pod.") },
            },
            "spec": {
                "type": "object",
                "description": "Spec of the pod, as in a Job.",
                "required": ["containers"],
                "properties": {
                    "restartPolicy": { "type": "string", "description": "`Never`. Default: Never.", "enum": ["Never"] },
                    "containers": {
                        "type": "array",
                        "description": "The container whose exit code is the result.",
                        "minItems": 1,
                        "maxItems": 1,
                        "x-kubernetes-list-type": "atomic",
                        "items": {
                            "type": "object",
                            "required": ["name", "image"],
                            "properties": { "name": text("Name of the container."), "image": text("Image of the container.") },
                            "x-kubernetes-preserve-unknown-fields": true,
                        },
                    },
                },
                "x-kubernetes-preserve-unknown-fields": true,
            },
        },
    })
}

/// An optional path of a file below the credentials folder.
pub fn optional_file(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "nullable": true, "pattern": FILE, "maxLength": 256 })
}

/// Path of a file with a credential. A pattern would repeat the value, which may be the credential itself, in the answer of the API server; so
/// would a rule of the field. The struct with the field has the rule [`is_file`].
pub fn secret_file(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "maxLength": 256 })
}

/// An optional path of a file with a credential.
pub fn optional_secret_file(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "nullable": true, "maxLength": 256 })
}

/// The rule that a field is a path below the credentials folder.
pub fn is_file(field: &str) -> String {
    format!("self.{field}.matches('{FILE}')")
}

/// The same for a field that may be absent.
pub fn is_file_if_set(field: &str) -> String {
    format!("!has(self.{field}) || {}", is_file(field))
}

/// What the API server says otherwise.
pub const IS_FILE: &str = "is the path of a file below the credentials folder of the controller, such as hooks/key, and not the URL, key or password \
                           itself";

/// Names of projects, or `*`.
pub fn served_projects(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 100,
        "items": { "type": "string", "minLength": 1, "maxLength": 63, "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?|\\*)$" },
    })
}

/// Address ranges such as `127.0.0.0/8`.
pub fn address_ranges(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 20,
        "items": { "type": "string", "minLength": 2, "maxLength": 49, "pattern": "^[0-9A-Fa-f.:]+/[0-9]{1,3}$" },
    })
}

/// Any JSON value.
pub fn any_value(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

/// `status.observedGeneration`. -1 until the controller has observed the object, so that a new object does not count as current.
pub fn observed_generation(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int64", "default": -1 })
}

/// -1: the controller has not observed the object.
pub fn never_observed() -> i64 {
    -1
}

/// Pattern of names that become part of other names: an RFC 1123 label.
pub const LABEL: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// Pattern of object names: an RFC 1123 subdomain.
pub const SUBDOMAIN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// Pattern of relative paths without `.` and `..`.
pub const FILE: &str = "^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*){0,3}$";
/// Pattern of durations. It limits them to about a century, so that adding one to the current time does not overflow.
pub const DURATION: &str = "^([0-9]{1,6}(h|m|s|ms))+$";
/// Pattern of cron expressions: five fields of digits, names and `* / , -`.
pub const CRON: &str = "^[0-9A-Za-z*/,-]+( +[0-9A-Za-z*/,-]+){4}$";
/// Pattern of IANA time zone names.
pub const TIME_ZONE: &str = "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$";

/// Truncates a text to `limit` bytes, at a character boundary, so that it fits its schema.
pub fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = (0..=limit.saturating_sub(3)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}...", text.get(..end).unwrap_or_default())
}
