use super::*;
use crate::content::object::copies::{copy_of, restore};
use serde_json::json;

/// What is left of an object that has these besides its kind.
fn stripped(api_version: &str, kind: &str, metadata: Value, rest: Value) -> Value {
    let mut live = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
    live.as_object_mut().unwrap().append(&mut rest.as_object().unwrap().clone());
    let object = strip(&live);
    assert_eq!(strip(&object), object, "stripping twice is stripping once");
    object
}

#[test]
fn metadata_that_the_server_wrote_is_removed() {
    let metadata = json!({
        "name": "web", "namespace": "shop-dev", "uid": "u", "resourceVersion": "1", "generation": 3,
        "creationTimestamp": "2026-01-01T00:00:00Z", "selfLink": "/x", "ownerReferences": [{}], "finalizers": ["x"],
        "managedFields": [{}], "generateName": "web-", "deletionGracePeriodSeconds": 0,
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}, "labels": {},
    });
    let object =
        stripped("apps/v1", "Deployment", metadata, json!({"spec": {"replicas": 3}, "status": {"x": 1}}));
    let metadata = json!({"name": "web"});
    assert_eq!(
        object,
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"replicas": 3}})
    );
}

#[test]
fn annotations_are_removed_by_who_wrote_them() {
    for (key, stays) in [
        ("deployment.kubernetes.io/revision", false),
        ("deprecated.daemonset.template.generation", false),
        ("kubectl.kubernetes.io/restartedAt", false),
        ("argocd.argoproj.io/tracking-id", false),
        ("argocd.argoproj.io/sync-wave", false),
        ("meta.helm.sh/release-name", false),
        ("kustomize.toolkit.fluxcd.io/checksum", false),
        ("helm.toolkit.fluxcd.io/driftDetection", false),
        ("towpath.dev/owner", false),
        ("towpath.dev/revision", false),
        ("towpath.dev/original-name", false),
        ("towpath.dev/original-labels", false),
        ("towpath.dev/config-digest", false),
        ("towpath.dev/wave", true),
        ("towpath.dev/hook", true),
        ("towpath.dev/config", true),
        ("kubernetes.io/change-cause", true),
        ("kubectl.kubernetes.io/default-container", true),
        ("nginx.ingress.kubernetes.io/rewrite-target", true),
    ] {
        let marks = json!({"annotations": {key: "x"}});
        let template = json!({"metadata": marks, "spec": {}});
        let spec = json!({"spec": {"template": template}});
        let mut metadata = marks.clone();
        metadata["name"] = json!("web");
        let object = stripped("apps/v1", "Deployment", metadata, spec);
        assert_eq!(object["metadata"].get("annotations").is_some(), stays, "{key} of the object");
        assert_eq!(object["spec"]["template"].get("metadata").is_some(), stays, "{key} of the template");
    }
}

#[test]
fn labels_are_removed_from_the_object_only_and_selectors_never() {
    let labels = json!({
        "app": "web", "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "shop", "helm.sh/chart": "x-1",
        "argocd.argoproj.io/instance": "shop", "kustomize.toolkit.fluxcd.io/name": "k", "towpath.dev/application": "shop",
    });
    let spec = json!({"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}});
    let metadata = json!({"name": "web", "labels": labels});
    let object = stripped("apps/v1", "Deployment", metadata, json!({"spec": spec}));
    assert_eq!(object["spec"], spec);
    assert_eq!(object["metadata"]["labels"], json!({"app": "web", "helm.sh/chart": "x-1"}));
}

#[test]
fn the_instance_label_stays_unless_argo_cd_manages_the_object() {
    let labels = json!({"app.kubernetes.io/instance": "shop"});
    let managed_by = |manager: &str| {
        let metadata = json!({"name": "web", "labels": labels, "managedFields": [{"manager": manager}]});
        strip(&json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata}))["metadata"]
            .get("labels")
            .cloned()
    };
    assert_eq!(managed_by("helm"), Some(labels.clone()));
    assert_eq!(managed_by("argocd-controller"), None);
}

#[test]
fn addresses_and_ports_of_services_are_removed_unless_they_were_chosen() {
    let port = json!({"port": 80, "nodePort": 30080});
    for (spec, left) in [
        (
            json!({
                "type": "LoadBalancer", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"], "ipFamilies": ["IPv4"],
                "ipFamilyPolicy": "SingleStack", "healthCheckNodePort": 31000, "ports": [port],
                "internalTrafficPolicy": "Cluster",
            }),
            json!({"type": "LoadBalancer", "ports": [{"port": 80}], "internalTrafficPolicy": "Cluster"}),
        ),
        (
            json!({"clusterIP": "10.0.0.1", "ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "PreferDualStack"}),
            json!({"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "PreferDualStack"}),
        ),
        (
            json!({"clusterIP": "None", "clusterIPs": ["None"], "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"]}),
            json!({"clusterIP": "None", "clusterIPs": ["None"], "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4"]}),
        ),
    ] {
        let object = stripped("v1", "Service", json!({"name": "web"}), json!({"spec": spec}));
        assert_eq!(object["spec"], left);
    }
}

#[test]
fn service_accounts_lose_tokens_and_generated_pull_secrets() {
    let pull = json!([{"name": "runner-dockercfg-x1y2z"}, {"name": "registry"}]);
    let rest = json!({"secrets": [{"name": "runner-token-abcde"}], "imagePullSecrets": pull});
    let object = stripped("v1", "ServiceAccount", json!({"name": "runner"}), rest);
    assert_eq!(object.get("secrets"), None);
    assert_eq!(object["imagePullSecrets"], json!([{"name": "registry"}]));
}

#[test]
fn jobs_lose_the_selector_that_was_generated_for_them() {
    let labels = json!({"app": "x", "controller-uid": "u", "batch.kubernetes.io/job-name": "j"});
    let selector = json!({"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}});
    let spec = json!({"selector": selector, "template": {"metadata": {"labels": labels}, "spec": {}}});
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec});
    let left = json!({"template": {"metadata": {"labels": {"app": "x"}}, "spec": {}}});
    assert_eq!(clean(&job)["spec"], left, "an exported manifest");
    let mut manual = job;
    manual["spec"]["manualSelector"] = json!(true);
    assert_eq!(clean(&manual)["spec"]["selector"], selector);
}

#[test]
fn a_manifest_keeps_what_its_author_may_have_chosen() {
    let manifest = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "x", "finalizers": ["a/b"], "creationTimestamp": null, "uid": "u"},
        "spec": {"ports": [{"port": 80, "nodePort": 30080}]}, "status": {"loadBalancer": {}},
    });
    let object = clean(&manifest);
    assert_eq!(object["metadata"], json!({"name": "web", "namespace": "x", "finalizers": ["a/b"]}));
    assert_eq!(object["spec"], manifest["spec"]);
    assert_eq!(object.get("status"), None);
}

#[test]
fn invalid_objects_do_no_harm() {
    for invalid in
        [json!(null), json!([1]), json!("x"), json!({"metadata": 1}), json!({"metadata": {"labels": []}})]
    {
        strip(&invalid);
        clean(&invalid);
    }
    for kind in ["Service", "ServiceAccount", "ConfigMap"] {
        strip(
            &json!({"apiVersion": "v1", "kind": kind, "metadata": {"annotations": "x"}, "spec": [], "secrets": 1}),
        );
    }
}

#[test]
fn a_restored_copy_is_its_original() {
    let config_map = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"},
        "metadata": {"name": "web-config", "labels": {"app": "web"}, "annotations": {"note": "x"}},
    });
    let mut immutable = config_map.clone();
    immutable["immutable"] = json!(true);
    let mut long = config_map.clone();
    long["metadata"]["name"] = json!(format!("{}.{}", "x".repeat(241), "y".repeat(11)));
    for original in [config_map, immutable, long] {
        assert_eq!(strip(&restore(copy_of(&original))), original);
    }
}
