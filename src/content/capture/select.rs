//! Selects by label: the objects that have all the labels, and the ConfigMaps and ServiceAccounts that their pods need.

use super::skip::is_captured;
use crate::content::object::key::{group_kind, name_of};
use crate::content::object::metadata::label;
use crate::content::object::references::{all_config_maps, service_account};
use crate::content::object::templates::pod_templates;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Selects the live objects that a capture takes. Without labels: every object that [`is_captured`]. Runs before
/// `normalise`, because pods refer to copies of ConfigMaps by their live names, and copies have no labels.
pub fn select(live: Vec<Value>, labels: &BTreeMap<String, String>) -> Vec<Value> {
    let carries_all =
        |object: &Value| labels.iter().all(|(key, value)| label(object, key) == Some(value.as_str()));
    let (mut selected, rest): (Vec<Value>, Vec<Value>) =
        live.into_iter().filter(is_captured).partition(carries_all);
    let config_maps = all_config_maps(pod_templates(&selected));
    let accounts: BTreeSet<String> =
        pod_templates(&selected).filter_map(service_account).map(str::to_owned).collect();
    selected.extend(rest.into_iter().filter(|object| match group_kind(object) {
        ("", "ConfigMap") => config_maps.contains(name_of(object)),
        ("", "ServiceAccount") => accounts.contains(name_of(object)),
        _ => false,
    }));
    selected
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn namespace() -> Vec<Value> {
        let object = |api_version: &str, kind: &str, name: &str, app: Option<&str>| {
            json!({
                "apiVersion": api_version, "kind": kind,
                "metadata": {"name": name, "labels": app.map(|app| json!({"app": app, "tier": "x"}))},
            })
        };
        let mut web = object("apps/v1", "Deployment", "web", Some("web"));
        web["spec"] = json!({"template": {"spec": {
            "serviceAccountName": "runner", "containers": [],
            "volumes": [{"configMap": {"name": "settings"}}, {"configMap": {"name": "kube-root-ca.crt"}}],
        }}});
        let mut api = object("apps/v1", "Deployment", "api", Some("api"));
        api["spec"] = json!({"template": {"spec": {"serviceAccountName": "default", "containers": []}}});
        vec![
            web,
            api,
            object("v1", "Service", "web", Some("web")),
            object("v1", "ConfigMap", "settings", None),
            object("v1", "ConfigMap", "other", None),
            object("v1", "ConfigMap", "kube-root-ca.crt", None),
            object("v1", "ServiceAccount", "runner", None),
            object("v1", "ServiceAccount", "default", None),
        ]
    }

    fn names(labels: &[(&str, &str)]) -> Vec<String> {
        let labels = labels.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let mut names: Vec<String> = select(namespace(), &labels)
            .iter()
            .map(|object| format!("{}/{}", group_kind(object).1, name_of(object)))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn without_labels_everything_but_generated_objects_is_taken() {
        assert_eq!(names(&[]).len(), 6);
    }

    #[test]
    fn what_the_pods_need_is_taken_without_labels() {
        let taken = ["ConfigMap/settings", "Deployment/web", "Service/web", "ServiceAccount/runner"];
        assert_eq!(names(&[("app", "web")]), taken);
        assert_eq!(names(&[("app", "web"), ("tier", "x")]), taken);
        assert_eq!(names(&[("app", "api")]), ["Deployment/api"]);
        assert!(names(&[("app", "web"), ("tier", "y")]).is_empty());
    }
}
