//! What an arbitrary world holds: contents, live objects, workloads and their pods.

use super::tests;
use super::worlds::Choices;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use towpath::api::{Condition, Disruption};
use towpath::content::ownership::drift::Drift;
use towpath::content::{Digested, ObjectKey, ObjectSet};
use towpath::decide::world::{
    Container, Custom, Drifted, Drifts, Ended, Live, Loaded, OutdatedPod, Pod, Run, StoppingPod, Watched,
    Workload,
};

pub fn deployment(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": { "replicas": 1, "template": { "spec": { "containers": [{
            "name": "main", "image": image, "envFrom": [{ "configMapRef": { "name": "web" } }],
        }] } } },
    })
}

pub fn objects(choices: &mut Choices<'_>) -> Vec<Value> {
    let mut all = vec![
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "web" }, "data": { "a": choices.number(3).to_string() } }),
        deployment("web", choices.of(&["web:1", "web:2"])),
        deployment("api", "api:1"),
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web" } }),
        json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "db" },
            "spec": { "template": { "spec": { "containers": [] } } },
        }),
        json!({
            "apiVersion": "batch/v1", "kind": "Job", "spec": { "template": { "spec": { "containers": [] } } },
            "metadata": { "name": "job", "annotations": { "towpath.dev/hook": choices.of(&["pre-promote", "post-promote", "pre-rollback", "post-rollback", "pre-promote", "never"]) } },
        }),
    ];
    all[2]["metadata"]["annotations"] =
        json!({ "towpath.dev/wave": choices.of(&["1", "-1", "1", "0", "2", "x"]) });
    all.push(tests::of_content(choices));
    all.retain(|_| choices.number(3) > 0);
    all
}

pub fn content(choices: &mut Choices<'_>) -> Digested {
    Digested::of(ObjectSet::new(objects(choices), &[], None).unwrap()).unwrap()
}

pub fn loaded(name: Option<String>, choices: &mut Choices<'_>) -> Loaded {
    if name.is_none() {
        return Loaded::NotAsked;
    }
    match choices.number(12) {
        1 => Loaded::Missing("content-1".into()),
        2 => Loaded::Broken(choices.text()),
        _ => Loaded::Here(Arc::new(content(choices))),
    }
}

pub fn keys() -> Vec<ObjectKey> {
    let key = |version: &str, kind: &str, name: &str| ObjectKey::new(version, kind, name).unwrap();
    vec![
        key("apps/v1", "Deployment", "web"),
        key("apps/v1", "Deployment", "api"),
        key("apps/v1", "StatefulSet", "db"),
        key("v1", "Service", "web"),
        key("v1", "ConfigMap", "web"),
        key("batch/v1", "Job", "job"),
    ]
}

/// What a verified release is judged by.
pub fn watched(choices: &mut Choices<'_>) -> Watched {
    let workloads = keys().into_iter().filter(|_| !choices.one_in(4)).collect::<Vec<_>>();
    let workloads = workloads.into_iter().map(|key| (key, workload(choices))).collect();
    let live = keys().into_iter().map(|key| (key.clone(), live(&key, choices))).collect();
    Watched { workloads, live }
}

pub fn live(key: &ObjectKey, choices: &mut Choices<'_>) -> Live {
    match choices.number(16) {
        0..=3 => Live::Absent,
        4 => choices.of(&[Live::Refused, Live::Unserved, Live::Unreadable])(choices.text()),
        5 => Live::Present(Arc::new(choices.of(&[json!(null), json!([]), json!({ "metadata": 7 })]))),
        _ => {
            let owner = choices.of(&["shop.dev.shop", "shop.dev.shop", "shop.dev.shop", "another"]);
            let marks =
                json!({ "towpath.dev/owner": owner, "towpath.dev/revision": choices.number(6).to_string() });
            let mut annotations = json!({});
            if choices.one_in(2) {
                annotations = marks;
            }
            let manager = choices.of(&["towpath", "kubectl"]);
            Live::Present(Arc::new(json!({
                "apiVersion": key.api_version(), "kind": key.kind(), "spec": { "replicas": 5 },
                "metadata": {
                    "name": key.name(), "uid": "u", "resourceVersion": "7", "annotations": annotations,
                    "managedFields": [{
                        "manager": manager, "operation": "Apply", "apiVersion": key.api_version(), "fieldsV1": { "f:spec": { "f:replicas": {} } },
                    }],
                },
            })))
        }
    }
}

pub fn drifts(choices: &mut Choices<'_>) -> Drifts {
    let mut drifts = Drifts { is_recent: choices.one_in(3), ..Drifts::default() };
    for key in keys().into_iter().take(3) {
        match choices.number(3) {
            0 => {}
            1 => _ = drifts.unread.insert(key),
            _ => drifts.found.push(Drifted {
                key,
                application: choices.of(&["shop", "cart"]).into(),
                fields: vec![Drift {
                    field: choices.text(),
                    is_removed: choices.one_in(2),
                    manager: choices.maybe(|choices| choices.text()),
                    since: choices.maybe(Choices::moment),
                }],
            }),
        }
    }
    drifts
}

fn disruptions(choices: &mut Choices<'_>) -> Vec<Disruption> {
    let one =
        choices.maybe(|choices| Disruption { job: "u".into(), pod: choices.text(), message: choices.text() });
    one.into_iter().collect()
}

pub fn workload(choices: &mut Choices<'_>) -> Workload {
    let figure = |choices: &mut Choices<'_>| choices.of(&[1, 0, 3, i32::MAX]);
    Workload {
        uid: "u".into(),
        revision: choices.maybe(|choices| choices.number(6) as i64),
        observed: !choices.one_in(4),
        desired: figure(choices),
        updated: figure(choices),
        total: figure(choices),
        available: figure(choices),
        paused: choices.one_in(9),
        blocked: choices.one_in(9).then(|| (choices.text(), choices.text())),
        failed: choices.one_in(9).then(|| choices.text()),
        disruptions: disruptions(choices),
        disrupted: choices.one_in(9).then(|| choices.text()),
        suspended: choices.one_in(9),
        generation: choices.number(3) as i64,
        min_ready_seconds: choices.of(&[0, 0, 30]),
        deadline_seconds: choices.maybe(|choices| choices.of(&[10, 600, 1800])),
        stopping: choices
            .maybe(|choices| StoppingPod {
                name: "db-0".into(),
                node: choices.text(),
                until: choices.moment(),
            })
            .into_iter()
            .collect(),
        without_pods_since: choices.maybe(Choices::moment),
        progressed: choices.maybe(Choices::moment),
        on_delete: choices.one_in(6),
        asked: choices.one_in(3).then_some(1),
        ordered: choices.one_in(2),
        held_by_partition: choices.one_in(9).then_some(1),
        held_pods: Vec::new(),
        gave_up: choices.one_in(9).then(|| (choices.moment(), choices.text())),
        complete: choices.one_in(2),
        runs_since: choices.maybe(Choices::moment),
        runs: choices
            .maybe(|choices| Run {
                name: "run".into(),
                created: choices.maybe(Choices::moment),
                failed: choices.maybe(|choices| choices.text()),
                disruptions: disruptions(choices),
                disrupted: choices.maybe(|choices| choices.text()),
            })
            .into_iter()
            .collect(),
        pods: (0..choices.number(3)).map(|_| pod(choices)).collect(),
        outdated: (0..choices.number(2))
            .map(|_| OutdatedPod {
                name: "db-0".into(),
                uid: "u".into(),
                ready: choices.one_in(2),
                ready_since: choices.maybe(Choices::moment),
                has_error: choices.one_in(2),
            })
            .collect(),
    }
}

pub fn customs(choices: &mut Choices<'_>) -> BTreeMap<ObjectKey, Custom> {
    keys().into_iter().filter_map(|key| choices.one_in(9).then(|| (key, custom(choices)))).collect()
}

fn custom(choices: &mut Choices<'_>) -> Custom {
    let conditions: Vec<Value> = ["Ready", "Stalled", "Reconciling"]
        .iter()
        .filter_map(|type_| {
            choices.maybe(|choices| json!({ "type": type_, "status": choices.of(&["True", "False"]) }))
        })
        .collect();
    let observed = choices.of(&[r#"1"#, r#""2""#, r#""x""#, "null"]);
    let live = json!({
        "metadata": { "generation": choices.number(3) },
        "spec": { "replicas": choices.number(3), "template": { "spec": { "containers": [] } } },
        "status": { "observedGeneration": serde_json::from_str::<Value>(observed).unwrap(), "conditions": conditions },
    });
    Custom {
        live: choices.maybe(|_| Arc::new(live)),
        unread: choices.one_in(9).then(|| choices.text()),
        pods: (0..choices.number(3)).map(|_| pod(choices)).collect(),
    }
}

pub fn pod(choices: &mut Choices<'_>) -> Pod {
    let container = |choices: &mut Choices<'_>| Container {
        name: "main".into(),
        restarts: choices.of(&[0, 1, 2, i32::MAX]),
        waiting: choices.maybe(|choices| {
            (
                choices.of(&["ImagePullBackOff", "CrashLoopBackOff", "InvalidImageName", "Other"]).into(),
                choices.text(),
            )
        }),
        ended: choices.maybe(|choices| Ended {
            reason: choices.of(&["Error", "OOMKilled"]).into(),
            message: choices.text(),
            current: choices.one_in(2),
            planned: choices.one_in(5),
            at: choices.maybe(Choices::moment),
            ..Ended::default()
        }),
        excused: choices.of(&[0, 0, 1, i32::MAX]),
    };
    Pod {
        silent_node: choices.one_in(9).then(|| choices.text()),
        address: None,
        name: "pod".into(),
        uid: "u".into(),
        ready: choices.one_in(2),
        ready_since: choices.maybe(Choices::moment),
        leaving: choices.one_in(5),
        lost_readiness: choices.one_in(3),
        created: choices.maybe(Choices::moment),
        unschedulable: choices.one_in(4).then(|| (choices.moment(), choices.text())),
        gated: choices.one_in(9).then(|| choices.text()),
        completed: choices.one_in(6),
        stays_down: choices.one_in(4),
        of_job: choices.one_in(6),
        failed: choices
            .one_in(6)
            .then(|| (choices.of(&["", "Evicted", "OutOfcpu", "DeadlineExceeded"]).into(), choices.text())),
        containers: (0..choices.number(3)).map(|_| container(choices)).collect(),
    }
}

pub fn conditions(choices: &mut Choices<'_>) -> Vec<Condition> {
    let types = ["Ready", "Reconciling", "Stalled", "Holds", "Verified"];
    let condition = |type_: &str, choices: &mut Choices<'_>| Condition {
        type_: type_.into(),
        status: choices.of(&["True", "False"]).into(),
        reason: "Because".into(),
        message: String::new(),
        observed_generation: Some(1),
        last_transition_time: choices.time(),
    };
    let mut list = Vec::new();
    for type_ in types {
        if choices.one_in(4) {
            list.push(condition(type_, choices));
        }
    }
    list
}
