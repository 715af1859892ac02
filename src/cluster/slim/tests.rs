//! Objects as a real API server sends them, read by the slim types.

use kube::core::DeserializeGuard;
use serde_json::{Value, json};

use super::*;
use crate::cluster::watch::Watched;

fn read<K: Watched>(object: Value) -> K {
    // Through text, as it comes over the wire, and through the guard, as kube's watcher decodes it.
    let guarded: DeserializeGuard<K::Wire> = serde_json::from_str(&object.to_string()).unwrap();
    K::from_wire(guarded.0.unwrap())
}

fn managed(manager: &str, subresource: Option<&str>, fields: Value) -> Value {
    json!({"manager": manager, "operation": "Apply", "apiVersion": "apps/v1", "time": "2026-11-23T01:00:00Z",
        "fieldsType": "FieldsV1", "subresource": subresource, "fieldsV1": fields})
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop-prod", "uid": "6f7a0d9e-0c2f-4b43-9f43-0a8a53a7a111",
            "resourceVersion": "1042", "generation": 3, "creationTimestamp": "2026-11-23T01:00:00Z",
            "labels": {"app": "web", "team": "shop"},
            "annotations": {
                "deployment.kubernetes.io/revision": "2",
                "kubectl.kubernetes.io/last-applied-configuration": "{\"very\":\"long\"}",
                "towpath.dev/owner": "shop.prod.web", "towpath.dev/revision": "7"
            },
            "managedFields": [
                managed("towpath", None, json!({"f:spec": {"f:replicas": {}, "f:template": {"f:spec": {}}}})),
                managed("kube-controller-manager", Some("status"), json!({"f:status": {"f:replicas": {}}}))
            ]
        },
        "spec": {
            "replicas": 3, "paused": true, "minReadySeconds": 5, "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web"}]}}
        },
        "status": {
            "observedGeneration": 3, "replicas": 4, "updatedReplicas": 2, "readyReplicas": 3,
            "availableReplicas": 3, "unavailableReplicas": 1,
            "conditions": [
                {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
                 "message": "Deployment has minimum availability.",
                 "lastUpdateTime": "2026-11-23T01:00:10Z", "lastTransitionTime": "2026-11-23T01:00:10Z"},
                {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                 "message": "x".repeat(2000),
                 "lastUpdateTime": "2026-11-23T01:10:10Z", "lastTransitionTime": "2026-11-23T01:10:10Z"}
            ]
        }
    })
}

#[test]
fn a_deployment_holds_what_health_needs() {
    let web: Deployment = read(deployment());
    let meta = &web.metadata;
    assert_eq!((meta.namespace(), meta.name(), Watched::version(&web)), ("shop-prod", "web", "1042"));
    assert_eq!((meta.generation, meta.deployment_revision()), (3, Some(2)));
    assert_eq!(meta.revision_mark(), Some("7"));
    assert_eq!(meta.label("app"), None, "a label that no code reads");
    assert!(meta.creation_timestamp.get().is_some() && !meta.is_terminating());
    assert_eq!((web.spec.replicas, web.spec.paused), (Some(3), true));
    let status = &web.status;
    assert_eq!((status.replicas, status.updated_replicas, status.available_replicas), (4, 2, 3));
    assert_eq!(&*web.condition("Available").unwrap().message, "", "dropped while it is true");
    let progressing = web.condition("Progressing").unwrap();
    assert_eq!((progressing.status, progressing.message.len()), (ConditionStatus::False, 512));
    assert_eq!(progressing.reason, "ProgressDeadlineExceeded");
    assert!(progressing.last_update_time.get().is_some());
}

#[test]
fn absent_and_null_fields_read_as_the_default() {
    let bare =
        json!({"metadata": {"name": "web", "namespace": "shop", "labels": null, "ownerReferences": null}});
    let web: Deployment = read(bare.clone());
    assert_eq!((web.spec.replicas, web.status.replicas), (None, 0));
    read::<StatefulSet>(bare.clone());
    read::<DaemonSet>(bare.clone());
    read::<ReplicaSet>(bare.clone());
    read::<Job>(bare.clone());
    let nulls = json!({"metadata": {"name": "p"}, "spec": {"containers": null},
        "status": {"conditions": null, "containerStatuses": null, "reason": null, "message": null}});
    assert!(read::<Pod>(nulls).containers.is_empty());
    assert_eq!(read::<Namespace>(json!({"metadata": {"name": "shop"}})).metadata.namespace(), "");
    assert_eq!(Deployment::default().metadata.name(), "");
}

#[test]
fn an_undecodable_object_is_known_by_name_and_an_unknown_word_is_decodable() {
    let mut object = deployment();
    object["spec"]["replicas"] = json!("three");
    let guarded: DeserializeGuard<Wire<Deployment>> = serde_json::from_str(&object.to_string()).unwrap();
    let invalid = guarded.0.unwrap_err();
    assert_eq!(invalid.metadata.name.as_deref(), Some("web"));
    object["spec"]["replicas"] = json!(3);
    object["spec"]["updateStrategy"] = json!({"type": "Sideways"});
    object["status"]["conditions"][0]["status"] = json!("Maybe");
    let web: Deployment = read(object.clone());
    assert_eq!(web.status.conditions[0].status, ConditionStatus::Unknown);
    let db: StatefulSet = read(object);
    assert_eq!(db.spec.update_strategy.type_, UpdateStrategyType::RollingUpdate);
}

#[test]
fn sets_hold_their_revisions_and_numbers() {
    let db: StatefulSet = read(json!({
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": {"replicas": 3, "updateStrategy": {"type": "OnDelete", "rollingUpdate": {"partition": 2}}},
        "status": {"observedGeneration": 1, "replicas": 3, "readyReplicas": 2, "availableReplicas": 2,
            "currentRevision": "db-1", "updateRevision": "db-2", "updatedReplicas": 1, "currentReplicas": 2}
    }));
    assert_eq!((db.spec.update_strategy.partition, &*db.status.update_revision), (2, "db-2"));
    assert_eq!(db.spec.update_strategy.type_, UpdateStrategyType::OnDelete);
    let agent: DaemonSet = read(json!({
        "metadata": {"name": "agent", "namespace": "shop",
            "annotations": {"deprecated.daemonset.template.generation": "4"}},
        "status": {"desiredNumberScheduled": 5, "updatedNumberScheduled": 4, "numberUnavailable": 1}
    }));
    assert_eq!((agent.metadata.template_generation(), agent.status.desired_number_scheduled), (Some(4), 5));
    let old: ReplicaSet = read(json!({
        "metadata": {"name": "web-abc", "ownerReferences": [
            {"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "1"},
            {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "2", "controller": true}]},
        "status": {"conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}]}
    }));
    assert!(old.metadata.is_controlled_by("2") && !old.metadata.is_controlled_by("1"));
    assert!(!agent.metadata.is_controlled_by(""), "it has no owner");
    assert!(old.condition("ReplicaFailure").is_some());
}

#[test]
fn a_pod_joins_each_container_with_its_status() {
    let pod: Pod = read(json!({
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"controller-revision-hash": "db-2"}},
        "spec": {
            "containers": [{"name": "web", "image": "web:1"}, {"name": "log", "image": "log:1"}],
            "initContainers": [
                {"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"},
                {"name": "migrate", "image": "migrate:1"}]
        },
        "status": {
            "phase": "Running",
            "conditions": [
                {"type": "Initialized", "status": "True"},
                {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "web"},
                {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-23T01:00:00Z"}],
            "containerStatuses": [
                {"name": "log", "ready": true, "restartCount": 0, "image": "log:1", "imageID": "log@sha256:1",
                 "state": {"running": {"startedAt": "2026-11-23T01:00:00Z"}}, "lastState": {}},
                {"name": "web", "ready": false, "restartCount": 4, "image": "web:1", "imageID": "web@sha256:2",
                 "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
                 "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled",
                     "finishedAt": "2026-11-23T01:00:00Z"}}}],
            "initContainerStatuses": [
                {"name": "migrate", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]
        }
    }));
    assert_eq!((pod.phase, pod.is_ready(), pod.conditions.len()), (PodPhase::Running, false, 2));
    assert_eq!(pod.metadata.controller_revision_hash(), Some("db-2"));
    let [web, log, proxy, migrate] = &*pod.containers else { panic!("{:?}", pod.containers) };
    assert_eq!((&*web.spec_image, &*web.image_id, web.restart_count), ("web:1", "web@sha256:2", 4));
    assert!(matches!(&web.state, ContainerState::Waiting(waiting) if waiting.reason == "CrashLoopBackOff"));
    assert_eq!(web.last_terminated.as_ref().unwrap().exit_code, 137);
    assert_eq!((log.state == ContainerState::Running, log.restart_count), (true, 0));
    assert_eq!((&*proxy.name, &*proxy.image_id), ("proxy", ""));
    assert_eq!((proxy.is_init, migrate.is_init, web.is_init), (true, true, false));
    assert_eq!(proxy.state, ContainerState::Unknown, "no status yet");
    assert!(matches!(&migrate.state, ContainerState::Terminated(end) if end.exit_code == 0));
}

#[test]
fn a_job_reports_how_it_ended() {
    let job: Job = read(json!({
        "metadata": {"name": "test", "namespace": "shop"}, "spec": {"completions": 1, "backoffLimit": 0},
        "status": {"failed": 1, "conditions": [{"type": "Failed", "status": "True",
            "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}]}
    }));
    assert!(job.is_failed() && !job.is_complete());
    assert_eq!(job.condition("Failed").unwrap().reason, "BackoffLimitExceeded");
}

#[test]
fn a_healthy_deployment_is_small() {
    // The struct itself; strings come on top. 30,000 of them have to fit into a few megabytes.
    assert!(size_of::<Deployment>() <= 136, "{}", size_of::<Deployment>());
    assert!(size_of::<Condition>() <= 72, "{}", size_of::<Condition>());
    assert!(size_of::<Container>() <= 88, "{}", size_of::<Container>());
}

#[test]
fn long_strings_are_truncated_and_do_not_overlap() {
    let long = "ä".repeat(100_000);
    let web: Deployment = read(json!({"metadata": {"name": "web", "namespace": long, "uid": "1",
        "resourceVersion": "2", "labels": {"controller-revision-hash": long},
        "annotations": {"deployment.kubernetes.io/revision": long, "towpath.dev/revision": ""}}}));
    let meta = &web.metadata;
    assert_eq!((meta.name(), meta.uid(), meta.resource_version()), ("web", "1", "2"));
    assert_eq!(meta.namespace().chars().count(), 512);
    assert_eq!(meta.controller_revision_hash().unwrap().chars().count(), 512);
    assert_eq!(meta.annotation("deployment.kubernetes.io/revision").unwrap().len(), 1024);
    assert_eq!((meta.deployment_revision(), meta.revision_mark()), (None, Some("")));
    assert_eq!(meta.annotation("controller-revision-hash"), None, "it is a label here");
}

#[test]
fn a_pod_on_a_silent_node_is_as_ready_as_its_kubelet_reported_last() {
    let pod = |reason: &str, containers: &str| -> Pod {
        read(json!({ "metadata": {"name": "web-1"}, "status": { "phase": "Running", "conditions": [
            {"type": "Ready", "status": "False", "reason": reason},
            {"type": "ContainersReady", "status": containers},
        ] } }))
    };
    assert!(pod("", "True").is_ready(), "the node controller gives no reason");
    assert!(!pod("ContainersNotReady", "False").is_ready());
    assert!(!pod("", "False").is_ready());
    let fresh: Pod = read(json!({ "metadata": {"name": "web-1"}, "status": { "phase": "Pending" } }));
    assert!(!fresh.is_ready());
}
