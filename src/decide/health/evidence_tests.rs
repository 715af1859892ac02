//! The health of custom objects and of CronJobs.

use super::tests::{at, ended, waiting, word};
use super::*;
use crate::decide::world::{Container, Pod, Run};

fn custom(live: serde_json::Value, pods: Vec<Pod>) -> Custom {
    Custom { live: Some(std::sync::Arc::new(live)), unread: None, pods }
}

fn custom_health(custom: &Custom, mode: Mode, seconds: i64) -> String {
    let key = ObjectKey::new("example.com/v1", "Widget", "web").unwrap();
    let subject = Subject { key: &key, workload: None, custom: Some(custom), exempt: false };
    let limits = FailureThresholds::default();
    let rules = Rules { limits: &limits, before: &[], awaits: &[], started: at(0), mode, now: at(seconds) };
    let unjudged = without_evidence(std::slice::from_ref(&subject), &rules);
    match word(of_all(&[subject], &rules)) {
        health if health == "healthy" && !unjudged.is_empty() => "not judged".into(),
        health => health,
    }
}

#[test]
fn a_custom_object_is_judged_by_its_conditions_and_by_its_pods() {
    use serde_json::json;
    let template = json!({ "replicas": 1, "template": { "spec": { "containers": [{ "name": "app" }] } } });
    let status =
        |status: serde_json::Value| json!({ "metadata": { "generation": 2 }, "spec": {}, "status": status });
    let ready = |state: &str| json!({ "observedGeneration": 2, "conditions": [{ "type": "Ready", "status": state }] });
    let workload = |status: serde_json::Value| json!({ "metadata": { "generation": 2 }, "spec": template, "status": status });
    let pod = |pod: Pod| vec![Pod { name: "web-1".into(), uid: "uid".into(), created: Some(at(1)), ..pod }];
    let crashing = pod(Pod {
        containers: vec![ended(waiting("CrashLoopBackOff", 1), "Error", false)],
        ..Pod::default()
    });
    let running = pod(Pod { ready: true, ..Pod::default() });
    let old = vec![Pod { created: Some(at(-60)), ..crashing[0].clone() }];
    let stalled = json!({ "conditions": [{ "type": "Stalled", "status": "True", "reason": "NoQuota" }] });
    let rollout = Mode::Rollout(at(0));
    let many = |replicas: i64| {
        let mut live = workload(json!({ "observedGeneration": 2 }));
        live["spec"]["replicas"] = json!(replicas);
        live
    };
    let paused = workload(json!({ "observedGeneration": 2, "phase": "Paused" }));
    let steady = vec![Pod { created: Some(at(-60)), ..running[0].clone() }];
    let long_ago = at(-900).to_string();
    let old_stalled = json!({ "conditions": [
        { "type": "Stalled", "status": "True", "reason": "Bad", "lastTransitionTime": long_ago },
    ] });
    let old_ready = json!({ "conditions": [{ "type": "Ready", "status": "True", "observedGeneration": 1 }] });
    let cases = [
        ("has too few new pods", custom(many(2), running.clone()), rollout, 5, "progressing"),
        ("waits for a person", custom(paused, running.clone()), rollout, 9_999, "waits: Paused"),
        (
            "keeps its pods",
            custom(workload(json!({ "observedGeneration": 2 })), steady),
            rollout,
            5,
            "healthy",
        ),
        ("was stalled before", custom(status(old_stalled), vec![]), rollout, 5, "progressing"),
        (
            "was ready before, for an older generation",
            custom(status(old_ready), vec![]),
            rollout,
            5,
            "progressing",
        ),
        (
            "cannot be read",
            Custom { unread: Some("500".into()), ..Custom::default() },
            rollout,
            5,
            "not judged",
        ),
        ("is ready", custom(status(ready("True")), vec![]), rollout, 5, "healthy"),
        ("is not ready", custom(status(ready("False")), vec![]), rollout, 5, "progressing"),
        ("is never ready", custom(status(ready("False")), vec![]), rollout, 600, "ProgressDeadlineExceeded"),
        ("is stalled", custom(status(stalled), vec![]), rollout, 5, "NoQuota"),
        (
            "is not observed yet",
            custom(status(json!({ "observedGeneration": 1 })), vec![]),
            rollout,
            5,
            "progressing",
        ),
        (
            "is observed, by a number as text",
            custom(status(json!({ "observedGeneration": "2" })), vec![]),
            rollout,
            5,
            "healthy",
        ),
        ("says nothing", custom(status(json!({})), vec![]), rollout, 5, "not judged"),
        (
            "has pods to come, and no controller",
            custom(workload(json!({})), vec![]),
            rollout,
            5,
            "progressing",
        ),
        (
            "has no controller until the deadline",
            custom(workload(json!({})), vec![]),
            rollout,
            600,
            "ProgressDeadlineExceeded",
        ),
        (
            "has a ready pod",
            custom(workload(json!({ "observedGeneration": 2 })), running.clone()),
            rollout,
            5,
            "healthy",
        ),
        (
            "has a crashing pod",
            custom(workload(json!({ "phase": "Healthy" })), crashing.clone()),
            rollout,
            5,
            "CrashLoopBackOff",
        ),
        (
            "has a crashing pod in the window",
            custom(workload(json!({})), crashing),
            Mode::Observe,
            5,
            "CrashLoopBackOff",
        ),
        (
            "has an old crashing pod",
            custom(workload(json!({ "observedGeneration": 2 })), old),
            Mode::Observe,
            5,
            "healthy",
        ),
        ("was deleted", Custom::default(), Mode::Observe, 5, "Missing"),
    ];
    for (what, custom, mode, seconds, wanted) in cases {
        assert_eq!(custom_health(&custom, mode, seconds), wanted, "an object that {what}");
    }
}

/// The own clock is a minute ahead of that of the API server, which says when the object was written and when pods were created.
#[test]
fn pods_of_a_custom_object_are_told_apart_by_the_clock_of_the_api_server() {
    use serde_json::json;
    let written = json!({ "manager": crate::api::FIELD_MANAGER, "operation": "Apply", "time": at(-58).to_string(), "fieldsV1": {} });
    let ready = json!({ "type": "Ready", "status": "True", "lastTransitionTime": at(-55).to_string() });
    let live = |status: serde_json::Value| {
        let template =
            json!({ "replicas": 1, "template": { "spec": { "containers": [{ "name": "app" }] } } });
        json!({ "metadata": { "generation": 2, "managedFields": [written] }, "spec": template, "status": status })
    };
    let crashed = |created| {
        let containers = vec![ended(waiting("CrashLoopBackOff", 1), "Error", false)];
        vec![Pod { name: "web-1".into(), created: Some(at(created)), containers, ..Pod::default() }]
    };
    for (what, status, created, expected) in [
        ("its new pod crashes", json!({ "observedGeneration": 2 }), -57, "CrashLoopBackOff"),
        ("its old pod crashes", json!({ "observedGeneration": 2 }), -60, "progressing"),
        ("it became ready since, and hides its pods", json!({ "conditions": [ready] }), -60, "not judged"),
    ] {
        let custom = custom(live(status), crashed(created));
        let found = match what {
            "it became ready since, and hides its pods" => Custom { pods: Vec::new(), ..custom },
            _ => custom,
        };
        assert_eq!(custom_health(&found, Mode::Rollout(at(0)), 5), expected, "{what}");
    }
    let steady = Pod { name: "web-1".into(), ready: true, created: Some(at(-57)), ..Pod::default() };
    let found = custom(live(json!({ "observedGeneration": 2 })), vec![steady]);
    assert!(!keeps_earlier_pods(&found, at(0)), "its controller created it after the write");
}

#[test]
fn runs_of_a_cron_job_count_from_the_start_of_the_promotion() {
    let key = ObjectKey::new("batch/v1", "CronJob", "report").unwrap();
    let run = |created, failed: bool| Run {
        created: Some(at(created)),
        failed: failed.then(|| "exit code 1".to_owned()),
        ..Run::default()
    };
    let limits = FailureThresholds::default();
    let rules =
        Rules { limits: &limits, before: &[], awaits: &[], started: at(0), mode: Mode::Observe, now: at(60) };
    let disrupted = Run { disrupted: Some("pod report-1 was disrupted".into()), ..run(5, true) };
    for (what, runs, wanted, notes) in [
        ("none", vec![], "healthy", 1),
        ("one whose pod was evicted", vec![disrupted.clone()], "healthy", 1),
        ("a failed one beside one whose pod was evicted", vec![disrupted, run(5, true)], "JobFailed", 0),
        ("a failed one from before", vec![run(-60, true)], "healthy", 1),
        ("a good one", vec![run(5, false)], "healthy", 0),
        ("a failed one", vec![run(-60, false), run(5, true)], "JobFailed", 0),
    ] {
        let workload = Workload { runs, ..Workload::default() };
        let subject = Subject { key: &key, workload: Some(&workload), custom: None, exempt: false };
        assert_eq!(without_evidence(std::slice::from_ref(&subject), &rules).len(), notes, "{what}");
        assert_eq!(word(of_all(&[subject], &rules)), wanted, "{what}");
    }
}

#[test]
fn a_job_whose_pod_was_evicted_says_nothing() {
    let key = ObjectKey::new("batch/v1", "Job", "import").unwrap();
    let limits = FailureThresholds::default();
    for mode in [Mode::Rollout(at(0)), Mode::Observe, Mode::Settle(at(50))] {
        let rules = Rules { limits: &limits, before: &[], awaits: &[], started: at(0), mode, now: at(9) };
        let failed = Workload { failed: Some("exit code 1".into()), desired: 1, ..Workload::default() };
        let disrupted = Workload { disrupted: Some("pod import-1 was disrupted".into()), ..failed.clone() };
        let subject =
            |workload| [Subject { key: &key, workload: Some(workload), custom: None, exempt: false }];
        assert_eq!(word(of_all(&subject(&failed), &rules)), "JobFailed");
        assert_eq!(word(of_all(&subject(&disrupted), &rules)), "healthy");
        assert_eq!(without_evidence(&subject(&failed), &rules), [""; 0]);
        assert_eq!(
            without_evidence(&subject(&disrupted), &rules),
            ["Job import says nothing: pod import-1 was disrupted"]
        );
    }
}

/// A widget with a pod template, whose controller says this.
fn templated(status: serde_json::Value) -> serde_json::Value {
    let template = serde_json::json!({ "spec": { "containers": [{ "name": "app" }] } });
    serde_json::json!({ "metadata": { "generation": 2 }, "spec": { "template": template }, "status": status })
}

fn says_ready() -> serde_json::Value {
    serde_json::json!({ "observedGeneration": 2, "conditions": [{ "type": "Ready", "status": "True" }] })
}

fn says_nothing() -> serde_json::Value {
    serde_json::json!({ "metadata": { "generation": 1 }, "spec": { "size": 2 } })
}

fn pod(name: &str, pod: Pod) -> Pod {
    Pod { name: name.into(), uid: name.into(), created: Some(at(1)), ..pod }
}

/// An operator may run a Job before it starts the pods that stay.
#[test]
fn a_pod_that_completed_is_not_waited_for() {
    let ready = pod("web-1", Pod { ready: true, ..Pod::default() });
    let done =
        pod("prepare", Pod { completed: true, lost_readiness: true, stays_down: true, ..Pod::default() });
    let pods = vec![ready, done];
    let observed = templated(serde_json::json!({ "observedGeneration": 2 }));
    for mode in [Mode::Rollout(at(0)), Mode::Observe, Mode::Settle(at(5))] {
        assert_eq!(custom_health(&custom(observed.clone(), pods.clone()), mode, 9), "healthy", "{mode:?}");
    }
}

#[test]
fn what_the_pod_of_a_job_ends_with_is_counted_by_the_job() {
    let end = ended(Container::default(), "Error", true);
    let failed = |of_job: bool| {
        let failed = Some((String::new(), String::new()));
        let stays_down = !of_job;
        pod("prepare", Pod { failed, of_job, stays_down, containers: vec![end.clone()], ..Pod::default() })
    };
    let retried = vec![failed(true), failed(true), failed(true)];
    let running = pod("web-1", Pod { ready: true, ..Pod::default() });
    let with =
        |pods: &[Pod]| custom(templated(says_ready()), [pods, std::slice::from_ref(&running)].concat());
    assert_eq!(custom_health(&with(&retried), Mode::Observe, 9), "healthy");
    assert_eq!(custom_health(&with(&vec![failed(false); 2]), Mode::Observe, 9), "PodFailed");
    // One of its containers is done, the other runs on.
    let half = pod("index", Pod { lost_readiness: true, of_job: true, ..Pod::default() });
    assert_eq!(custom_health(&with(&[half]), Mode::Observe, 9), "healthy");
}

#[test]
fn a_pod_that_is_never_restarted_fails_a_release_by_its_error() {
    let failed = |code| {
        let mut end = ended(Container { name: "app".into(), ..Container::default() }, "Error", true);
        end.ended.as_mut().unwrap().code = code;
        let failed = Some((String::new(), String::new()));
        pod("w-0", Pod { failed, stays_down: true, containers: vec![end], ..Pod::default() })
    };
    let only = |pods: Vec<Pod>| custom(says_nothing(), pods);
    let of = |custom: &Custom, seconds| custom_health(custom, Mode::Rollout(at(0)), seconds);
    assert_eq!(of(&only(vec![failed(1), failed(1)]), 5), "PodFailed", "more than one is tolerated");
    let one = only(vec![failed(1)]);
    assert_eq!((of(&one, 5), of(&one, 600)), ("progressing".into(), "ProgressDeadlineExceeded".into()));
    // Its controller made another one.
    let next = pod("w-1", Pod { ready: true, ..Pod::default() });
    assert_eq!(of(&only(vec![failed(1), next]), 600), "not judged");
    let evicted = Pod { leaving: true, ..failed(137) };
    assert_eq!(of(&only(vec![evicted.clone(), evicted]), 5), "not judged");
    let preempted = Pod { failed: Some(("Preempting".into(), "by another".into())), ..failed(1) };
    assert_eq!(of(&only(vec![preempted.clone(), preempted]), 5), "not judged");
}

#[test]
fn an_object_that_says_that_it_is_ready_needs_no_pods_that_are_seen() {
    let of =
        |status, seconds| custom_health(&custom(templated(status), vec![]), Mode::Rollout(at(0)), seconds);
    // Healthy, with a remark.
    assert_eq!(of(says_ready(), 600), "not judged");
    assert_eq!(of(serde_json::json!({ "observedGeneration": 2 }), 600), "ProgressDeadlineExceeded");
    let few = vec![pod("web-1", Pod::default())];
    assert_eq!(custom_health(&custom(templated(says_ready()), few), Mode::Rollout(at(0)), 5), "progressing");
}

#[test]
fn pods_behind_scheduling_gates_are_waited_for() {
    let gated = vec![pod("web-1", Pod { gated: Some("example.com/queue".into()), ..Pod::default() })];
    let gated = custom(templated(serde_json::json!({ "observedGeneration": 2 })), gated);
    assert_eq!(custom_health(&gated, Mode::Rollout(at(0)), 9_999), "waits: SchedulingGated");
    assert_eq!(custom_health(&gated, Mode::Observe, 9_999), "healthy");
    assert_eq!(custom_health(&gated, Mode::Settle(at(5)), 9_999), "waits: SchedulingGated");
    let running = pod("web-0", Pod { ready: true, ..Pod::default() });
    let gated = Custom { pods: [gated.pods, vec![running]].concat(), ..gated };
    assert_eq!(custom_health(&gated, Mode::Settle(at(5)), 9_999), "healthy", "added in the window");
}

/// A controller that gave up: nothing of a changed template ran, and its earlier pods are as healthy as before.
#[test]
fn a_controller_that_keeps_the_earlier_pods_shows_nothing_about_a_new_template() {
    let ready = |created, excused| Pod {
        created: Some(at(created)),
        ready: true,
        containers: vec![Container { excused, ..Container::default() }],
        ..Pod::default()
    };
    let degraded = || templated(serde_json::json!({ "observedGeneration": 2, "phase": "Degraded" }));
    for (what, live, pods, keeps) in [
        ("keeps its pods", degraded(), vec![ready(-60, 0)], true),
        ("has a new one as well", degraded(), vec![ready(-60, 0), ready(5, 0)], false),
        ("changed one in place", degraded(), vec![ready(-60, 1), ready(-60, 0)], false),
        ("says that it is ready", templated(says_ready()), vec![ready(-60, 0)], false),
        ("has no pods", degraded(), vec![], false),
    ] {
        assert_eq!(keeps_earlier_pods(&custom(live, pods), at(0)), keeps, "a controller that {what}");
    }
}

#[test]
fn what_is_there_at_the_verification_is_recorded_for_the_time_after_it() {
    let pod = |name: &str, pod: Pod| Pod { uid: name.into(), ..pod };
    let crashed = vec![ended(waiting("CrashLoopBackOff", 1), "Error", false)];
    let pods = [
        pod("ready", Pod { ready: true, ..Pod::default() }),
        pod("crashed", Pod { containers: crashed, ..Pod::default() }),
        pod("lost", Pod { lost_readiness: true, ..Pod::default() }),
        pod("evicted", Pod { failed: Some(("Evicted".into(), String::new())), ..Pod::default() }),
    ];
    let found = found_when_verified(pods.iter());
    let names: Vec<(&str, bool)> =
        found.iter().map(|it| (it.pod.as_str(), it.container.is_empty())).collect();
    assert_eq!(names, [("lost", true), ("crashed", false), ("evicted", true)]);
    assert_eq!(found[1].exits, pods[1].containers[0].exits());
}
