//! The health of custom objects and of CronJobs.

use super::tests::{at, ended, waiting, word};
use super::*;
use crate::decide::world::{Pod, Run};

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
