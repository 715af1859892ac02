//! Jobs whose pods cannot run, and workloads that set limits of their own.

use super::tests::{at, ended, one_of_two, waiting, word};
use super::*;
use crate::decide::world::{Container, Pod, StoppingPod};

fn health(kind: &str, workload: &Workload, limits: &FailureThresholds, mode: Mode, seconds: i64) -> String {
    let group = if kind == "Job" { "batch/v1" } else { "apps/v1" };
    let key = ObjectKey::new(group, kind, "web").unwrap();
    let subject = Subject { key: &key, workload: Some(workload), custom: None, exempt: false };
    word(of_all(
        &[subject],
        &Rules { limits, before: &[], awaits: &[], started: at(0), mode, now: at(seconds) },
    ))
}

fn job(containers: Vec<Container>) -> Workload {
    let pod = Pod { name: "web-1".into(), created: Some(at(0)), containers, ..Pod::default() };
    Workload { observed: true, desired: 1, progressed: Some(at(0)), pods: vec![pod], ..Workload::default() }
}

#[test]
fn a_job_whose_pods_cannot_run_is_judged_like_any_workload() {
    let limits = FailureThresholds::default();
    let of = |workload: &Workload, seconds| health("Job", workload, &limits, Mode::Rollout(at(0)), seconds);
    for reason in ["ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError"] {
        assert_eq!(of(&job(vec![waiting(reason, 0)]), 10), reason);
    }
    let unschedulable = |since| {
        let mut job = job(vec![]);
        job.pods[0].unschedulable = Some((at(since), "no node has room".into()));
        job
    };
    assert_eq!(
        (of(&unschedulable(0), 299), of(&unschedulable(0), 300)),
        ("progressing".into(), "Unschedulable".into())
    );
    // Its own back-off limit counts what ends with an error.
    let crashing = ended(waiting("CrashLoopBackOff", 3), "Error", false);
    assert_eq!(of(&job(vec![crashing]), 10), "progressing");
}

/// A Job has no condition that says that its pods cannot be created.
#[test]
fn a_job_for_which_no_pod_is_created_fails_after_the_time_for_creation() {
    let limits = FailureThresholds::default();
    let none = Workload {
        pods: Vec::new(),
        without_pods_since: Some(at(100)),
        progressed: Some(at(100)),
        ..job(vec![])
    };
    let of = |mode, seconds| health("Job", &none, &limits, mode, seconds);
    let (rollout, rollback) = (Mode::Rollout(at(0)), Mode::Rollback(at(0)));
    assert_eq!((of(rollout, 159), of(rollout, 160)), ("progressing".into(), "FailedCreate".into()));
    assert_eq!((of(rollback, 699), of(rollback, 700)), ("progressing".into(), "FailedCreate".into()));
}

#[test]
fn the_deadline_of_a_job_is_its_own_or_that_of_the_policy() {
    let limits = FailureThresholds { progress_deadline_seconds: 60, ..FailureThresholds::default() };
    let of = |own: Option<i64>, seconds| {
        let running = Workload { deadline_seconds: own, progressed: Some(at(5)), ..job(vec![]) };
        health("Job", &running, &limits, Mode::Rollout(at(0)), seconds)
    };
    assert_eq!((of(None, 64), of(None, 65)), ("progressing".into(), "ProgressDeadlineExceeded".into()));
    assert_eq!(of(Some(3_600), 3_604), "progressing");
    assert_eq!(of(Some(3_600), 3_700), "ProgressDeadlineExceeded", "its controller does not end it");
    // A shorter one is ended by the controller of the Job.
    assert_eq!(
        (of(Some(10), 64), of(Some(10), 65)),
        ("progressing".into(), "ProgressDeadlineExceeded".into())
    );
}

/// Two replicas, of which none of the new revision is available.
fn starting() -> Workload {
    Workload { observed: true, desired: 2, updated: 1, total: 3, available: 2, ..Workload::default() }
}

#[test]
fn a_workload_may_have_more_time_than_the_policy_gives() {
    let limits = FailureThresholds { progress_deadline_seconds: 60, ..FailureThresholds::default() };
    let last = |workload: &Workload| {
        let of = |seconds| health("Deployment", workload, &limits, Mode::Rollout(at(0)), seconds);
        (1..5_000).find(|seconds| of(*seconds) != "progressing").unwrap()
    };
    assert_eq!(last(&starting()), 60);
    let own = |seconds| Workload { deadline_seconds: Some(seconds), ..starting() };
    assert_eq!((last(&own(900)), last(&own(30))), (900, 60));
    assert_eq!(last(&own(600)), 60, "the API server sets 600 where nothing is said");
    let slow = Workload { min_ready_seconds: 300, ..starting() };
    assert_eq!(last(&slow), 360, "a pod must be ready for so long before it is available");
    let mut ready = slow.clone();
    ready.pods =
        vec![Pod { ready: true, ready_since: Some(at(50)), created: Some(at(10)), ..Pod::default() }];
    assert_eq!(last(&ready), 410);
}

#[test]
fn old_pods_may_take_their_grace_period_to_stop() {
    let limits = FailureThresholds { progress_deadline_seconds: 60, ..FailureThresholds::default() };
    let stopping = StoppingPod { name: "web-0".into(), node: String::new(), until: at(900) };
    // A pod that starts beside them is judged by the deadline after that time.
    let pods = vec![Pod { name: "web-1".into(), created: Some(at(0)), ..Pod::default() }];
    let draining = Workload { stopping: vec![stopping], pods, ..starting() };
    let of = |workload: &Workload, mode, seconds| health("StatefulSet", workload, &limits, mode, seconds);
    for mode in [Mode::Rollout(at(0)), Mode::Rollback(at(0))] {
        assert_eq!(
            (of(&draining, mode, 899), of(&draining, mode, 959)),
            ("progressing".into(), "progressing".into())
        );
        assert_eq!(of(&draining, mode, 960), "ProgressDeadlineExceeded");
    }
    // They hold the quota that new pods need.
    let quota = Some(("FailedCreate".into(), "quota".into()));
    let blocked = Workload { blocked: quota, pods: Vec::new(), ..draining };
    assert_eq!(of(&blocked, Mode::Rollout(at(0)), 900), "waits: FailedCreate");
}

/// An ExternalSecret of the release, for example, is written together with the pods that read its Secret.
#[test]
fn a_secret_that_the_release_may_create_is_waited_for() {
    let limits = FailureThresholds::default();
    let awaits = ["db".to_owned()];
    for (message, tolerated) in [
        ("secret \"db\" not found", true),
        ("configmap \"db\" not found", true),
        ("couldn't find key password in Secret shop-prod/db", true),
        ("secret \"other\" not found", false),
        ("couldn't find key password in Secret shop-prod/other-db", false),
    ] {
        let error = Some(("CreateContainerConfigError".to_owned(), message.to_owned()));
        let workload = Workload {
            pods: vec![Pod {
                created: Some(at(0)),
                containers: vec![Container { waiting: error, ..Container::default() }],
                ..Pod::default()
            }],
            ..starting()
        };
        let key = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
        let subject = Subject { key: &key, workload: Some(&workload), custom: None, exempt: false };
        let at_second = |seconds| {
            let (mode, now) = (Mode::Rollout(at(0)), at(seconds));
            let rules = Rules { limits: &limits, before: &[], awaits: &awaits, started: at(0), mode, now };
            word(of_all(std::slice::from_ref(&subject), &rules))
        };
        let first = if tolerated { "progressing" } else { "CreateContainerConfigError" };
        assert_eq!(at_second(59), first, "{message}");
        assert_eq!(at_second(60), "CreateContainerConfigError", "{message}");
    }
}

#[test]
fn a_slow_rollout_says_what_it_lacks_and_how_long_it_took() {
    let limits = FailureThresholds { progress_deadline_seconds: 60, ..FailureThresholds::default() };
    let told = |workload: &Workload, seconds| {
        let key = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
        let subject = Subject { key: &key, workload: Some(workload), custom: None, exempt: false };
        let mode = Mode::Rollout(at(0));
        match of_all(
            &[subject],
            &Rules { limits: &limits, before: &[], awaits: &[], started: at(0), mode, now: at(seconds) },
        ) {
            Health::Healthy => String::new(),
            Health::Progressing { message, .. } | Health::Failing { message, .. } => message,
        }
    };
    let waits = Workload { total: 3, ..one_of_two(Pod { ready: true, ..Pod::default() }, 2) };
    let lacks = "Deployment web is rolled out to 2 of 2, 2 available, 1 pod of an older revision left";
    assert_eq!(told(&waits, 59), lacks);
    assert_eq!(told(&waits, 60), format!("{lacks}, and made no progress for 60 s"));
    let flapping = Pod { ready: true, ready_since: Some(at(170)), ..Pod::default() };
    let flaps = one_of_two(flapping, 1);
    assert_eq!(
        told(&flaps, 185),
        "Deployment web is rolled out to 2 of 2, 1 available after 185 s, which is longer than 60 s for each pod"
    );
}
