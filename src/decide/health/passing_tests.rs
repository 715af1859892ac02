//! What passes by itself, and pods that are over: none of it is a failure of the release.

use super::tests::{at, ended, one_of_two, waiting, word};
use super::*;
use crate::decide::world::{Container, Ended, Pod};

fn workload(pod: Pod) -> Workload {
    one_of_two(pod, 1)
}

fn health_of(workload: &Workload, limits: &FailureThresholds, mode: Mode, seconds: i64) -> String {
    let key = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
    let subject = Subject { key: &key, workload: Some(workload), custom: None, exempt: false };
    let rules = Rules { limits, before: &[], awaits: &[], started: at(0), mode, now: at(seconds) };
    word(of_all(&[subject], &rules))
}

/// A node that shuts down ends its pods, and a program that ends with 0 then has completed.
#[test]
fn a_pod_that_completed_says_nothing_about_a_release() {
    let limits = FailureThresholds { restarts: 0, ..FailureThresholds::default() };
    let end = Ended { reason: "Completed".into(), current: true, ..Ended::default() };
    let pod = Pod {
        completed: true,
        lost_readiness: true,
        containers: vec![Container { ended: Some(end), ..Container::default() }],
        ..Pod::default()
    };
    let replaced = Workload { available: 2, ..workload(pod) };
    for mode in [Mode::Rollout(at(0)), Mode::Observe, Mode::Settle(at(10))] {
        assert_eq!(health_of(&replaced, &limits, mode, 20), "healthy", "{mode:?}");
    }
}

/// The API server writes 600 where nothing is said, so a Deployment gives up before the deadline of the policy.
#[test]
fn a_deployment_gives_up_for_the_policy_only_by_a_deadline_of_its_own() {
    let of = |own: i64, policy: i32, seconds| {
        let limits = FailureThresholds { progress_deadline_seconds: policy, ..FailureThresholds::default() };
        let gave_up = Some((at(own), "has timed out progressing".to_owned()));
        let slow = Workload { gave_up, deadline_seconds: Some(own), ..workload(Pod::default()) };
        health_of(&slow, &limits, Mode::Rollout(at(0)), seconds)
    };
    assert_eq!((of(600, 1800, 601), of(600, 1800, 1799)), ("progressing".into(), "progressing".into()));
    assert_eq!(of(600, 1800, 1800), "ProgressDeadlineExceeded");
    assert_eq!(of(600, 600, 601), "ProgressDeadlineExceeded");
    assert_eq!(of(300, 1800, 301), "ProgressDeadlineExceeded", "its own word");
}

fn waits(reason: &str, message: &str) -> Workload {
    let container =
        Container { waiting: Some((reason.into(), message.into())), ..waiting("ContainerCreating", 0) };
    workload(Pod { containers: vec![container], ..Pod::default() })
}

#[test]
fn an_error_of_a_node_that_passes_by_itself_is_tolerated_until_the_progress_deadline() {
    let limits = FailureThresholds::default();
    let (config, create) = ("CreateContainerConfigError", "CreateContainerError");
    for (reason, message, tolerated) in [
        (config, "failed to sync configmap cache: timed out waiting for the condition", true),
        (config, "failed to sync secret cache: timed out waiting for the condition", true),
        (config, "Get \"https://10.0.0.1\": dial tcp 10.0.0.1:443: connect: connection refused", true),
        (config, "configmap \"greeting\" not found", false),
        (config, "couldn't find key timeout in ConfigMap shop-prod/greeting", false),
        (create, "failed to reserve container name app_web_0: name app_web_0 is reserved for 0123", true),
        (create, "context deadline exceeded", true),
        (create, "rpc error: code = DeadlineExceeded desc = context deadline exceeded", true),
        (create, "failed to generate container spec: no command specified", false),
        ("RunContainerError", "context deadline exceeded", true),
        ("RunContainerError", "exec: \"nope\": executable file not found in $PATH", false),
        ("InvalidImageName", "Failed to apply default image tag: timed out", false),
    ] {
        let workload = waits(reason, message);
        let (rollout, rollback) = (Mode::Rollout(at(0)), Mode::Rollback(at(0)));
        let first = if tolerated { "progressing" } else { reason };
        for mode in [rollout, rollback, Mode::Observe, Mode::Settle(at(0))] {
            // A call to the runtime times out after two minutes: it is tried again.
            assert_eq!(health_of(&workload, &limits, mode, 121), first, "{message}, {mode:?}");
            assert_eq!(health_of(&workload, &limits, mode, 599), first, "{message}, {mode:?}");
            assert_eq!(health_of(&workload, &limits, mode, 600), reason, "{message}, {mode:?}");
        }
    }
}

#[test]
fn the_time_for_an_error_of_a_node_begins_when_the_pod_was_last_ready_or_was_placed() {
    let limits = FailureThresholds::default();
    let mut late = waits("CreateContainerError", "context deadline exceeded");
    late.pods[1].ready_since = Some(at(300));
    let of = |seconds| health_of(&late, &limits, Mode::Observe, seconds);
    assert_eq!((of(899), of(900)), ("progressing".into(), "CreateContainerError".into()));
}

#[test]
fn a_failure_of_the_registry_is_told_by_its_words_in_any_case() {
    let limits = FailureThresholds::default();
    for (words, tolerated) in [
        ("pull QPS exceeded", true),
        ("unexpected status from GET request: 504 Gateway Time-out", true),
        ("unexpected status: 504 Gateway Timeout", true),
        ("failed to copy: httpReadSeeker: failed open: unexpected EOF", true),
        ("Get \"https://registry.example/v2/\": EOF", true),
        ("Get \"https://registry.example/v2/\": context deadline exceeded", true),
        ("read tcp 10.0.0.1:1: i/o timeout", true),
        ("net/http: TLS handshake timeout", true),
        ("dial tcp: lookup registry.example: Temporary failure in name resolution", true),
        ("unexpected status: 503 service unavailable", true),
        ("pull access denied, repository does not exist", false),
        ("registry.example/shop@sha256:e504f: not found", false),
        ("manifest unknown: sha256:5040e0f", false),
    ] {
        let workload = waits("ImagePullBackOff", &format!("Back-off pulling image: ErrImagePull: {words}"));
        let first = if tolerated { "progressing" } else { "ImagePullBackOff" };
        assert_eq!(health_of(&workload, &limits, Mode::Rollout(at(0)), 59), first, "{words}");
        assert_eq!(health_of(&workload, &limits, Mode::Rollout(at(0)), 60), "ImagePullBackOff", "{words}");
    }
}

#[test]
fn pods_with_scheduling_gates_are_waited_for_and_excused_after_the_window() {
    let limits = FailureThresholds { progress_deadline_seconds: 60, ..FailureThresholds::default() };
    let gated = workload(Pod { gated: Some("example.com/queue".into()), ..Pod::default() });
    let of = |workload: &Workload, mode, seconds| health_of(workload, &limits, mode, seconds);
    assert_eq!(of(&gated, Mode::Rollout(at(0)), 9_999), "waits: SchedulingGated");
    assert_eq!(of(&gated, Mode::Rollback(at(0)), 9_999), "waits: SchedulingGated");
    assert_eq!(of(&gated, Mode::Observe, 20), "healthy");
    assert_eq!(of(&gated, Mode::Settle(at(10)), 900), "healthy");
    // Another pod has none, and does not become ready: the deadline judges.
    let mut slow = Workload { desired: 3, updated: 3, total: 3, ..gated };
    slow.pods.push(Pod { name: "slow".into(), created: Some(at(0)), ..Pod::default() });
    assert_eq!(of(&slow, Mode::Rollout(at(0)), 60), "ProgressDeadlineExceeded");
}

#[test]
fn a_change_of_a_pod_in_place_excuses_no_other_crash() {
    let limits = FailureThresholds { restarts: 0, ..FailureThresholds::default() };
    let crashed =
        ended(Container { name: "app".into(), restarts: 1, ..Container::default() }, "Error", false);
    let of = |excused| {
        let container = Container { excused, ..crashed.clone() };
        health_of(&workload(Pod { containers: vec![container], ..Pod::default() }), &limits, Mode::Observe, 9)
    };
    assert_eq!((of(0), of(1)), ("CrashLoopBackOff".into(), "healthy".into()));
}
