//! What passes by itself is not a failure of the release.

use super::tests::{at, waiting, word};
use super::*;
use crate::decide::world::{Container, Pod};

/// Two replicas, of which one pod is as given.
fn workload(pod: Pod) -> Workload {
    let good = Pod { name: "good".into(), ready: true, created: Some(at(0)), ..Pod::default() };
    Workload {
        observed: true,
        desired: 2,
        updated: 2,
        total: 2,
        available: 1,
        pods: vec![good, Pod { name: "pod".into(), uid: "uid".into(), created: Some(at(0)), ..pod }],
        ..Workload::default()
    }
}

fn health_of(workload: &Workload, limits: &FailureThresholds, mode: Mode, seconds: i64) -> String {
    let key = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
    let subject = Subject { key: &key, workload: Some(workload), custom: None, exempt: false };
    let rules = Rules { limits, before: &[], awaits: &[], started: at(0), mode, now: at(seconds) };
    word(of_all(&[subject], &rules))
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
fn an_error_of_a_node_that_passes_by_itself_is_tolerated_for_the_time_for_creation() {
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
        assert_eq!(health_of(&workload, &limits, rollout, 59), first, "{message}");
        assert_eq!(health_of(&workload, &limits, rollout, 60), reason, "{message}");
        assert_eq!(health_of(&workload, &limits, rollback, 599), first, "{message}, in a rollback");
    }
}

#[test]
fn the_time_for_an_error_of_a_node_begins_when_the_pod_was_last_ready_or_was_placed() {
    let limits = FailureThresholds::default();
    let mut late = waits("CreateContainerError", "context deadline exceeded");
    late.pods[1].ready_since = Some(at(300));
    let of = |seconds| health_of(&late, &limits, Mode::Rollout(at(0)), seconds);
    assert_eq!((of(359), of(360)), ("progressing".into(), "CreateContainerError".into()));
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
