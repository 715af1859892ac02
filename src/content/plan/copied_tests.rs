use super::*;
use crate::api::KindRef;
use serde_json::json;

fn config(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "v"}})
}

/// A Deployment that refers to the ConfigMap `web` and has everything else named `web` as well.
fn web() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "serviceAccountName": "web",
                    "containers": [{
                        "name": "web", "image": "registry.example.com/shop/web:1",
                        "args": ["--config=/etc/web/app.yaml", "--url=http://web:8080/x", "--file", "web.yaml"],
                        "ports": [{"name": "web", "containerPort": 8080}],
                        "volumeMounts": [{"name": "web", "mountPath": "/etc/web"}],
                    }],
                    "volumes": [{"name": "web", "configMap": {"name": "web"}}],
                },
            },
        },
    })
}

fn copied_of(objects: Vec<Value>) -> Vec<String> {
    let kinds = [KindRef { api_version: "x.dev/v1".into(), kind: "Widget".into(), pod_template: None }];
    copied(&ObjectSet::new(objects, &kinds, None).unwrap()).unwrap().into_iter().collect()
}

#[test]
fn a_config_map_that_shares_its_name_with_everything_else_is_copied() {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "web", "port": 80, "targetPort": "web"}]},
    });
    assert_eq!(copied_of(vec![config("web"), web(), service]), ["web"]);
}

#[test]
fn a_config_map_that_no_pod_refers_to_is_in_place() {
    assert!(copied_of(vec![config("other"), web()]).is_empty());
}

#[test]
fn a_name_in_text_that_cannot_be_rewritten_keeps_the_config_map_in_place() {
    let container = "/spec/template/spec/containers/0";
    for (pointer, key, value) in [
        (container, "args", json!(["--from-configmap", "web"])),
        (container, "args", json!(["--configmap=shop/web,other"])),
        (container, "command", json!(["sh", "-c", "kubectl get cm 'web' -o yaml"])),
        (container, "command", json!(["curl", "https://kubernetes/api/v1/namespaces/shop/configmaps/web"])),
        (container, "env", json!([{"name": "CONFIG_MAP", "value": "web"}])),
        (container, "lifecycle", json!({"preStop": {"exec": {"command": ["touch", "web"]}}})),
        ("/metadata", "annotations", json!({"reloader/configmaps": "a,web"})),
        ("/spec/template/metadata", "annotations", json!({"agent/config": "web"})),
    ] {
        let mut deployment = web();
        deployment.pointer_mut(pointer).unwrap()[key] = value.clone();
        assert!(copied_of(vec![config("web"), deployment]).is_empty(), "{key}: {value}");
    }
    let mut other = config("other");
    other["data"]["app.yaml"] = json!("leader:\n  configMap: \"web\"\n");
    assert!(copied_of(vec![config("web"), web(), other]).is_empty());
    let widget = json!({
        "apiVersion": "x.dev/v1", "kind": "Widget", "metadata": {"name": "web"}, "spec": {"configRef": {"name": "web"}},
    });
    assert!(copied_of(vec![config("web"), web(), widget]).is_empty());
}

#[test]
fn a_longer_word_or_a_file_path_does_not_count() {
    let mut deployment = web();
    let container = deployment.pointer_mut("/spec/template/spec/containers/0").unwrap();
    container["args"] = json!(["web-server", "/web", "the_web", "webs", "x.web", "http://web/web"]);
    assert_eq!(copied_of(vec![config("web"), deployment]), ["web"]);
}

#[test]
fn the_annotation_keeps_the_name_and_has_one_valid_value() {
    let mut config_map = config("web");
    config_map["metadata"]["annotations"] = json!({(mark::CONFIG): "InPlace"});
    assert!(copied_of(vec![config_map.clone(), web()]).is_empty());
    config_map["metadata"]["annotations"] = json!({(mark::CONFIG): "inplace"});
    let error = copied(&ObjectSet::new([config_map], &[], None).unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("ConfigMap web: annotation towpath.dev/config is \"inplace\""), "{error}");
}
