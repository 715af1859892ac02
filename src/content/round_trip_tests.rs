//! The invariant of the whole module: content that is captured, written and captured again is the same, whatever the API server,
//! controllers and Towpath added to the objects.

use super::object::defaults::DEFAULT_KINDS;
use super::object::kinds::capture_kinds;
use super::object::templates::pod_template_mut;
use super::{Destination, Digested, ObjectSet, materialise, normalise, select};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const TO: Destination<'static> = Destination { namespace: "shop-prod", owner: "shop.prod.shop", run: "r" };

fn workload(kind: &str) -> Value {
    let template = json!({
        "metadata": {"labels": {"app": "web"}, "annotations": {"prometheus.io/scrape": "true"}},
        "spec": {
            "serviceAccountName": "runner", "serviceAccount": "runner", "imagePullSecrets": [{"name": "registry"}],
            "containers": [{
                "name": "web", "image": "web:1", "args": ["--leader-config", "named"],
                "envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "db"}}],
            }],
            "volumes": [
                {"name": "settings", "projected": {"sources": [{"configMap": {"name": "settings"}}]}},
                {"name": "named", "configMap": {"name": "named", "optional": true}},
                {"name": "ca", "configMap": {"name": "kube-root-ca.crt"}},
            ],
        },
    });
    let (api_version, spec) = match kind {
        "CronJob" => {
            ("batch/v1", json!({"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}))
        }
        "StatefulSet" => (
            "apps/v1",
            json!({
                "replicas": 2, "template": template, "serviceName": "web",
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}],
            }),
        ),
        _ => ("apps/v1", json!({"selector": {"matchLabels": {"app": "web"}}, "template": template})),
    };
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "labels": {"app": "web"}}, "spec": spec})
}

fn object(api_version: &str, kind: &str, name: &str, rest: Value) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    object.as_object_mut().unwrap().append(&mut rest.as_object().unwrap().clone());
    object
}

/// What an author wrote: one object of every kind that a capture lists.
fn authored() -> Vec<Value> {
    let mut settings =
        object("v1", "ConfigMap", "settings", json!({"data": {"k": "v"}, "binaryData": {"b": "AA=="}}));
    settings["metadata"]["labels"] = json!({"app": "web"});
    settings["metadata"]["annotations"] = json!({"note": "x", "towpath.dev/wave": "1"});
    vec![
        workload("Deployment"),
        workload("StatefulSet"),
        workload("DaemonSet"),
        workload("CronJob"),
        settings,
        object("v1", "ConfigMap", "named", json!({"data": {"k": "v"}, "immutable": true})),
        object("v1", "ServiceAccount", "runner", json!({"imagePullSecrets": [{"name": "registry"}]})),
        object("v1", "Service", "web", json!({"spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}})),
        object("v1", "Service", "headless", json!({"spec": {"clusterIP": "None", "clusterIPs": ["None"]}})),
        object(
            "networking.k8s.io/v1",
            "Ingress",
            "web",
            json!({"spec": {"rules": [{"host": "a.example.com"}]}}),
        ),
        object("networking.k8s.io/v1", "NetworkPolicy", "web", json!({"spec": {"podSelector": {}}})),
        object("autoscaling/v2", "HorizontalPodAutoscaler", "web", json!({"spec": {"maxReplicas": 4}})),
        object("policy/v1", "PodDisruptionBudget", "web", json!({"spec": {"minAvailable": 1}})),
    ]
}

/// The object as the API server serves it later.
fn served(object: &Value) -> Value {
    let mut live = object.clone();
    live["status"] = json!({"observedGeneration": 4, "loadBalancer": {"ingress": [{"ip": "1.2.3.4"}]}});
    let metadata = live["metadata"].as_object_mut().unwrap();
    for (key, value) in [
        ("namespace", json!("shop-prod")),
        ("uid", json!("6f3a")),
        ("resourceVersion", json!("12")),
        ("generation", json!(4)),
        ("creationTimestamp", json!("2026-01-01T00:00:00Z")),
        ("selfLink", json!("/apis/x")),
        ("finalizers", json!(["service.kubernetes.io/load-balancer-cleanup"])),
        ("managedFields", json!([{"manager": "towpath", "operation": "Apply", "fieldsV1": {"f:spec": {}}}])),
    ] {
        metadata.insert(key.into(), value);
    }
    let annotations = metadata.entry("annotations").or_insert_with(|| json!({})).as_object_mut().unwrap();
    annotations.insert("deployment.kubernetes.io/revision".into(), json!("4"));
    annotations.insert("deprecated.daemonset.template.generation".into(), json!("4"));
    annotations.insert("towpath.dev/revision".into(), json!("4"));
    let kind = live["kind"].as_str().unwrap().to_owned();
    if let Some(template) = pod_template_mut(&mut live) {
        template["metadata"]["creationTimestamp"] = Value::Null;
        let annotations = template["metadata"]["annotations"].as_object_mut().unwrap();
        annotations.insert("kubectl.kubernetes.io/restartedAt".into(), json!("2026-01-01T00:00:00Z"));
    }
    match kind.as_str() {
        "CronJob" => live["spec"]["jobTemplate"]["metadata"] = json!({"creationTimestamp": null}),
        "StatefulSet" => {
            live["spec"]["volumeClaimTemplates"][0]["status"] = json!({"phase": "Pending"});
            live["spec"]["volumeClaimTemplates"][0]["metadata"]["creationTimestamp"] = Value::Null;
        }
        "ServiceAccount" => live["secrets"] = json!([{"name": "runner-token-x"}]),
        "Service" if live["spec"]["clusterIP"] != "None" => {
            live["spec"]["clusterIP"] = json!("10.0.0.7");
            live["spec"]["clusterIPs"] = json!(["10.0.0.7"]);
            live["spec"]["ipFamilies"] = json!(["IPv4"]);
            live["spec"]["ipFamilyPolicy"] = json!("SingleStack");
            live["spec"]["healthCheckNodePort"] = json!(31234);
            live["spec"]["ports"][0]["nodePort"] = json!(30123);
        }
        _ => {}
    }
    live
}

fn captured(live: Vec<Value>) -> Digested {
    digested(normalise(select(live, &BTreeMap::new())).unwrap())
}

fn digested(objects: Vec<Value>) -> Digested {
    Digested::of(ObjectSet::new(objects, &[], Some("shop-prod")).unwrap()).unwrap()
}

/// What clusters and controllers create in every namespace, including Secrets.
fn generated() -> Vec<Value> {
    vec![
        object("v1", "ConfigMap", "kube-root-ca.crt", json!({"data": {"ca.crt": "x"}})),
        object("v1", "ServiceAccount", "default", json!({})),
        object("v1", "Secret", "db", json!({"data": {"password": "planted"}})),
        object("v1", "Pod", "web-1", json!({})),
        object("batch/v1", "Job", "done", json!({"status": {"succeeded": 1}})),
    ]
}

#[test]
fn there_is_one_object_of_every_kind_that_a_capture_lists() {
    let kinds: BTreeSet<String> = authored().iter().map(|o| o["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds.len(), capture_kinds(&[]).len());
    assert_eq!(kinds.len() + 1, DEFAULT_KINDS.len(), "Jobs are not captured");
}

#[test]
fn captured_written_and_captured_again_is_the_same_content() {
    let first = captured(authored().iter().map(served).chain(generated()).collect());
    assert_eq!(first.objects(), &ObjectSet::new(authored(), &[], None).unwrap(), "what the owner wrote");
    let mut live = generated();
    live.extend(materialise(&first, &TO).unwrap().iter().map(|desired| served(&desired.object)));
    // The copy of an older release, which an old ReplicaSet still refers to.
    let mut older = first.objects().clone().into_objects().into_values().collect::<Vec<_>>();
    older
        .iter_mut()
        .filter(|o| o["metadata"]["name"] == "settings")
        .for_each(|o| o["data"]["k"] = json!("old"));
    let older = materialise(&digested(older), &TO).unwrap();
    live.extend(older.iter().filter(|d| d.source.name() == "settings").map(|d| served(&d.object)));
    let second = captured(live);
    assert_eq!(second.objects(), first.objects());
    assert_eq!(second.digest(), first.digest());
    let stored = Digested::open(&second.seal("shop").unwrap().spec(&"shop".into())).unwrap();
    assert_eq!(stored.objects(), first.objects());
}

#[test]
fn nothing_of_a_secret_reaches_the_content() {
    let content = captured(authored().iter().map(served).chain(generated()).collect());
    assert!(content.objects().values().all(|object| !object.to_string().contains("planted")));
    assert!(content.objects().keys().all(|key| key.kind() != "Secret"));
    for desired in materialise(&content, &TO).unwrap() {
        assert!(!desired.object.to_string().contains("planted"));
    }
}

#[test]
fn materialising_is_the_same_every_time_and_every_name_is_safe() {
    let content = captured(authored().iter().map(served).collect());
    let written = materialise(&content, &TO).unwrap();
    assert_eq!(written, materialise(&content, &TO).unwrap());
    assert_eq!(written.len(), content.objects().len());
    for desired in &written {
        assert!(crate::api::names::is_subdomain(desired.key.name()));
    }
}
