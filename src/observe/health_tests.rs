//! Facts about workloads and their pods.

use super::*;
use serde_json::{Value, json};

fn pod(name: &str, revision: &str, more: &Value) -> Arc<slim::Pod> {
    let mut pod = json!({
        "metadata": {
            "name": name, "uid": name, "creationTimestamp": "2026-11-26T10:00:00Z",
            "labels": { "controller-revision-hash": revision },
            "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "u", "controller": true }],
        },
        "spec": { "nodeName": "node-7", "containers": [] },
        "status": { "phase": "Running", "startTime": "2026-11-26T10:00:01Z", "conditions": [{ "type": "Ready", "status": "True" }] },
    });
    json_patch::merge(&mut pod, more);
    Arc::new(serde_json::from_value(pod).unwrap())
}

#[test]
fn a_partition_holds_pods_back_unless_the_content_sets_it() {
    let set = |partition: i32| -> slim::StatefulSet {
        serde_json::from_value(json!({
            "metadata": { "name": "db", "namespace": "shop", "uid": "u", "generation": 2 },
            "spec": { "replicas": 2, "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": partition } } },
            "status": {
                "observedGeneration": 2, "replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "updatedReplicas": 1,
                "currentRevision": "a", "updateRevision": "b",
            },
        }))
        .unwrap()
    };
    let pods = [pod("db-0", "a", &json!({})), pod("db-1", "b", &json!({}))];
    let key = ObjectKey::new("apps/v1", "StatefulSet", "db").unwrap();
    for (what, live, content, held) in [
        ("set by a person", 1, None, Some(1)),
        ("set by the content", 1, Some(1), None),
        ("set by the content, and it holds every pod", 2, Some(2), Some(2)),
        ("raised by a person", 2, Some(1), Some(2)),
        ("none", 0, None, None),
    ] {
        let facts = stateful_set(&set(live), &pods);
        assert!(facts.ordered, "{what}");
        let mut all = BTreeMap::from([(key.clone(), facts)]);
        let rolling = json!({ "rollingUpdate": { "partition": content } });
        let object = json!({ "spec": { "replicas": 2, "updateStrategy": rolling } });
        let (key, source) = (key.clone(), key.clone());
        let wanted = Desired { key, source, object, config: false, wave: 0, rank: 0, hook: None };
        compare(&mut all, std::slice::from_ref(&wanted));
        let facts = &all[&wanted.key];
        assert_eq!((facts.held_by_partition, facts.asked), (held, Some(2)), "{what}");
    }
}

#[test]
fn a_partition_counts_from_the_first_ordinal() {
    let set = |start: serde_json::Value| -> slim::StatefulSet {
        serde_json::from_value(json!({
            "metadata": { "name": "db", "namespace": "shop", "uid": "u", "generation": 2 },
            "spec": { "replicas": 2, "ordinals": start, "updateStrategy": { "rollingUpdate": { "partition": 1 } } },
            "status": {
                "observedGeneration": 2, "replicas": 2, "readyReplicas": 2, "availableReplicas": 2, "updatedReplicas": 1,
                "currentRevision": "a", "updateRevision": "b",
            },
        }))
        .unwrap()
    };
    for (start, first) in [(json!(null), 0), (json!({}), 0), (json!({ "start": 5 }), 5)] {
        let name = |index: i32| format!("db-{}", first + index);
        let pods = [pod(&name(0), "a", &json!({})), pod(&name(1), "b", &json!({}))];
        let facts = stateful_set(&set(start), &pods);
        assert_eq!(facts.held_pods, [name(0)]);
        assert!(facts.outdated.is_empty(), "{:?}", facts.outdated);
        assert_eq!((facts.held_by_partition, facts.updated), (Some(1), 2));
    }
}

#[test]
fn a_pod_names_its_node_while_the_node_does_not_report_it() {
    let condition = |status: &str, containers: &str| json!([{ "type": "Ready", "status": status }, { "type": "ContainersReady", "status": containers }]);
    for (what, status, node) in [
        ("ready", json!({}), None),
        ("not ready, as its kubelet says", json!({ "conditions": condition("False", "False") }), None),
        (
            "not ready, as the node controller says",
            json!({ "conditions": condition("False", "True") }),
            Some("node-7"),
        ),
        ("not taken by a kubelet", json!({ "startTime": null, "conditions": [] }), Some("node-7")),
    ] {
        let facts = facts(&pod("db-0", "a", &json!({ "status": status })));
        assert_eq!(facts.silent_node.as_deref(), node, "{what}");
    }
}

#[test]
fn a_job_has_failed_once_its_pods_are_seen_to_have_ended() {
    let condition =
        |reason: &str| json!({ "conditions": [{ "type": "Failed", "status": "True", "reason": reason }] });
    let failed = |reason: &str| -> slim::Job {
        let metadata = json!({ "name": "migrate", "uid": "job" });
        serde_json::from_value(json!({ "metadata": metadata, "status": condition(reason) })).unwrap()
    };
    let pod = |phase: &str, deleted: bool| -> Arc<slim::Pod> {
        let owner = json!([{ "apiVersion": "batch/v1", "kind": "Job", "name": "migrate", "uid": "job", "controller": true }]);
        let mut metadata = json!({ "name": "migrate-1", "ownerReferences": owner });
        if deleted {
            metadata["deletionTimestamp"] = json!("2026-11-26T10:00:00Z");
        }
        Arc::new(
            serde_json::from_value(json!({ "metadata": metadata, "status": { "phase": phase } })).unwrap(),
        )
    };
    for (what, reason, pods, is_failed) in [
        ("its pod is still said to run", "BackoffLimitExceeded", vec![pod("Running", false)], false),
        ("its pod is still said to start", "BackoffLimitExceeded", vec![pod("Pending", false)], false),
        ("its pod failed", "BackoffLimitExceeded", vec![pod("Failed", false)], true),
        ("its pod is being deleted", "BackoffLimitExceeded", vec![pod("Running", true)], true),
        ("its pod is gone", "BackoffLimitExceeded", vec![], true),
        ("no pod ended it", "DeadlineExceeded", vec![pod("Running", false)], true),
    ] {
        assert_eq!(job(&failed(reason), &pods, &[]).failed.is_some(), is_failed, "{what}");
    }
}
