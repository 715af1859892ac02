//! Rollouts that wait for a node, a broken pod of the old revision, or a partition.

use super::tests::{at, word};
use super::*;
use crate::decide::world::{OutdatedPod, Pod, StoppingPod};

fn health(kind: &str, workload: &Workload, seconds: i64) -> Health {
    let limits = FailureThresholds { progress_deadline_seconds: 60, ..FailureThresholds::default() };
    let key = ObjectKey::new("apps/v1", kind, "db").unwrap();
    let subject = Subject { key: &key, workload: Some(workload), custom: None, exempt: false };
    let (mode, now) = (Mode::Rollout(at(0)), at(seconds));
    of_all(&[subject], &Rules { limits: &limits, before: &[], awaits: &[], started: at(0), mode, now })
}

/// Three replicas, of which two are of the new revision and ready.
fn two_of_three() -> Workload {
    let ready = |name: &str| Pod { name: name.into(), ready: true, created: Some(at(0)), ..Pod::default() };
    Workload {
        observed: true,
        desired: 3,
        updated: 2,
        total: 3,
        available: 2,
        pods: vec![ready("db-2"), ready("db-1")],
        ..Workload::default()
    }
}

fn stopping() -> Vec<StoppingPod> {
    vec![StoppingPod { name: "db-0".into(), node: "node-7".into(), until: at(30) }]
}

#[test]
fn a_pod_that_does_not_stop_is_waited_for_and_named() {
    let held = Workload { stopping: stopping(), ..two_of_three() };
    for kind in ["StatefulSet", "DaemonSet"] {
        assert_eq!(word(health(kind, &held, 29)), "progressing", "{kind}: within its grace period");
        let late = health(kind, &held, 9_000);
        let Health::Progressing { message, .. } = &late else { panic!("{kind}: {late:?}") };
        assert!(message.contains("db-0") && message.contains("node-7"), "{message}");
        assert_eq!(word(late), "waits: PodsStopping");
    }
    // A grace period that is longer than the deadline is no failure at its end, when the new pod is only just created.
    let slow =
        Workload { stopping: vec![StoppingPod { until: at(900), ..stopping().remove(0) }], ..two_of_three() };
    assert_eq!(word(health("StatefulSet", &slow, 40)), "progressing");
    assert_eq!(word(health("StatefulSet", &slow, 58)), "waits: PodsStopping");
    // A new pod that does not become ready is judged by the deadline all the same.
    let mut bad = held.clone();
    bad.pods[0].ready = false;
    assert_eq!(word(health("StatefulSet", &bad, 9_000)), "ProgressDeadlineExceeded");
    // A Deployment has other pods beside those that stop, unless it creates none before they have stopped.
    assert_eq!(word(health("Deployment", &held, 9_000)), "ProgressDeadlineExceeded");
    let recreated = Workload { pods: Vec::new(), updated: 0, total: 0, available: 0, ..held };
    assert_eq!(word(health("Deployment", &recreated, 9_000)), "waits: PodsStopping");
}

#[test]
fn a_node_that_does_not_report_fails_no_release() {
    let pod = |ready: bool| Pod {
        name: "db-x".into(),
        ready,
        created: Some(at(0)),
        silent_node: Some("node-7".into()),
        ..Pod::default()
    };
    for (what, ready) in [("it reported the pod before", true), ("it has never taken the pod", false)] {
        let mut held = Workload { updated: 3, ..two_of_three() };
        held.pods.push(pod(ready));
        let late = health("DaemonSet", &held, 9_000);
        let Health::Progressing { message, .. } = &late else { panic!("{what}: {late:?}") };
        assert!(message.contains("db-x") && message.contains("node-7"), "{message}");
        assert_eq!(word(late), "waits: NodeNotReady", "{what}");
        let silent = Pod { silent_node: None, ready: false, ..held.pods[2].clone() };
        held.pods[2] = silent;
        assert_eq!(word(health("DaemonSet", &held, 9_000)), "ProgressDeadlineExceeded", "the node reports");
    }
    let mut taking = Workload { updated: 3, ..two_of_three() };
    taking.pods.push(pod(false));
    assert_eq!(word(health("DaemonSet", &taking, 3)), "progressing", "a kubelet needs a moment");
}

#[test]
fn a_node_that_does_not_report_fails_no_release_at_the_end_of_its_window() {
    let limits = FailureThresholds { progress_deadline_seconds: 60, ..FailureThresholds::default() };
    let key = ObjectKey::new("apps/v1", "DaemonSet", "db").unwrap();
    let settled = |workload: &Workload| {
        let subject = Subject { key: &key, workload: Some(workload), custom: None, exempt: false };
        let (mode, now) = (Mode::Settle(at(300)), at(9_000));
        of_all(&[subject], &Rules { limits: &limits, before: &[], awaits: &[], started: at(0), mode, now })
    };
    let added = |silent_node: Option<&str>| Pod {
        name: "db-x".into(),
        created: Some(at(200)),
        silent_node: silent_node.map(str::to_owned),
        ..Pod::default()
    };
    let with = |pods: Vec<Pod>| Workload { updated: 3, pods, ..two_of_three() };
    let others = two_of_three().pods;
    let held = |node| with([others.clone(), vec![added(node)]].concat());
    assert_eq!(word(settled(&held(Some("node-7")))), "healthy", "the others are ready");
    assert_eq!(word(settled(&held(None))), "ProgressDeadlineExceeded", "its node reports");
    // No pod is ready: there is no evidence yet.
    let alone = settled(&with(vec![added(Some("node-7"))]));
    let Health::Progressing { message, .. } = &alone else { panic!("{alone:?}") };
    assert!(message.contains("db-x") && message.contains("node-7"), "{message}");
    assert_eq!(word(alone), "waits: NodeNotReady");
}

#[test]
fn a_partition_waits_and_names_the_pods_of_the_old_revision() {
    let held = Workload {
        updated: 3,
        available: 3,
        held_by_partition: Some(1),
        held_pods: vec!["db-0".into()],
        ..two_of_three()
    };
    let health = health("StatefulSet", &held, 9_000);
    let Health::Progressing { message, .. } = &health else { panic!("{health:?}") };
    assert!(message.contains("partition 1") && message.contains("db-0"), "{message}");
    assert_eq!(word(health), "waits: Partition");
}

#[test]
fn a_broken_pod_of_the_old_revision_is_replaced_after_some_seconds() {
    let pod = |ready, since| OutdatedPod {
        name: "db-0".into(),
        uid: "u".into(),
        ready,
        ready_since: Some(at(since)),
        has_error: true,
    };
    for (what, ordered, pod, now, expected) in [
        ("broken for long", true, pod(false, 0), 100, true),
        ("not ready for a moment", true, pod(false, 0), 4, false),
        ("ready", true, pod(true, 0), 100, false),
        ("of a StatefulSet that replaces pods in any order", false, pod(false, 0), 100, false),
    ] {
        let workload = Workload { ordered, outdated: vec![pod], ..two_of_three() };
        assert_eq!(stuck_pod(&workload, at(now)).is_some(), expected, "a pod that is {what}");
        let stale = Workload { observed: false, ..workload };
        assert!(stuck_pod(&stale, at(now)).is_none(), "its controller has not seen the template");
    }
    let broken = Pod { name: "db-2".into(), ready: false, created: Some(at(0)), ..Pod::default() };
    let new = Workload { ordered: true, pods: vec![broken], ..two_of_three() };
    assert!(stuck_pod(&new, at(100)).is_none(), "pods of the new revision are judged");
}

/// Two of three replicas have lost their quorum while the third is replaced: they recover by themselves.
#[test]
fn old_pods_that_are_not_ready_because_of_the_rollout_are_left_alone() {
    let old = |name: &str, has_error| OutdatedPod {
        name: name.into(),
        ready_since: Some(at(0)),
        has_error,
        ..OutdatedPod::default()
    };
    let new = |ready| Pod { name: "db-2".into(), ready, created: Some(at(0)), ..Pod::default() };
    let of = |outdated: Vec<OutdatedPod>, pods: Vec<Pod>, stopping| {
        let workload = Workload { ordered: true, outdated, pods, stopping, ..two_of_three() };
        stuck_pod(&workload, at(100)).map(|pod| pod.name.clone())
    };
    let broken = || vec![old("db-0", true), old("db-1", true)];
    assert_eq!(of(broken(), vec![new(true)], Vec::new()).as_deref(), Some("db-1"), "one at a time");
    assert_eq!(of(broken(), vec![new(false)], Vec::new()), None, "the new pod starts");
    assert_eq!(of(broken(), Vec::new(), stopping()), None, "a pod stops");
    assert_eq!(of(vec![old("db-0", false)], vec![new(true)], Vec::new()), None, "it shows no error");
}

#[test]
fn a_controller_that_replaces_no_pod_although_nothing_is_in_its_way_is_asked_why() {
    let old = || OutdatedPod { name: "db-0".into(), ready: true, ..OutdatedPod::default() };
    let key = |kind: &str| ObjectKey::new("apps/v1", kind, "db").unwrap();
    let missing = two_of_three();
    let undeleted = Workload { outdated: vec![old()], ..two_of_three() };
    let mut starting = two_of_three();
    starting.pods[0].ready = false;
    let manual = Workload { on_delete: true, ..undeleted.clone() };
    let mut settling = Workload { min_ready_seconds: 30, ..two_of_three() };
    settling.pods[0].ready_since = Some(at(90));
    for (what, kind, workload, expected) in [
        ("a pod is missing", "StatefulSet", &missing, true),
        ("a pod is missing on a node", "DaemonSet", &missing, true),
        ("a Deployment has a condition", "Deployment", &missing, false),
        ("an old pod is not deleted", "StatefulSet", &undeleted, true),
        ("a pod starts", "StatefulSet", &starting, false),
        ("a pod counts as available later", "StatefulSet", &settling, false),
        ("a pod stops", "StatefulSet", &Workload { stopping: stopping(), ..two_of_three() }, false),
        ("a person deletes the pods", "DaemonSet", &manual, false),
        ("everything is there", "DaemonSet", &Workload { updated: 3, ..two_of_three() }, false),
    ] {
        assert_eq!(stands_still(&key(kind), workload, at(100)), expected, "{what}");
    }
}

#[test]
fn replicas_that_the_content_does_not_ask_for_need_no_room() {
    let pod = |name: &str, full: bool| Pod {
        name: name.into(),
        ready: !full,
        created: Some(at(0)),
        unschedulable: full.then(|| (at(0), "no node has room".into())),
        ..Pod::default()
    };
    let (ready, full) = (|name| pod(name, false), |name| pod(name, true));
    let surplus = Workload {
        asked: Some(2),
        desired: 4,
        updated: 4,
        total: 4,
        available: 2,
        pods: vec![ready("a"), ready("b"), full("c"), full("d")],
        ..two_of_three()
    };
    let quota = Some(("FailedCreate".to_owned(), "quota".to_owned()));
    let old = OutdatedPod { name: "old".into(), ready: true, ..OutdatedPod::default() };
    let mut starting = surplus.clone();
    (starting.pods[1].ready, starting.available) = (false, 1);
    for (what, workload, expected) in [
        ("the others run", surplus.clone(), "healthy"),
        ("a pod that is asked for starts", starting, "ProgressDeadlineExceeded"),
        ("more are asked for", Workload { asked: Some(3), ..surplus.clone() }, "Unschedulable"),
        ("nothing says how many", Workload { asked: None, ..surplus.clone() }, "Unschedulable"),
        ("old pods run", Workload { total: 5, outdated: vec![old], ..surplus.clone() }, "Unschedulable"),
        (
            "a quota holds the others back",
            Workload {
                updated: 2,
                total: 2,
                blocked: quota.clone(),
                pods: vec![ready("a"), ready("b")],
                ..surplus.clone()
            },
            "healthy",
        ),
        (
            "a quota holds back what is asked for",
            Workload {
                updated: 1,
                total: 1,
                available: 1,
                blocked: quota,
                pods: vec![ready("a")],
                ..surplus
            },
            "FailedCreate",
        ),
    ] {
        assert_eq!(word(health("Deployment", &workload, 9_000)), expected, "{what}");
    }
}
