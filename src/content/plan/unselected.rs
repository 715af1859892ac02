//! Services whose selector fits no pod of the release. The cluster accepts them and every pod is healthy, but nothing answers.

use crate::content::object::key::ObjectKey;
use crate::content::object::kinds;
use crate::content::object::set::ObjectSet;
use crate::content::object::templates::pod_template;
use serde_json::{Map, Value};

/// Labels that controllers add to pods.
const ADDED: [&str; 4] = [
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "controller-revision-hash",
    "pod-template-hash",
];

/// A warning for each Service that selects no pod of the release. None if the release has no pods, or an object of a custom kind whose
/// pods are not known.
pub fn unselected(content: &ObjectSet) -> Vec<String> {
    let is_unknown = |(key, object): (&ObjectKey, &Value)| {
        kinds::plural(key.api_version(), key.kind()).is_none() && pod_template(object).is_none()
    };
    let templates = || content.iter().filter_map(|(_, object)| pod_template(object));
    if templates().next().is_none() || content.iter().any(is_unknown) {
        return Vec::new();
    }
    let labels: Vec<&Map<String, Value>> =
        templates().filter_map(|template| template.pointer("/metadata/labels")?.as_object()).collect();
    let services = content.iter().filter(|(key, _)| key.is("", "Service"));
    let selectors = services.filter_map(|(key, service)| {
        let selector = service.pointer("/spec/selector")?.as_object()?;
        (!selector.is_empty() && !ADDED.iter().any(|label| selector.contains_key(*label)))
            .then_some((key, selector))
    });
    selectors
        .filter(|(_, selector)| !labels.iter().any(|labels| selects(selector, labels)))
        .map(|(key, selector)| {
            format!(
                "{key} selects no pod of the release: no pod template has the labels {}; it has no endpoints unless other pods have them",
                shown(selector)
            )
        })
        .collect()
}

fn selects(selector: &Map<String, Value>, labels: &Map<String, Value>) -> bool {
    selector.iter().all(|(name, value)| labels.get(name) == Some(value))
}

fn shown(selector: &Map<String, Value>) -> String {
    let pairs = selector.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()));
    pairs.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::KindRef;
    use serde_json::json;

    fn service(selector: Value) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" },
            "spec": { "selector": selector, "ports": [{ "port": 80 }] },
        })
    }

    fn deployment() -> Value {
        let template = json!({
            "metadata": { "labels": { "app": "web", "tier": "front" } },
            "spec": { "containers": [{ "name": "app", "image": "web:1" }] },
        });
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
            "spec": { "selector": { "matchLabels": { "app": "web" } }, "template": template },
        })
    }

    #[test]
    fn a_service_that_selects_no_pod_is_named_with_its_labels() {
        let custom = |spec: Value| json!({ "apiVersion": "example.com/v1", "kind": "Rollout", "metadata": { "name": "web" }, "spec": spec });
        let kind =
            KindRef { api_version: "example.com/v1".into(), kind: "Rollout".into(), pod_template: None };
        let known = custom(json!({ "template": deployment()["spec"]["template"] }));
        let wrong = || service(json!({ "app": "wbe", "tier": "front" }));
        for (what, objects, expected) in [
            ("it fits", vec![deployment(), service(json!({ "app": "web" }))], 0),
            ("it does not", vec![deployment(), wrong()], 1),
            (
                "one label of two fits",
                vec![deployment(), service(json!({ "app": "web", "tier": "back" }))],
                1,
            ),
            ("it has none", vec![deployment(), service(json!({}))], 0),
            ("the release has no pods", vec![wrong()], 0),
            ("a StatefulSet adds it", vec![deployment(), service(json!({ ADDED[0]: "web-0" }))], 0),
            ("a custom kind has pods", vec![deployment(), custom(json!({ "size": 2 })), wrong()], 0),
            ("a custom kind has other pods", vec![known, wrong()], 1),
        ] {
            let found = unselected(&ObjectSet::new(objects, std::slice::from_ref(&kind), None).unwrap());
            assert_eq!(found.len(), expected, "{what}: {found:?}");
            assert!(found.iter().all(|it| it.starts_with("Service web selects no pod")), "{found:?}");
        }
        let found = unselected(&ObjectSet::new([deployment(), wrong()], &[], None).unwrap());
        assert!(found[0].contains("the labels app=wbe,tier=front;"), "{found:?}");
    }
}
