use super::*;
use crate::content::object::key::name_of;
use crate::content::object::set::ObjectSet;

const TO: Destination<'static> =
    Destination { namespace: "shop-prod", owner: "shop.prod.shop", run: "promotion-1" };

fn config_map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"a": "b"}}, "data": {"k": value}})
}

fn workload(kind: &str, name: &str, config: &[&str]) -> Value {
    let refs: Vec<Value> = config.iter().map(|name| json!({"configMapRef": {"name": name}})).collect();
    let template =
        json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "envFrom": refs}]}});
    let api_version = if kind == "Job" || kind == "CronJob" { "batch/v1" } else { "apps/v1" };
    let spec = match kind {
        "CronJob" => json!({"jobTemplate": {"spec": {"template": template}}}),
        _ => json!({"template": template}),
    };
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn with(mut object: Value, annotation: &str, value: &str) -> Value {
    annotate(&mut object, annotation, value);
    object
}

fn content(objects: Vec<Value>) -> Digested {
    Digested::of(ObjectSet::new(objects, &[], None).unwrap()).unwrap()
}

fn written(objects: Vec<Value>) -> Vec<Desired> {
    materialise(&content(objects), &TO).unwrap()
}

fn one<'a>(written: &'a [Desired], kind: &str) -> &'a Desired {
    written.iter().find(|desired| desired.key.kind() == kind).unwrap()
}

fn environment(desired: &Desired) -> &Value {
    let template = crate::content::object::templates::pod_template(&desired.object).unwrap();
    &template["spec"]["containers"][0]["envFrom"]
}

#[test]
fn a_config_map_that_only_pods_refer_to_becomes_an_immutable_copy() {
    for kind in ["Deployment", "StatefulSet", "DaemonSet", "CronJob", "Job"] {
        let written = written(vec![
            config_map("settings", "1"),
            workload(kind, "web", &["settings", "kube-root-ca.crt"]),
        ]);
        let copy = one(&written, "ConfigMap");
        assert_eq!(copy.source.name(), "settings");
        assert_eq!(copy.key.name().len(), "settings-".len() + 10);
        assert_eq!(copy.object["immutable"], true);
        assert_eq!(copy.object["data"], json!({"k": "1"}));
        assert_eq!(copy.object["metadata"]["annotations"][mark::ORIGINAL_NAME], "settings");
        assert_eq!(copy.object["metadata"].get("labels"), None);
        let read = json!([
            {"configMapRef": {"name": copy.key.name()}}, {"configMapRef": {"name": "kube-root-ca.crt"}},
        ]);
        assert_eq!(environment(one(&written, kind)), &read, "{kind}");
    }
}

#[test]
fn a_config_map_in_place_keeps_name_and_labels_and_rolls_the_pods_by_its_data() {
    let digest = |value: &str, annotation: &str| {
        let in_place = with(config_map("settings", value), mark::CONFIG, "InPlace");
        let in_place = with(in_place, "note", annotation);
        let written = written(vec![
            in_place,
            config_map("unread", value),
            workload("Deployment", "web", &["settings"]),
        ]);
        let config = written.iter().find(|desired| desired.key.name() == "settings").unwrap();
        assert_eq!(config.object["metadata"]["labels"], json!({"a": "b"}));
        assert_eq!(config.object.get("immutable"), None);
        let web = one(&written, "Deployment");
        assert_eq!(environment(web), &json!([{"configMapRef": {"name": "settings"}}]));
        web.object["spec"]["template"]["metadata"]["annotations"][mark::CONFIG_DIGEST]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(digest("1", "x"), digest("1", "y"), "only data counts");
    assert_ne!(digest("1", "x"), digest("2", "x"));
}

#[test]
fn pods_that_read_nothing_in_place_carry_no_digest() {
    let written = written(vec![config_map("settings", "1"), workload("Deployment", "web", &["settings"])]);
    assert_eq!(one(&written, "Deployment").object["spec"]["template"]["metadata"].get("annotations"), None);
}

#[test]
fn every_object_has_its_namespace_and_owner() {
    for desired in
        written(vec![config_map("a", "1"), workload("Deployment", "web", &[]), workload("Job", "j", &[])])
    {
        assert_eq!(desired.object["metadata"]["namespace"], "shop-prod");
        assert_eq!(desired.object["metadata"]["annotations"][mark::OWNER], "shop.prod.shop");
        assert_eq!(ObjectKey::of(&desired.object).unwrap(), desired.key);
    }
}

#[test]
fn config_is_written_first_then_waves_then_ranks() {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "sa"}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "svc"}});
    let late = with(with(config_map("late", "1"), mark::CONFIG, "InPlace"), mark::WAVE, "7");
    let copied = with(config_map("settings", "1"), mark::WAVE, "7");
    let written = written(vec![
        workload("Deployment", "web", &["settings"]),
        with(workload("StatefulSet", "db", &[]), mark::WAVE, "-2"),
        with(workload("Deployment", "last", &[]), mark::WAVE, "1"),
        account,
        service,
        late,
        copied,
        config_map("plain", "1"),
    ]);
    let order: Vec<(&str, i32, bool)> = written.iter().map(|d| (d.source.name(), d.wave, d.config)).collect();
    assert_eq!(
        order,
        [
            ("plain", -2, true),
            ("settings", -2, true),
            ("sa", -2, true),
            ("db", -2, false),
            ("svc", 0, false),
            ("web", 0, false),
            ("last", 1, false),
            ("late", 7, false),
        ]
    );
}

#[test]
fn a_job_runs_again_when_it_or_its_config_changed_and_a_hook_in_every_promotion() {
    let name = |hook: Option<&str>, value: &str, run: &str| {
        let job = workload("Job", "migrate", &["settings"]);
        let job = hook.map_or(job.clone(), |hook| with(job, mark::HOOK, hook));
        let content = content(vec![job, config_map("settings", value)]);
        let written = materialise(&content, &Destination { run, ..TO }).unwrap();
        let job = one(&written, "Job");
        assert_eq!(job.hook.map(Hook::as_str), hook);
        assert_eq!(job.object["metadata"]["annotations"][mark::ORIGINAL_NAME], "migrate");
        job.key.name().to_owned()
    };
    assert_eq!(name(None, "1", "a"), name(None, "1", "b"));
    assert_ne!(name(None, "1", "a"), name(None, "2", "a"));
    assert_eq!(name(Some("pre-promote"), "1", "a"), name(Some("pre-promote"), "1", "a"));
    assert_ne!(name(Some("pre-promote"), "1", "a"), name(Some("pre-promote"), "1", "b"));
    let long = written(vec![workload("Job", &"x".repeat(63), &[])]);
    assert_eq!(one(&long, "Job").key.name().len(), 63);
}

#[test]
fn invalid_annotations_and_clashing_names_are_errors() {
    let taken = config_map(name_of(&copy_of(&config_map("settings", "1"))), "x");
    for (objects, says) in [
        (vec![with(config_map("a", "1"), mark::WAVE, "soon")], "ConfigMap a: annotation towpath.dev/wave"),
        (vec![with(workload("Job", "j", &[]), mark::HOOK, "later")], "Job j: annotation towpath.dev/hook"),
        (
            vec![config_map("settings", "1"), taken, workload("Deployment", "web", &["settings"])],
            "ConfigMap settings would be written as settings-",
        ),
    ] {
        let error = materialise(&content(objects), &TO).unwrap_err().to_string();
        assert!(error.contains(says), "{error} lacks {says}");
    }
}

#[test]
fn pods_of_a_custom_kind_are_rolled_out_when_config_changes() {
    let kind = |path: Option<&str>| crate::api::KindRef {
        api_version: "example.com/v1".into(),
        kind: "Rollout".into(),
        pod_template: path.map(str::to_owned),
    };
    let rollout = |spec: Value| json!({"apiVersion": "example.com/v1", "kind": "Rollout", "metadata": {"name": "web"}, "spec": spec});
    let template = |metadata: Value| {
        let container = json!({"name": "c", "envFrom": [{"configMapRef": {"name": "settings"}}]});
        json!({"metadata": metadata, "spec": {"containers": [container]}})
    };
    let labels = || json!({"labels": {"a": "b"}});
    for (spec, path, pointer, is_rolled) in [
        (json!({"template": template(labels())}), None, "/spec/template", true),
        (json!({"worker": {"pod": template(labels())}}), Some("/spec/worker/pod"), "/spec/worker/pod", true),
        (json!({"worker": {"pod": template(labels())}}), None, "/spec/worker/pod", false),
        (json!({"template": template(json!({}))}), None, "/spec/template", false),
    ] {
        let digest = |value: &str| {
            let objects = vec![config_map("settings", value), rollout(spec.clone())];
            let set = ObjectSet::new(objects, &[kind(path)], None).unwrap();
            let written = materialise(&Digested::of(set).unwrap(), &TO).unwrap();
            let template = one(&written, "Rollout").object.pointer(pointer).unwrap().clone();
            assert_eq!(template["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"], "settings");
            template["metadata"]["annotations"][mark::CONFIG_DIGEST].clone()
        };
        assert_eq!(digest("1").is_string(), is_rolled, "{spec}");
        assert_eq!(digest("1") != digest("2"), is_rolled, "{spec}");
    }
}

#[test]
fn a_job_of_a_release_does_not_vanish_when_it_has_finished() {
    let job = |hook: Option<&str>| {
        let mut job = workload("Job", "migrate", &[]);
        job["spec"]["ttlSecondsAfterFinished"] = json!(60);
        hook.map_or(job.clone(), |hook| with(job, mark::HOOK, hook))
    };
    for (hook, ttl) in [(None, json!(null)), (Some("pre-promote"), json!(60))] {
        let written = written(vec![job(hook)]);
        assert_eq!(one(&written, "Job").object["spec"]["ttlSecondsAfterFinished"], ttl, "{hook:?}");
    }
}
