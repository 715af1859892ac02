//! The health that follows from pod statuses as a real kubelet writes them.

use super::*;
use crate::decide::world::Ended;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn running(restarts: i32) -> Container {
    Container { name: "app".into(), restarts, ..Container::default() }
}

fn waiting(reason: &str, restarts: i32) -> Container {
    Container { waiting: Some((reason.into(), "words".into())), ..running(restarts) }
}

fn ended(container: Container, reason: &str, current: bool) -> Container {
    let end = Ended { reason: reason.into(), code: 1, current, ..Ended::default() };
    Container { ended: Some(end), ..container }
}

/// Two replicas, of which one pod is as given.
fn workload(pod: Pod, available: i32) -> Workload {
    let good = Pod { name: "good".into(), ready: true, created: Some(at(0)), ..Pod::default() };
    Workload {
        observed: true,
        desired: 2,
        updated: 2,
        total: 2,
        available,
        pods: vec![good, Pod { name: "pod".into(), created: Some(at(0)), ..pod }],
        ..Workload::default()
    }
}

fn health_of(workload: &Workload, limits: &FailureThresholds, mode: Mode, now: Timestamp) -> String {
    let key = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
    let subject = Subject { key: &key, workload: Some(workload), exempt: false };
    match of_all(&[subject], limits, mode, now) {
        Health::Healthy => "healthy".into(),
        Health::Progressing { .. } => "progressing".into(),
        Health::Failing { reason, .. } => reason.to_string(),
    }
}

/// In a rollout, ten seconds after it started.
fn of(container: Container, limits: &FailureThresholds) -> String {
    let pod = Pod { containers: vec![container], ..Pod::default() };
    health_of(&workload(pod, 1), limits, Mode::Rollout(at(0)), at(10))
}

#[test]
fn a_container_state_decides_health_and_the_reason_does_not_change_between_restarts() {
    let limits = FailureThresholds::default();
    let cases = [
        ("has not begun", waiting("ContainerCreating", 0), "progressing"),
        ("starts slowly", running(0), "progressing"),
        ("has ended once", ended(running(0), "Error", true), "progressing"),
        ("was restarted once, runs", ended(running(1), "Error", false), "progressing"),
        ("was restarted once, waits", ended(waiting("CrashLoopBackOff", 1), "Error", false), "progressing"),
        ("was restarted twice, runs", ended(running(2), "Error", false), "CrashLoopBackOff"),
        ("was restarted twice, ended", ended(running(2), "Error", true), "CrashLoopBackOff"),
        (
            "was restarted twice, waits",
            ended(waiting("CrashLoopBackOff", 2), "Error", false),
            "CrashLoopBackOff",
        ),
        ("was killed for memory once", ended(running(0), "OOMKilled", true), "progressing"),
        ("was killed for memory, runs again", ended(running(1), "OOMKilled", false), "OOMKilled"),
        (
            "was killed for memory, waits",
            ended(waiting("CrashLoopBackOff", 1), "OOMKilled", false),
            "OOMKilled",
        ),
        ("cannot be pulled yet", waiting("ErrImagePull", 0), "progressing"),
        ("cannot be pulled", waiting("ImagePullBackOff", 0), "ImagePullBackOff"),
        ("has no such image name", waiting("InvalidImageName", 0), "InvalidImageName"),
        ("lacks configuration", waiting("CreateContainerConfigError", 0), "CreateContainerConfigError"),
        ("has a wrong command", waiting("RunContainerError", 0), "RunContainerError"),
        (
            "has a wrong command, waits to try again",
            ended(waiting("CrashLoopBackOff", 2), "StartError", false),
            "CrashLoopBackOff",
        ),
    ];
    for (what, container, wanted) in cases {
        assert_eq!(of(container, &limits), wanted, "a container that {what}");
    }
}

#[test]
fn limits_are_those_of_the_policy() {
    let strict = FailureThresholds { restarts: 0, ..FailureThresholds::default() };
    assert_eq!(of(ended(running(1), "Error", false), &strict), "CrashLoopBackOff");
    assert_eq!(of(ended(running(0), "OOMKilled", true), &strict), "OOMKilled");
    let patient = FailureThresholds { restarts: 3, ..FailureThresholds::default() };
    assert_eq!(of(ended(running(3), "Error", false), &patient), "progressing");
    let minute = "1m".parse().unwrap();
    let waits = FailureThresholds { image_errors: minute, ..FailureThresholds::default() };
    assert_eq!(of(waiting("ImagePullBackOff", 0), &waits), "progressing");
}

#[test]
fn unavailable_pods_fail_a_release_only_above_the_limit_and_if_one_of_its_pods_is_not_ready() {
    let limits = FailureThresholds::default();
    let lost = |container: Container| Pod { containers: vec![container], ..Pod::default() };
    let cases = [
        ("readiness is lost", lost(running(0)), 1, "Unavailable"),
        ("it has ended", lost(ended(running(0), "Error", true)), 1, "Error"),
        ("it was killed for memory", lost(ended(running(0), "OOMKilled", true)), 1, "OOMKilled"),
        ("it is ready, and counted late", Pod { ready: true, ..Pod::default() }, 1, "healthy"),
        ("it is being moved", Pod { deleting: true, ..Pod::default() }, 1, "healthy"),
        ("enough are left", lost(running(0)), 2, "healthy"),
        (
            "its node evicted it",
            Pod { ready: true, failed: Some(("Evicted".into(), String::new())), ..Pod::default() },
            1,
            "healthy",
        ),
    ];
    for (what, pod, available, wanted) in cases {
        let workload = workload(pod, available);
        assert_eq!(health_of(&workload, &limits, Mode::Observe, at(60)), wanted, "when {what}");
    }
}

#[test]
fn the_progress_deadline_counts_from_the_last_pod_that_became_ready() {
    let limits = FailureThresholds { progress_deadline_seconds: 60, ..FailureThresholds::default() };
    let mut slow = workload(Pod::default(), 1);
    let health_at =
        |workload: &Workload, seconds| health_of(workload, &limits, Mode::Rollout(at(0)), at(seconds));
    assert_eq!(
        (health_at(&slow, 59), health_at(&slow, 60)),
        ("progressing".into(), "ProgressDeadlineExceeded".into())
    );
    slow.pods[0].ready_since = Some(at(30));
    assert_eq!(
        (health_at(&slow, 89), health_at(&slow, 90)),
        ("progressing".into(), "ProgressDeadlineExceeded".into())
    );
    // A node that was unreachable reports a readiness from before the rollout.
    slow.pods[0].ready_since = Some(at(-30));
    assert_eq!(health_at(&slow, 59), "progressing");
}

#[test]
fn pods_from_before_a_rollout_do_not_affect_its_health() {
    let old = Pod { containers: vec![ended(running(5), "Error", true)], ..Pod::default() };
    let workload = workload(old, 1);
    let limits = FailureThresholds::default();
    assert_eq!(health_of(&workload, &limits, Mode::Rollout(at(1)), at(10)), "progressing");
    assert_eq!(health_of(&workload, &limits, Mode::Rollout(at(0)), at(10)), "CrashLoopBackOff");
}
