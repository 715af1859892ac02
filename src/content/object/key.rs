//! The key of an object within one namespace. Made only by parsing, so a key in hand is safe to put into a URL.

use super::names;
use crate::api::ObjectRef;
use crate::content::error::{ContentError, quoted};
use serde_json::Value;
use std::fmt;

/// Which object: apiVersion, kind and name, each valid. The namespace is the environment's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    api_version: String,
    kind: String,
    name: String,
}

impl ObjectKey {
    /// Whether a reference by kind and name means this object.
    pub fn is_named_by(&self, reference: &ObjectRef) -> bool {
        reference.kind == self.kind() && reference.name == self.name()
    }

    /// Parses the three parts by the API server's rules for the kind.
    pub fn new(api_version: &str, kind: &str, name: &str) -> Result<Self, ContentError> {
        let location = || format!("object {}", quoted(name));
        if !names::is_api_version(api_version) {
            return Err(ContentError::Kind {
                location: location(),
                field: "apiVersion",
                value: quoted(api_version),
                rule: "group/version, such as apps/v1, or v1",
            });
        }
        if !names::is_kind(kind) {
            return Err(ContentError::Kind {
                location: location(),
                field: "kind",
                value: quoted(kind),
                rule: "letters and digits, starting with a capital",
            });
        }
        if let Some(rule) = names::broken_rule(group_of(api_version), kind, name) {
            return Err(ContentError::Name { kind: kind.to_owned(), name: quoted(name), rule });
        }
        Ok(Self { api_version: api_version.to_owned(), kind: kind.to_owned(), name: name.to_owned() })
    }

    /// The key of an object. One that has only `generateName` has none: content is written by name.
    pub fn of(object: &Value) -> Result<Self, ContentError> {
        let location = || {
            let text = |pointer| object.pointer(pointer).and_then(Value::as_str).map(quoted);
            match (text("/kind"), text("/metadata/name")) {
                (Some(kind), Some(name)) => format!("object of kind {kind}, named {name}"),
                (Some(kind), None) => format!("object of kind {kind}"),
                (None, Some(name)) => format!("object named {name}"),
                (None, None) => "object".to_owned(),
            }
        };
        let text = |pointer, field| {
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .ok_or_else(|| ContentError::Field { location: location(), field })
        };
        Self::new(
            text("/apiVersion", "apiVersion")?,
            text("/kind", "kind")?,
            text("/metadata/name", "metadata.name")?,
        )
    }

    /// Group and version, such as `apps/v1`.
    pub fn api_version(&self) -> &str {
        &self.api_version
    }

    /// The group; empty for the core group.
    pub fn group(&self) -> &str {
        group_of(&self.api_version)
    }

    /// The kind, such as `Deployment`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is a `kind` of `group`, in whatever version.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.group() == group && self.kind == kind
    }

    /// The same kind under another name.
    pub(in crate::content) fn renamed(&self, name: &str) -> Result<Self, ContentError> {
        Self::new(&self.api_version, &self.kind, name)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// The group of an apiVersion; empty for the core group.
pub(in crate::content) fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// Group and kind of an object whose key need not be valid, such as a live one. Empty where absent.
pub(in crate::content) fn group_kind(object: &Value) -> (&str, &str) {
    let text = |field| object.get(field).and_then(Value::as_str).unwrap_or_default();
    (group_of(text("apiVersion")), text("kind"))
}

/// The name of an object; empty where absent.
pub(in crate::content) fn name_of(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_key_is_shown_as_kubectl_users_name_objects() {
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
        let key = ObjectKey::of(&object).unwrap();
        assert_eq!(key.to_string(), "Deployment web");
        assert_eq!((key.group(), key.api_version()), ("apps", "apps/v1"));
    }

    #[test]
    fn hostile_and_incomplete_objects_have_no_key() {
        for (object, says) in [
            (json!(null), "object: apiVersion is missing"),
            (json!([]), "apiVersion is missing"),
            (json!({"apiVersion": 1, "kind": "X", "metadata": {"name": "x"}}), "apiVersion is missing"),
            (json!({"apiVersion": "v1", "metadata": {"name": "x"}}), "object named \"x\": kind is missing"),
            (json!({"apiVersion": "v1", "kind": "ConfigMap"}), "metadata.name is missing"),
            (
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}}),
                "metadata.name",
            ),
            (
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "../x"}}),
                "ConfigMap \"../x\"",
            ),
            (
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x?dryRun=All"}}),
                "not valid",
            ),
            (json!({"apiVersion": "v1/../..", "kind": "ConfigMap", "metadata": {"name": "x"}}), "apiVersion"),
            (
                json!({"apiVersion": "v1", "kind": "Config/Map", "metadata": {"name": "x"}}),
                "kind \"Config/Map\"",
            ),
        ] {
            let error = ObjectKey::of(&object).unwrap_err().to_string();
            assert!(error.contains(says), "{error} lacks {says}");
        }
    }
}
