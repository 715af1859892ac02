//! Facts about pods, from pods as an API server stores them.

use super::*;
use serde_json::{Value, json};

fn pod(spec: Value, status: Value, generation: i64) -> slim::Pod {
    let meta = json!({ "name": "web-1", "namespace": "shop", "generation": generation });
    serde_json::from_value(json!({ "metadata": meta, "spec": spec, "status": status })).unwrap()
}

fn ended(code: i32) -> Value {
    json!([{ "name": "app", "restartCount": 1, "state": { "running": {} },
        "lastState": { "terminated": { "exitCode": code, "reason": "Error" } } }])
}

#[test]
fn a_pod_is_over_when_it_completed_and_stays_down_by_its_restart_policy() {
    let containers = json!([{ "name": "app", "image": "a" }]);
    for (policy, phase, completed, stays_down) in [
        ("Always", "Running", false, false),
        ("Always", "Succeeded", true, false),
        ("Never", "Succeeded", true, true),
        ("OnFailure", "Failed", false, true),
    ] {
        let spec = json!({ "restartPolicy": policy, "containers": containers });
        let facts = facts(&pod(spec, json!({ "phase": phase }), 1));
        assert_eq!((facts.completed, facts.stays_down), (completed, stays_down), "{policy} {phase}");
    }
}

#[test]
fn scheduling_gates_are_told_by_name() {
    let spec = json!({ "schedulingGates": [{ "name": "example.com/a" }, { "name": "example.com/b" }] });
    let gated = |reason: &str| {
        let condition =
            json!({ "type": "PodScheduled", "status": "False", "reason": reason, "message": "held" });
        facts(&pod(spec.clone(), json!({ "phase": "Pending", "conditions": [condition] }), 1))
    };
    assert_eq!(gated("SchedulingGated").gated.as_deref(), Some("example.com/a, example.com/b"));
    assert_eq!(gated("SchedulingGated").unschedulable, None);
    assert_eq!(gated("Unschedulable").gated, None);
}

/// It has to run all the time, unlike a container that prepares the others.
#[test]
fn a_sidecar_that_ends_without_an_error_ends_against_plan() {
    let status = json!([{ "name": "app", "restartCount": 3, "state": { "running": {} },
        "lastState": { "terminated": { "exitCode": 0, "reason": "Completed" } } }]);
    let planned = |policy: Value| {
        let spec = json!({ "initContainers": [{ "name": "app", "image": "a", "restartPolicy": policy }] });
        let facts = facts(&pod(spec, json!({ "initContainerStatuses": status.clone() }), 1));
        facts.containers[0].ended.as_ref().unwrap().planned
    };
    assert_eq!((planned(Value::Null), planned("Always".into())), (true, false));
}

/// Each change of a spec raises the generation: resources and images in place, which may restart a container, and debug containers,
/// which do not.
#[test]
fn a_change_in_place_excuses_the_restarts_that_may_follow_from_it() {
    let plain = json!([{ "name": "app", "image": "a" }]);
    let resized = json!([{ "name": "app", "image": "a", "resizePolicy": [
        { "resourceName": "cpu", "restartPolicy": "RestartContainer" }] }]);
    let not_restarted = json!([{ "name": "app", "image": "a", "resizePolicy": [
        { "resourceName": "cpu", "restartPolicy": "NotRequired" }] }]);
    let debug = json!([{ "name": "debug", "image": "d" }]);
    for (what, containers, ephemeral, code, generation, excused) in [
        ("nothing was changed", &resized, json!([]), 1, 1, 0),
        ("its resources were changed", &resized, json!([]), 1, 3, 2),
        ("a debug container was added", &plain, debug.clone(), 143, 2, 0),
        ("both", &resized, debug, 1, 3, 1),
        ("a gate was removed and it crashed", &plain, json!([]), 1, 2, 0),
        ("a change that restarts nothing", &not_restarted, json!([]), 1, 2, 0),
        ("its image was changed, so that the kubelet stopped it", &plain, json!([]), 143, 2, 1),
    ] {
        let spec = json!({ "containers": containers, "ephemeralContainers": ephemeral });
        let facts = facts(&pod(spec, json!({ "containerStatuses": ended(code) }), generation));
        assert_eq!(facts.containers[0].excused, excused, "{what}");
    }
}
