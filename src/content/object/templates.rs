//! Pod templates of the default kinds, and their containers. The shape of custom kinds is not known, so a name anywhere in them
//! counts as text (see `plan::copied`), and their images are not pinned.

use super::key::group_kind;
use super::paths;
use super::paths::JsonPath;
use serde_json::Value;

/// The three lists of containers in a pod template.
pub(in crate::content) const CONTAINERS: [JsonPath; 3] =
    [&["spec", "initContainers", "*"], &["spec", "containers", "*"], &["spec", "ephemeralContainers", "*"]];

/// The JSON pointer of the pod template in objects of this kind.
fn pointer(object: &Value) -> Option<&'static str> {
    match group_kind(object) {
        ("apps", "Deployment" | "StatefulSet" | "DaemonSet") | ("batch", "Job") => Some("/spec/template"),
        ("batch", "CronJob") => Some("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

/// The pod template of a workload; none for other kinds.
pub fn pod_template(object: &Value) -> Option<&Value> {
    object.pointer(pointer(object)?)
}

/// The pod template of a workload, for changes.
pub fn pod_template_mut(object: &mut Value) -> Option<&mut Value> {
    object.pointer_mut(pointer(object)?)
}

/// The pod template of an object of a custom kind, where most such kinds have it.
pub fn custom_template(object: &Value) -> Option<&Value> {
    let pointers = ["/spec/template", "/spec/jobTemplate/spec/template"];
    let has_containers =
        |template: &&Value| template.pointer("/spec/containers").is_some_and(Value::is_array);
    pointers.iter().filter_map(|pointer| object.pointer(pointer)).find(has_containers)
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
