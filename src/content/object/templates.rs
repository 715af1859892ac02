//! Pod templates: those of the default kinds, and those of custom kinds at the same places or at the path that `spec.kinds` of an
//! environment gives. Names in the text of a custom kind count as text (see `plan::copied`).

use super::key::group_kind;
use super::metadata::annotation;
use super::paths;
use super::paths::JsonPath;
use crate::api::mark;
use serde_json::Value;

/// The three lists of containers in a pod template.
pub(in crate::content) const CONTAINERS: [JsonPath; 3] =
    [&["spec", "initContainers", "*"], &["spec", "containers", "*"], &["spec", "ephemeralContainers", "*"]];

/// Where workloads have their pod template.
pub(in crate::content) const PLACES: [&str; 2] = ["/spec/template", "/spec/jobTemplate/spec/template"];

/// The JSON pointer of the pod template in an object of a default kind.
fn default_pointer(object: &Value) -> Option<&'static str> {
    let [template, of_job] = PLACES;
    match group_kind(object) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet") | ("batch", "Job") => Some(template),
        ("batch", "CronJob") => Some(of_job),
        _ => None,
    }
}

/// The JSON pointer of the pod template in an object of any kind.
fn pointer(object: &Value) -> Option<String> {
    if let Some(pointer) = default_pointer(object) {
        return Some(pointer.to_owned());
    }
    let has_pods = |pointer: &&str| {
        let containers = object.pointer(&format!("{pointer}/spec/containers")).and_then(Value::as_array);
        containers.is_some_and(|all| !all.is_empty() && all.iter().all(Value::is_object))
    };
    let given = annotation(object, mark::POD_TEMPLATE);
    given.into_iter().chain(PLACES).find(has_pods).map(str::to_owned)
}

/// The pod template of a workload; none for objects without pods.
pub fn pod_template(object: &Value) -> Option<&Value> {
    object.pointer(&pointer(object)?)
}

/// The pod template of a workload, for changes.
pub fn pod_template_mut(object: &mut Value) -> Option<&mut Value> {
    object.pointer_mut(&pointer(object)?)
}

/// The pod template of an object of a default kind, whose pods are exactly what it says. Controllers of custom kinds complete theirs.
pub fn complete_pod_template(object: &Value) -> Option<&Value> {
    object.pointer(default_pointer(object)?)
}

/// Whether an annotation on the template rolls out its pods and is known to the schema of the kind.
pub(in crate::content) fn takes_annotations(object: &Value) -> bool {
    let metadata = || pod_template(object)?.get("metadata")?.as_object();
    default_pointer(object).is_some() || metadata().is_some_and(|metadata| !metadata.is_empty())
}

/// The pod templates of the workloads among `objects`.
pub fn pod_templates<'a>(objects: impl IntoIterator<Item = &'a Value>) -> impl Iterator<Item = &'a Value> {
    objects.into_iter().filter_map(pod_template)
}

/// The containers of a pod template: init, main and ephemeral ones.
pub fn containers(template: &Value) -> Vec<&Value> {
    paths::all(template, &CONTAINERS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn custom_kinds_have_their_template_at_the_same_places_or_at_the_given_path() {
        let template = json!({"spec": {"containers": [{"name": "a", "image": "a:1"}]}});
        let object = |spec: Value, path: Option<&str>| {
            let mut object = json!({"apiVersion": "example.com/v1", "kind": "Rollout", "metadata": {"name": "web"}, "spec": spec});
            if let Some(path) = path {
                object["metadata"]["annotations"] = json!({"towpath.dev/pod-template": path});
            }
            object
        };
        for (spec, path, is_found) in [
            (json!({"template": template}), None, true),
            (json!({"jobTemplate": {"spec": {"template": template}}}), None, true),
            (json!({"worker": {"pod": template}}), Some("/spec/worker/pod"), true),
            (json!({"worker": {"pod": template}}), None, false),
            (json!({"worker": {"pod": template}}), Some("spec.worker.pod"), false),
            (json!({"template": {"spec": {}}}), None, false),
            (json!({"template": {"spec": {"containers": ["a"]}}}), None, false),
            (json!({"template": "text"}), None, false),
        ] {
            let object = object(spec, path);
            assert_eq!(pod_template(&object), is_found.then_some(&template), "{object}");
            assert_eq!(complete_pod_template(&object), None);
        }
    }

    #[test]
    fn every_default_workload_has_one_template() {
        let template = json!({"spec": {"containers": [{"name": "a"}], "initContainers": [{"name": "b"}]}});
        for (api_version, kind, spec) in [
            ("apps/v1", "Deployment", json!({"template": template})),
            ("apps/v1", "StatefulSet", json!({"template": template})),
            ("apps/v1", "DaemonSet", json!({"template": template})),
            ("batch/v1", "Job", json!({"template": template})),
            ("batch/v1", "CronJob", json!({"jobTemplate": {"spec": {"template": template}}})),
        ] {
            let mut object = json!({"apiVersion": api_version, "kind": kind, "spec": spec});
            assert_eq!(pod_template(&object), Some(&template), "{kind}");
            assert_eq!(containers(&template).len(), 2);
            assert!(pod_template_mut(&mut object).is_some());
        }
    }

    #[test]
    fn other_kinds_have_none() {
        let rollout =
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Deployment", "spec": {"template": {}}});
        assert_eq!(pod_template(&rollout), None);
        assert_eq!(pod_template(&json!("x")), None);
    }
}
