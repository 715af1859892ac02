use super::*;
use crate::api::EnvironmentSpec;
use crate::content::object::sealed::Digested;
use crate::content::object::set::ObjectSet;
use crate::content::plan::desired::with_tests;
use crate::content::render;
use std::sync::Arc;

fn template() -> Value {
    json!({ "spec": { "restartPolicy": "Never", "containers": [{ "name": "main", "image": "test:1" }] } })
}

/// A test of the content with these annotations and changes.
fn job(notes: Value, spec: Value) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": { "name": "smoke", "annotations": { "towpath.dev/test": "required" } },
        "spec": { "template": template() },
    });
    job["metadata"]["annotations"].as_object_mut().unwrap().append(&mut notes.as_object().unwrap().clone());
    job["spec"].as_object_mut().unwrap().append(&mut spec.as_object().unwrap().clone());
    job
}

fn to() -> Destination<'static> {
    Destination { namespace: "shop-prod", owner: "shop.prod.shop", run: "1" }
}

fn content(objects: Vec<Value>) -> Arc<Digested> {
    Arc::new(Digested::of(ObjectSet::new(objects, &[], None).unwrap()).unwrap())
}

fn tests(objects: Vec<Value>) -> Result<Vec<TestJob>, String> {
    with_tests(&content(objects), &to()).map(|(_, tests)| tests).map_err(|error| error.to_string())
}

#[test]
fn a_job_with_the_annotation_is_a_test_and_no_part_of_the_rollout() {
    let notes = json!({
        "towpath.dev/test": "optional", "towpath.dev/test-timeout": "90s", "towpath.dev/test-retries": "2",
        "towpath.dev/test-keep-log": "20",
    });
    let spec = json!({ "backoffLimit": 0, "completions": 1, "parallelism": 1, "suspend": false });
    let (objects, tests) = with_tests(&content(vec![job(notes, spec)]), &to()).unwrap();
    assert!(objects.is_empty());
    let [test] = tests.as_slice() else { panic!("{tests:?}") };
    assert_eq!((test.name.as_str(), test.origin), ("smoke", TestOrigin::Content));
    let settings = TestSettings {
        when: TestTime::After,
        required: false,
        timeout: Duration::from_secs(90),
        retries: 2,
        keep_log: 20,
    };
    assert_eq!(test.settings, settings);
    let (key, written) = test.of_run("uid 1", &[("TOWPATH_VERSION", "1.0.0".into())]).unwrap();
    assert!(key.name().starts_with("smoke-") && key.name().len() == 16, "{key}");
    assert_eq!(written["metadata"]["namespace"], "shop-prod");
    assert_eq!(written["metadata"]["annotations"]["towpath.dev/owner"], "shop.prod.shop");
    assert_eq!(
        written["spec"],
        json!({
            "backoffLimit": 0,
            "template": { "spec": { "restartPolicy": "Never", "containers": [{
                "name": "main", "image": "test:1", "env": [{ "name": "TOWPATH_VERSION", "value": "1.0.0" }],
            }] } },
        })
    );
    assert_ne!(test.of_run("uid 2", &[]).unwrap().0, key, "every attempt has its own Job");
}

#[test]
fn a_test_that_says_otherwise_is_refused_with_the_field() {
    let container = |more: Value| {
        let mut main = json!({ "name": "main", "image": "test:1" });
        main.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        main
    };
    let pod = |spec: Value| json!({ "template": { "spec": spec } });
    let main = container(json!({}));
    for (spec, field) in [
        (json!({ "parallelism": 2 }), "spec.parallelism"),
        (json!({ "completions": 0 }), "spec.completions"),
        (json!({ "backoffLimit": 6 }), "spec.backoffLimit"),
        (json!({ "ttlSecondsAfterFinished": 60 }), "spec.ttlSecondsAfterFinished"),
        (json!({ "activeDeadlineSeconds": 60 }), "spec.activeDeadlineSeconds"),
        (json!({ "podFailurePolicy": { "rules": [] } }), "spec.podFailurePolicy"),
        (json!({ "managedBy": "example.com/x" }), "spec.managedBy"),
        (json!({ "suspend": true }), "spec.suspend"),
        (
            pod(json!({ "containers": [main], "restartPolicy": "OnFailure" })),
            "spec.template.spec.restartPolicy",
        ),
        (
            pod(json!({ "containers": [main], "activeDeadlineSeconds": 5 })),
            "spec.template.spec.activeDeadlineSeconds",
        ),
        (pod(json!({ "containers": [main, main] })), "spec.template.spec.containers"),
        (pod(json!({})), "spec.template.spec.containers"),
        (
            pod(json!({ "containers": [container(json!({ "restartPolicy": "Always" }))] })),
            "spec.template.spec.containers[0].restartPolicy",
        ),
        (
            pod(json!({
                "containers": [main], "initContainers": [container(json!({ "restartPolicyRules": [{}] }))],
            })),
            "spec.template.spec.initContainers[0].restartPolicyRules",
        ),
        (json!({ "template": null }), "spec.template.spec.containers"),
    ] {
        let error = tests(vec![job(json!({}), spec)]).unwrap_err();
        assert!(error.starts_with(&format!("Job smoke: {field}: ")), "{field}: {error}");
    }
}

#[test]
fn an_annotation_with_another_value_is_refused() {
    for (annotation, value) in [
        ("towpath.dev/test", json!("true")),
        ("towpath.dev/test", json!(true)),
        ("towpath.dev/test-timeout", json!("soon")),
        ("towpath.dev/test-timeout", json!("0s")),
        ("towpath.dev/test-retries", json!("11")),
        ("towpath.dev/test-retries", json!(1)),
        ("towpath.dev/test-keep-log", json!("-1")),
        ("towpath.dev/test-when", json!("Before")),
        ("towpath.dev/test-when", json!(true)),
    ] {
        let error = tests(vec![job(json!({ annotation: value }), json!({}))]).unwrap_err();
        assert!(error.starts_with(&format!("Job smoke: annotation {annotation} is ")), "{error}");
    }
    let hook = job(json!({ "towpath.dev/hook": "post-promote" }), json!({}));
    assert!(tests(vec![hook]).unwrap_err().contains("a hook cannot be a test"));
    let mut lonely = job(json!({ "towpath.dev/test-retries": "1" }), json!({}));
    lonely["metadata"]["annotations"].as_object_mut().unwrap().remove("towpath.dev/test");
    assert!(tests(vec![lonely]).unwrap_err().contains("has no effect without"));
    let many = (0..=MAX_TESTS).map(|number| {
        let mut job = job(json!({}), json!({}));
        job["metadata"]["name"] = format!("smoke-{number}").into();
        job
    });
    assert!(tests(many.collect()).unwrap_err().contains("51 tests, the limit is 50"));
}

#[test]
fn the_tests_of_an_environment_have_a_part_in_the_digest() {
    let environment = |more: Value| -> EnvironmentSpec {
        let mut test = json!({ "name": "smoke", "template": template() });
        test.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        serde_json::from_value(json!({ "namespace": "shop-prod", "tests": [test] })).unwrap()
    };
    let raw = content(vec![job(json!({}), json!({}))]);
    let rendered = render(&raw, &environment(json!({ "timeout": "2m", "required": false }))).unwrap();
    let (_, tests) = with_tests(&rendered, &to()).unwrap();
    let found: Vec<_> =
        tests.iter().map(|test| (test.name.as_str(), test.origin, test.settings.required)).collect();
    assert_eq!(
        found,
        [("smoke", TestOrigin::Environment, false), ("smoke", TestOrigin::Content, true)],
        "both have the same name and different origins"
    );
    assert_eq!(tests[0].settings.timeout, Duration::from_secs(120));
    let names: Vec<_> = tests.iter().map(|test| test.of_run("1", &[]).unwrap().0).collect();
    assert_ne!(names[0], names[1]);
    let digests = [
        json!({}),
        json!({ "retries": 1 }),
        json!({ "required": false }),
        json!({ "timeout": "2m" }),
        json!({ "when": "Before" }),
    ]
    .map(|more| render(&raw, &environment(more)).unwrap().digest().to_owned());
    let distinct: std::collections::BTreeSet<_> =
        digests.iter().chain([&raw.digest().to_owned()]).cloned().collect();
    assert_eq!(distinct.len(), 6, "{digests:?}");
}

#[test]
fn only_an_environment_names_tests_that_run_before_the_first_write() {
    let test = json!({ "name": "smoke", "when": "Before", "template": template() });
    let environment: EnvironmentSpec =
        serde_json::from_value(json!({ "namespace": "shop-prod", "tests": [test] })).unwrap();
    let own = job(json!({ "towpath.dev/test-when": "After" }), json!({}));
    let rendered = render(&content(vec![own]), &environment).unwrap();
    let (_, tests) = with_tests(&rendered, &to()).unwrap();
    let found: Vec<_> = tests.iter().map(|test| (test.origin, test.settings.when)).collect();
    assert_eq!(found, [(TestOrigin::Environment, TestTime::Before), (TestOrigin::Content, TestTime::After)]);
    let before = job(json!({ "towpath.dev/test-when": "Before" }), json!({}));
    let error = super::settings(&ObjectKey::new("batch/v1", "Job", "smoke").unwrap(), &before).unwrap_err();
    assert!(error.to_string().contains("spec.tests of the environment"), "{error}");
}

#[test]
fn a_test_before_the_first_write_reads_no_config_of_the_release() {
    let map = |notes: Value| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "cases", "annotations": notes }, "data": {} });
    let mut template = template();
    template["spec"]["volumes"] = json!([{ "name": "cases", "configMap": { "name": "cases" } }]);
    let render_for = |when: &str, map: Value, more: Value| {
        let mut spec = json!({
            "namespace": "shop-prod", "tests": [{ "name": "smoke", "when": when, "template": template }],
        });
        spec.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        let environment: EnvironmentSpec = serde_json::from_value(spec).unwrap();
        let rendered = render(&content(vec![map]), &environment).unwrap();
        with_tests(&rendered, &to()).map(drop).map_err(|error| error.to_string())
    };
    for notes in [json!({}), json!({ "towpath.dev/config": "InPlace" })] {
        let error = render_for("Before", map(notes.clone()), json!({})).unwrap_err();
        assert!(error.contains("test smoke") && error.contains("ConfigMap cases"), "{error}");
        render_for("After", map(notes.clone()), json!({})).unwrap();
        let kept = json!({ "keeps": [{ "kind": "ConfigMap", "name": "cases" }] });
        render_for("Before", map(notes), kept).unwrap();
    }
}

#[test]
fn a_test_reads_the_copy_of_a_config_map_and_keeps_none_in_place() {
    let map = |name: &str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": {} });
    let mut test = job(json!({}), json!({}));
    test["spec"]["template"]["spec"]["containers"][0]["envFrom"] =
        json!([{ "configMapRef": { "name": "cases" } }]);
    test["spec"]["template"]["spec"]["containers"][0]["args"] = json!(["http://cases:80"]);
    let (objects, tests) = with_tests(&content(vec![map("cases"), test]), &to()).unwrap();
    let copy = objects[0].key.name();
    assert!(copy.starts_with("cases-"), "{copy}");
    assert_eq!(
        tests[0].object.pointer("/spec/template/spec/containers/0/envFrom/0/configMapRef/name").unwrap(),
        copy
    );
}

#[test]
fn variables_of_towpath_come_first_and_win() {
    let mut test = job(json!({}), json!({}));
    test["spec"]["template"]["spec"]["initContainers"] = json!([{ "name": "proxy", "image": "proxy:1" }]);
    test["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{ "name": "URL", "value": "/$(TOWPATH_VERSION)" }, { "name": "TOWPATH_VERSION", "value": "mine" }]);
    let test = tests(vec![test]).unwrap().pop().unwrap();
    let (_, written) = test.of_run("1", &[("TOWPATH_VERSION", "1.0.0".into())]).unwrap();
    let ours = json!({ "name": "TOWPATH_VERSION", "value": "1.0.0" });
    let pod = &written["spec"]["template"]["spec"];
    assert_eq!(pod["initContainers"][0]["env"], json!([ours]));
    assert_eq!(pod["containers"][0]["env"], json!([ours, { "name": "URL", "value": "/$(TOWPATH_VERSION)" }]));
}
