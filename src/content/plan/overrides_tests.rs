use super::*;

fn content() -> ObjectSet {
    let workload = |kind: &str| {
        json!({
            "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web"},
            "spec": {"replicas": 1, "template": {"spec": {
                "initContainers": [{"name": "init"}],
                "containers": [
                    {"name": "app", "env": [
                        {"name": "URL", "valueFrom": {"configMapKeyRef": {"name": "x", "key": "y"}}},
                        {"name": "LAST", "value": "$(URL)"},
                        {"name": "URL", "value": "again"},
                    ]},
                    {"name": "sidecar"},
                ],
            }}},
        })
    };
    let objects = [
        workload("Deployment"),
        workload("DaemonSet"),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "db"}, "data": {"host": "dev"}}),
    ];
    ObjectSet::new(objects, &[], None).unwrap()
}

fn environment(spec: Value) -> EnvironmentSpec {
    let mut all = json!({"namespace": "shop-prod"});
    all.as_object_mut().unwrap().append(&mut spec.as_object().unwrap().clone());
    serde_json::from_value(all).unwrap()
}

fn rendered(spec: Value) -> Result<ObjectSet, String> {
    let content = Arc::new(Digested::of(content()).unwrap());
    let rendered = render(&content, &environment(spec)).map_err(|error| error.to_string())?;
    Ok(rendered.objects().clone())
}

fn deployment(set: &ObjectSet) -> Value {
    set.get(&ObjectKey::new("apps/v1", "Deployment", "web").unwrap()).unwrap().clone()
}

fn patch(operations: Value) -> Result<ObjectSet, String> {
    rendered(
        json!({"overrides": {"patches": [{"kind": "Deployment", "name": "web", "operations": operations}]}}),
    )
}

#[test]
fn an_environment_that_changes_nothing_gets_the_content_as_it_is() {
    let content = Arc::new(Digested::of(content()).unwrap());
    let replicas = json!({"replicas": [{"kind": "Deployment", "name": "web", "replicas": 1}]});
    for spec in
        [json!({}), json!({"keeps": [{"kind": "Service", "name": "x"}]}), json!({"overrides": replicas})]
    {
        assert!(Arc::ptr_eq(&render(&content, &environment(spec)).unwrap(), &content));
    }
}

#[test]
fn objects_of_keeps_are_not_part_of_it() {
    let set = rendered(
        json!({"keeps": [{"kind": "ConfigMap", "name": "db"}, {"kind": "ConfigMap", "name": "more"}]}),
    );
    assert_eq!(set.unwrap().len(), 2);
}

#[test]
fn replicas_and_variables_are_set_where_they_are_asked_for() {
    let set = rendered(json!({"overrides": {
        "replicas": [{"kind": "Deployment", "name": "web", "replicas": 5}],
        "env": [
            {"kind": "Deployment", "name": "web", "variables": [{"name": "URL", "value": "u"}, {"name": "NEW", "value": ""}]},
            {"kind": "Deployment", "name": "web", "container": "init", "variables": [{"name": "ONLY", "value": "i"}]},
        ],
    }}))
    .unwrap();
    let web = deployment(&set);
    assert_eq!(web["spec"]["replicas"], 5);
    let pod = &web["spec"]["template"]["spec"];
    let url = json!({"name": "URL", "value": "u"});
    let new = json!({"name": "NEW", "value": ""});
    assert_eq!(pod["containers"][0]["env"], json!([url, {"name": "LAST", "value": "$(URL)"}, new]));
    assert_eq!(pod["containers"][1]["env"], json!([url, new]));
    assert_eq!(pod["initContainers"][0]["env"], json!([{"name": "ONLY", "value": "i"}]));
}

#[test]
fn patches_see_the_result_of_the_other_overrides() {
    let set = rendered(json!({"overrides": {
        "replicas": [{"kind": "Deployment", "name": "web", "replicas": 5}],
        "patches": [{"kind": "Deployment", "name": "web", "operations": [
            {"op": "test", "path": "/spec/replicas", "value": 5},
            {"op": "copy", "from": "/spec/replicas", "path": "/spec/minReadySeconds"},
            {"op": "add", "path": "/spec/paused", "value": null},
        ]}],
    }}))
    .unwrap();
    assert_eq!(deployment(&set)["spec"]["minReadySeconds"], 5);
    assert_eq!(deployment(&set)["spec"]["paused"], Value::Null);
}

#[test]
fn an_override_that_does_not_fit_names_its_field_and_object() {
    let variable = json!([{"name": "A", "value": "b"}]);
    for (spec, says) in [
        (
            json!({"overrides": {"replicas": [{"kind": "DaemonSet", "name": "web", "replicas": 1}]}}),
            "only the replicas of a Deployment",
        ),
        (
            json!({"overrides": {"env": [{"kind": "ConfigMap", "name": "db", "variables": variable}]}}),
            "spec.overrides.env[0]: ConfigMap db has no pod template",
        ),
        (
            json!({"overrides": {"env": [
                {"kind": "Deployment", "name": "web", "container": "nope", "variables": variable},
            ]}}),
            "spec.overrides.env[0].container: Deployment web has no container \"nope\"",
        ),
        (
            json!({
                "keeps": [{"kind": "ConfigMap", "name": "db"}],
                "overrides": {"patches": [{"kind": "ConfigMap", "name": "db", "operations": []}]},
            }),
            "spec.overrides.patches[0]: spec.keeps lists ConfigMap db",
        ),
    ] {
        let error = rendered(spec).unwrap_err();
        assert!(error.contains(says), "{error} lacks {says}");
    }
}

#[test]
fn an_override_of_another_application_is_skipped_and_reported() {
    let spec = json!({"overrides": {"replicas": [{"kind": "Deployment", "name": "api", "replicas": 1}]}});
    assert!(rendered(spec.clone()).is_ok());
    let mut full = json!({"namespace": "shop-prod"});
    full["overrides"] = spec["overrides"].clone();
    let environment = serde_json::from_value(full).unwrap();
    let reported = super::unmatched(&ObjectSet::default(), &environment);
    assert_eq!(reported, ["spec.overrides.replicas: this release has no Deployment api"]);
}

#[test]
fn a_patch_that_does_not_fit_names_its_operation_and_shows_no_values() {
    for (operation, says) in [
        (json!({"op": "replace", "path": "/spec/nope", "value": "hidden"}), "path is invalid"),
        (json!({"op": "test", "path": "/spec/replicas", "value": "hidden"}), "value did not match"),
        (json!({"op": "remove", "path": "spec"}), "not a JSON pointer"),
        (json!({"op": "move", "path": "/spec/a"}), "needs the field from"),
        (json!({"op": "merge", "path": "/spec/a"}), "op is not one of"),
        (json!({"op": "remove", "path": "/spec/template/spec/containers/-"}), "path is invalid"),
        (json!({"op": "remove", "path": ""}), "path is invalid"),
    ] {
        let fits = json!({"op": "test", "path": "/kind", "value": "Deployment"});
        let error = patch(json!([fits, operation])).unwrap_err();
        assert!(error.starts_with("spec.overrides.patches[0].operations[1]: "), "{error}");
        assert!(error.contains(says) && !error.contains("hidden"), "{error} lacks {says}");
    }
}

#[test]
fn a_patch_cannot_make_another_object() {
    for operation in [
        json!({"op": "replace", "path": "/metadata/name", "value": "api"}),
        json!({"op": "replace", "path": "/kind", "value": "Secret"}),
        json!({"op": "replace", "path": "/apiVersion", "value": "v1"}),
        json!({"op": "add", "path": "/metadata/namespace", "value": "kube-system"}),
        json!({"op": "remove", "path": "/metadata"}),
        json!({"op": "replace", "path": "", "value": []}),
    ] {
        let error = patch(json!([operation])).unwrap_err();
        assert!(error.contains("spec.overrides.patches[0]") && error.contains("may not change"), "{error}");
    }
}

#[test]
fn copying_an_object_into_itself_many_times_is_refused_early() {
    let bomb: Vec<Value> =
        (0..50).map(|n| json!({"op": "copy", "from": "/spec", "path": format!("/spec/copy{n}")})).collect();
    assert!(patch(json!(bomb)).unwrap_err().contains("too large or nested too deeply"));
}

#[test]
fn content_of_a_kind_that_the_environment_does_not_list_is_refused() {
    let kind = crate::api::KindRef { api_version: "x.dev/v1".into(), kind: "X".into(), pod_template: None };
    let object = json!({"apiVersion": "x.dev/v1", "kind": "X", "metadata": {"name": "s"}});
    let set = ObjectSet::new([object], std::slice::from_ref(&kind), None).unwrap();
    let set = Arc::new(Digested::of(set).unwrap());
    assert!(render(&set, &environment(json!({}))).is_err());
    assert!(render(&set, &environment(json!({"kinds": [{"apiVersion": "x.dev/v1", "kind": "X"}]}))).is_ok());
}
