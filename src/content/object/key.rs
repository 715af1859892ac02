//! The key of an object within one namespace. Made only by parsing, so a key in hand is safe to put into a URL.

use super::defaults::{group_of, is_of_usual_group};
use super::names;
use crate::api::{ChangeAction, ObjectChange, ObjectRef};
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
    /// Whether a reference means this object. One without a group means the built-in kind of its name, if there is one.
    pub fn is_named_by(&self, reference: &ObjectRef) -> bool {
        let is_of_group = match &reference.group {
            Some(group) => group == self.group(),
            None => is_of_usual_group(self.group(), self.kind()),
        };
        is_of_group && reference.kind == self.kind() && reference.name == self.name()
    }

    /// A reference to an object of a built-in kind.
    pub fn reference(&self) -> ObjectRef {
        ObjectRef { kind: self.kind.clone(), group: None, name: self.name.clone() }
    }

    /// The object that a change in a status is about; none if a hand wrote what is no key.
    pub fn of_change(change: &ObjectChange) -> Option<Self> {
        Self::new(&change.api_version, &change.kind, &change.name).ok()
    }

    /// The change of this object for a status.
    pub fn change(&self, action: ChangeAction) -> ObjectChange {
        ObjectChange::new(&self.api_version, &self.kind, &self.name, action)
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

    /// Whether both name one object of the cluster, which serves it in every version of its kind.
    pub fn is_same_object(&self, other: &Self) -> bool {
        (self.group(), &self.kind, &self.name) == (other.group(), &other.kind, &other.name)
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
    fn a_reference_does_not_mean_an_object_of_another_group() {
        let key = |api_version: &str, kind: &str| ObjectKey::new(api_version, kind, "web").unwrap();
        let reference = |kind: &str, group: Option<&str>| ObjectRef {
            kind: kind.into(),
            group: group.map(str::to_owned),
            name: "web".into(),
        };
        let knative = || Some("serving.knative.dev");
        for (api_version, kind, group, means) in [
            ("v1", "Service", None, true),
            ("serving.knative.dev/v1", "Service", None, false),
            ("serving.knative.dev/v1", "Service", knative(), true),
            ("v1", "Service", knative(), false),
            ("apps/v1", "Deployment", None, true),
            ("apps/v1", "Deployment", Some("apps"), true),
            ("apps.kruise.io/v1beta1", "StatefulSet", None, false),
            ("argoproj.io/v1alpha1", "Rollout", None, true),
            ("argoproj.io/v1alpha1", "Rollout", Some("example.com"), false),
        ] {
            let is_named = key(api_version, kind).is_named_by(&reference(kind, group));
            assert_eq!(is_named, means, "{api_version} {kind} by {group:?}");
        }
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
