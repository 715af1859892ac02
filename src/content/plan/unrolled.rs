//! Objects of custom kinds for which the promises about config and images do not hold, because their pod template is not known, or
//! takes no annotation.

use crate::content::object::copies::is_config_map;
use crate::content::object::key::ObjectKey;
use crate::content::object::kinds;
use crate::content::object::paths::each_string;
use crate::content::object::references::config_maps;
use crate::content::object::set::ObjectSet;
use crate::content::object::templates::{pod_template, takes_annotations};
use serde_json::Value;
use std::collections::BTreeSet;

/// A warning for each object of a custom kind for which a promise does not hold.
pub fn unrolled(content: &ObjectSet) -> Vec<String> {
    let config = content.iter().filter(|(_, object)| is_config_map(object));
    let config: BTreeSet<&str> = config.map(|(key, _)| key.name()).collect();
    let custom = content.iter().filter(|(key, _)| kinds::plural(key.api_version(), key.kind()).is_none());
    custom.filter_map(|(key, object)| warning(key, object, &config)).collect()
}

fn warning(key: &ObjectKey, object: &Value, config: &BTreeSet<&str>) -> Option<String> {
    match pod_template(object) {
        Some(template) => {
            let read = config_maps(template).into_keys().find(|name| config.contains(name.as_str()))?;
            (!takes_annotations(object)).then(|| {
                format!(
                    "{key}: its pods are not rolled out when ConfigMap {read} changes, because its pod template has no metadata; \
                     add a label to it"
                )
            })
        }
        None if runs_pods(object) || names_any(object, config) => Some(format!(
            "{key}: its pods are not rolled out when config changes, and its images are not pinned or checked, because its pod template \
             is not known; name its path in spec.kinds[].podTemplate of the environment"
        )),
        None => None,
    }
}

/// Whether an object has a list of containers, or an image, anywhere.
fn runs_pods(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, member)| {
            let is_image = name == "image" && member.is_string();
            let is_list = name == "containers" && member.is_array();
            is_image || is_list || runs_pods(member)
        }),
        Value::Array(elements) => elements.iter().any(runs_pods),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether a text of the spec is the name of a ConfigMap.
fn names_any(object: &Value, config: &BTreeSet<&str>) -> bool {
    let mut is_named = false;
    if let Some(spec) = object.get("spec") {
        each_string(spec, &mut |text| is_named |= config.contains(text));
    }
    is_named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::KindRef;
    use serde_json::json;

    fn warnings(spec: Value, pod_template: Option<&str>) -> Vec<String> {
        let kind = KindRef {
            api_version: "example.com/v1".into(),
            kind: "Rollout".into(),
            pod_template: pod_template.map(str::to_owned),
        };
        let rollout = json!({ "apiVersion": "example.com/v1", "kind": "Rollout", "metadata": { "name": "web" }, "spec": spec });
        let config = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" } });
        unrolled(&ObjectSet::new([rollout, config], &[kind], None).unwrap())
    }

    fn template(metadata: Value) -> Value {
        let container =
            json!({ "name": "a", "image": "a:1", "envFrom": [{ "configMapRef": { "name": "settings" } }] });
        json!({ "metadata": metadata, "spec": { "containers": [container] } })
    }

    #[test]
    fn a_custom_kind_whose_promises_do_not_hold_is_named() {
        let labels = || json!({ "labels": { "app": "web" } });
        for (spec, path, says) in [
            (json!({ "template": template(labels()) }), None, None),
            (json!({ "template": template(json!({})) }), None, Some("add a label")),
            (json!({ "pod": template(labels()) }), None, Some("spec.kinds[].podTemplate")),
            (json!({ "pod": template(labels()) }), Some("/spec/pod"), None),
            (json!({ "image": "a:1" }), None, Some("spec.kinds[].podTemplate")),
            (json!({ "config": "settings" }), None, Some("spec.kinds[].podTemplate")),
            (json!({ "endpoints": [{ "port": "http" }] }), None, None),
        ] {
            let found = warnings(spec.clone(), path);
            assert_eq!(found.len(), usize::from(says.is_some()), "{spec} {found:?}");
            assert!(says.is_none_or(|says| found[0].contains(says)), "{spec} {found:?}");
        }
    }
}
