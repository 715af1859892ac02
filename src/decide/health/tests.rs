//! The health that follows from pod statuses as a real kubelet writes them.

use super::*;
use crate::api::ExitsBefore;
use crate::decide::world::{Container, Ended, OutdatedPod, Pod};

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn running(restarts: i32) -> Container {
    Container { name: "app".into(), restarts, ..Container::default() }
}

pub(super) fn waiting(reason: &str, restarts: i32) -> Container {
    Container { waiting: Some((reason.into(), "words".into())), ..running(restarts) }
}

pub(super) fn ended(container: Container, reason: &str, current: bool) -> Container {
    let end = Ended { reason: reason.into(), code: 1, current, ..Ended::default() };
    Container { ended: Some(end), ..container }
}

/// Two replicas, of which one pod is as given.
pub(super) fn one_of_two(pod: Pod, available: i32) -> Workload {
    let good = Pod { name: "good".into(), ready: true, created: Some(at(0)), ..Pod::default() };
    Workload {
        observed: true,
        desired: 2,
        updated: 2,
        total: 2,
        available,
        pods: vec![good, Pod { name: "pod".into(), uid: "uid".into(), created: Some(at(0)), ..pod }],
        ..Workload::default()
    }
}

fn judged(workload: &Workload, limits: &FailureThresholds, mode: Mode, before: i32) -> Health {
    let key = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
    let subject = Subject { key: &key, workload: Some(workload), custom: None, exempt: false };
    let before = [ExitsBefore { pod: "uid".into(), container: "app".into(), exits: before }];
    let before = if before[0].exits > 0 { before.as_slice() } else { &[] };
    of_all(&[subject], &Rules { limits, before, awaits: &[], started: at(0), mode, now: at(10) })
}

pub(super) fn word(health: Health) -> String {
    match health {
        Health::Healthy => "healthy".into(),
        Health::Progressing { obstacle: None, .. } => "progressing".into(),
        Health::Progressing { obstacle: Some(reason), .. } => format!("waits: {reason}"),
        Health::Failing { reason, .. } => reason.to_string(),
    }
}

fn health_of(workload: &Workload, limits: &FailureThresholds, mode: Mode, now: Timestamp) -> String {
    let key = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
    let subject = Subject { key: &key, workload: Some(workload), custom: None, exempt: false };
    word(of_all(&[subject], &Rules { limits, before: &[], awaits: &[], started: at(0), mode, now }))
}

/// In a rollout, ten seconds after it started.
fn of(container: Container, limits: &FailureThresholds) -> String {
    let pod = Pod { containers: vec![container], ..Pod::default() };
    health_of(&one_of_two(pod, 1), limits, Mode::Rollout(at(0)), at(10))
}

#[test]
fn a_container_state_decides_health_and_the_reason_does_not_change_between_restarts() {
    let limits = FailureThresholds::default();
    let cases = [
        ("has not begun", waiting("ContainerCreating", 0), "progressing"),
        ("starts slowly", running(0), "progressing"),
        ("has ended once", ended(running(0), "Error", true), "progressing"),
        ("was restarted once, runs", ended(running(1), "Error", false), "progressing"),
        ("was restarted once, ended", ended(running(1), "Error", true), "CrashLoopBackOff"),
        (
            "was restarted once, waits",
            ended(waiting("CrashLoopBackOff", 1), "Error", false),
            "CrashLoopBackOff",
        ),
        ("was restarted twice, runs", ended(running(2), "Error", false), "CrashLoopBackOff"),
        ("was restarted twice, ended", ended(running(2), "Error", true), "CrashLoopBackOff"),
        (
            "was restarted twice, waits",
            ended(waiting("CrashLoopBackOff", 2), "Error", false),
            "CrashLoopBackOff",
        ),
        (
            "ended without an error twice",
            ended(waiting("CrashLoopBackOff", 1), "Completed", false),
            "CrashLoopBackOff",
        ),
        ("was killed for memory once", ended(running(0), "OOMKilled", true), "progressing"),
        ("was killed for memory, runs again", ended(running(1), "OOMKilled", false), "progressing"),
        (
            "was killed for memory twice, waits",
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
            "RunContainerError",
        ),
        ("was lost with its node", ended(running(2), "ContainerStatusUnknown", false), "progressing"),
    ];
    for (what, container, wanted) in cases {
        assert_eq!(of(container, &limits), wanted, "a container that {what}");
    }
}

#[test]
fn terminations_from_before_the_promotion_do_not_count() {
    let limits = FailureThresholds::default();
    let cases = [
        ("restarted three times long ago", ended(running(3), "Error", false), 3, "progressing"),
        ("and once since", ended(running(4), "Error", false), 3, "progressing"),
        ("and twice since", ended(running(5), "Error", false), 3, "CrashLoopBackOff"),
        (
            "and once since, waits for the second",
            ended(waiting("CrashLoopBackOff", 4), "Error", false),
            3,
            "CrashLoopBackOff",
        ),
        ("killed for memory before", ended(running(2), "OOMKilled", false), 2, "progressing"),
        ("waited with this error before", waiting("CreateContainerConfigError", 1), 1, "progressing"),
    ];
    for (what, container, before, wanted) in cases {
        let workload = one_of_two(Pod { containers: vec![container], ..Pod::default() }, 1);
        let health = judged(&workload, &limits, Mode::Rollout(at(0)), before);
        assert_eq!(word(health), wanted, "a container that {what}");
    }
}

#[test]
fn restarts_without_a_fault_do_not_count() {
    let limits = FailureThresholds::default();
    let planned = |container: Container| {
        let end = container.ended.clone().map(|end| Ended { planned: true, at: Some(at(4)), ..end });
        Container { ended: end, ..container }
    };
    let by_rule = planned(ended(running(4), "Error", false));
    let resized = Container { excused: 3, ..ended(running(3), "Error", false) };
    for (what, pod) in [
        ("a restart rule", Pod { containers: vec![by_rule.clone()], ..Pod::default() }),
        ("changes in place", Pod { containers: vec![resized], ..Pod::default() }),
    ] {
        assert_eq!(
            health_of(&one_of_two(pod, 1), &limits, Mode::Rollout(at(0)), at(10)),
            "progressing",
            "{what}"
        );
    }
    // Readiness that is lost because of such a restart.
    let lost =
        Pod { lost_readiness: true, ready_since: Some(at(5)), containers: vec![by_rule], ..Pod::default() };
    assert_eq!(health_of(&one_of_two(lost.clone(), 1), &limits, Mode::Observe, at(10)), "healthy");
    // Its node restarted.
    let unknown = ended(running(1), "Unknown", false);
    let rebooted = Pod { containers: vec![unknown.clone()], ..lost.clone() };
    assert_eq!(health_of(&one_of_two(rebooted, 1), &limits, Mode::Observe, at(10)), "healthy");
    let long_after = Ended { at: Some(at(-300)), ..unknown.ended.clone().unwrap_or_default() };
    let later = Pod { containers: vec![Container { ended: Some(long_after), ..unknown }], ..lost };
    assert_eq!(health_of(&one_of_two(later, 1), &limits, Mode::Observe, at(10)), "Unknown");
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
    // A registry that fails is not an image that does not exist.
    let failed = |words: &str| {
        let waiting =
            Some(("ImagePullBackOff".to_owned(), format!("Back-off pulling image: ErrImagePull: {words}")));
        Container { waiting, ..running(0) }
    };
    let defaults = FailureThresholds::default();
    assert_eq!(of(failed("unexpected status: 429 Too Many Requests"), &defaults), "progressing");
    assert_eq!(of(failed("dial tcp: lookup registry.example: no such host"), &defaults), "progressing");
    assert_eq!(of(failed("registry.example/shop:2: not found"), &defaults), "ImagePullBackOff");
    let impatient = FailureThresholds { create_errors: "5s".parse().unwrap(), ..defaults };
    assert_eq!(of(failed("net/http: TLS handshake timeout"), &impatient), "ImagePullBackOff");
}

#[test]
fn in_the_observe_window_pods_fail_a_release_by_losing_readiness_of_their_own() {
    let limits = FailureThresholds::default();
    let lost =
        |container: Container| Pod { lost_readiness: true, containers: vec![container], ..Pod::default() };
    let failed = |reason: &str, message: &str| Pod {
        lost_readiness: true,
        failed: Some((reason.into(), message.into())),
        ..Pod::default()
    };
    let cases = [
        ("readiness is lost, and its workload does not count it yet", lost(running(0)), 2, "Unavailable"),
        ("it has ended", lost(ended(running(0), "Error", true)), 1, "Error"),
        ("it was killed for memory", lost(ended(running(0), "OOMKilled", true)), 1, "OOMKilled"),
        ("it is ready, and counted late", Pod { ready: true, ..Pod::default() }, 1, "healthy"),
        ("it has never been ready", Pod { containers: vec![running(0)], ..Pod::default() }, 1, "healthy"),
        ("it is being moved", Pod { leaving: true, ..lost(running(0)) }, 1, "healthy"),
        (
            "its node was short of memory",
            failed("Evicted", "The node was low on resource: memory."),
            1,
            "healthy",
        ),
        ("its node rejected it", failed("OutOfcpu", "Node didn't have enough resource: cpu"), 1, "healthy"),
        (
            "its node shut down",
            failed("Terminated", "Pod was terminated in response to imminent node shutdown."),
            1,
            "healthy",
        ),
        ("its kubelet gives no reason", failed("", ""), 1, "healthy"),
        (
            "it used more disk than its limit",
            failed(
                "Evicted",
                "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ",
            ),
            1,
            "Evicted",
        ),
        (
            "its volume is over its limit",
            failed("Evicted", "Usage of EmptyDir volume \"tmp\" exceeds the limit \"1Gi\". "),
            1,
            "Evicted",
        ),
        ("its sysctl is forbidden", failed("SysctlForbidden", "forbidden sysctl"), 1, "SysctlForbidden"),
        (
            "it waits for a node",
            Pod { unschedulable: Some((at(-900), "full".into())), ..Pod::default() },
            1,
            "healthy",
        ),
    ];
    for (what, pod, available, wanted) in cases {
        let workload = one_of_two(pod, available);
        assert_eq!(health_of(&workload, &limits, Mode::Observe, at(60)), wanted, "when {what}");
    }
}

#[test]
fn evictions_by_nodes_count_when_they_repeat() {
    let limits = FailureThresholds { evictions: 1, ..FailureThresholds::default() };
    let evicted = Pod {
        failed: Some(("Evicted".into(), "The node was low on resource: memory.".into())),
        ..Pod::default()
    };
    let mut workload = one_of_two(evicted.clone(), 2);
    assert_eq!(health_of(&workload, &limits, Mode::Observe, at(60)), "healthy");
    workload.pods.push(evicted);
    assert_eq!(health_of(&workload, &limits, Mode::Observe, at(60)), "Evicted");
}

#[test]
fn after_the_observe_window_added_pods_must_be_ready_too() {
    let limits = FailureThresholds { progress_deadline_seconds: 60, ..FailureThresholds::default() };
    let health =
        |workload: &Workload, seconds| health_of(workload, &limits, Mode::Settle(at(0)), at(seconds));
    let starting = one_of_two(Pod { created: Some(at(0)), ..Pod::default() }, 1);
    assert_eq!(
        (health(&starting, 59), health(&starting, 60)),
        ("progressing".into(), "ProgressDeadlineExceeded".into())
    );
    let ready = one_of_two(Pod { ready: true, ..Pod::default() }, 2);
    assert_eq!(health(&ready, 1), "healthy");
    // An autoscaler wants more pods than the cluster has room for, or a quota allows.
    let full = one_of_two(Pod { unschedulable: Some((at(-900), "full".into())), ..Pod::default() }, 1);
    assert_eq!(health(&full, 900), "healthy");
    let capped = Workload { desired: 8, blocked: Some(("FailedCreate".into(), "quota".into())), ..ready };
    assert_eq!(health(&capped, 900), "healthy");
    let none = Workload { pods: Vec::new(), ..full };
    assert_eq!(health(&none, 59), "progressing");
}

#[test]
fn what_passes_by_itself_is_waited_for() {
    let limits = FailureThresholds::default();
    let health = |workload: &Workload, mode, seconds| health_of(workload, &limits, mode, at(seconds));
    let (rollout, rollback) = (Mode::Rollout(at(0)), Mode::Rollback(at(0)));
    let blocked = Workload {
        blocked: Some(("FailedCreate".into(), "exceeded quota".into())),
        ..one_of_two(Pod::default(), 1)
    };
    assert_eq!(
        (health(&blocked, rollout, 59), health(&blocked, rollout, 60)),
        ("waits: FailedCreate".into(), "FailedCreate".into())
    );
    assert_eq!(
        (health(&blocked, rollback, 599), health(&blocked, rollback, 600)),
        ("waits: FailedCreate".into(), "FailedCreate".into())
    );
    // Other progress prolongs it.
    let moving = Workload { progressed: Some(at(50)), ..blocked };
    assert_eq!(health(&moving, rollout, 109), "waits: FailedCreate");
    let paused = Workload { paused: true, observed: true, desired: 2, ..Workload::default() };
    assert_eq!(health(&paused, rollout, 9_999), "waits: Paused");
    let restored = Workload { paused: true, pods: Vec::new(), ..one_of_two(Pod::default(), 2) };
    assert_eq!(health(&restored, rollback, 1), "healthy");
    let old = OutdatedPod { name: "db-0".into(), ..OutdatedPod::default() };
    let manual = Workload { on_delete: true, outdated: vec![old], ..one_of_two(Pod::default(), 2) };
    assert_eq!(health(&manual, rollout, 9_999), "waits: OnDelete");
    let held = Workload { held_by_partition: Some(2), ..one_of_two(Pod::default(), 2) };
    assert_eq!(health(&held, rollout, 9_999), "waits: Partition");
}

#[test]
fn the_progress_deadline_counts_from_the_last_pod_that_became_ready() {
    let limits = FailureThresholds { progress_deadline_seconds: 60, ..FailureThresholds::default() };
    let mut slow = one_of_two(Pod::default(), 1);
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
    // Pods that become ready and unready in turn: each of the two has the deadline once.
    slow.pods[0].ready_since = Some(at(179));
    assert_eq!(
        (health_at(&slow, 179), health_at(&slow, 180)),
        ("progressing".into(), "ProgressDeadlineExceeded".into())
    );
    // A node that was unreachable reports a readiness from before the rollout.
    slow.pods[0].ready_since = Some(at(-30));
    assert_eq!(health_at(&slow, 59), "progressing");
}

#[test]
fn pods_that_had_failed_before_the_promotion_do_not_count() {
    let limits = FailureThresholds::default();
    let over = "Usage of EmptyDir volume \"tmp\" exceeds the limit \"1Gi\". ";
    let pod = Pod { failed: Some(("Evicted".into(), over.into())), ..Pod::default() };
    let workload = one_of_two(pod, 2);
    let before = exits_before(workload.pods.iter());
    let key = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
    let of = |before: &[ExitsBefore]| {
        let subject = Subject { key: &key, workload: Some(&workload), custom: None, exempt: false };
        word(of_all(
            &[subject],
            &Rules { limits: &limits, before, awaits: &[], started: at(0), mode: Mode::Observe, now: at(9) },
        ))
    };
    assert_eq!((of(&[]), of(&before)), ("Evicted".into(), "healthy".into()));
}

#[test]
fn a_finished_job_may_be_removed_and_a_workload_may_not() {
    let limits = FailureThresholds::default();
    let of = |api_version: &str, kind: &str| {
        let key = ObjectKey::new(api_version, kind, "migrate").unwrap();
        let subject = Subject { key: &key, workload: None, custom: None, exempt: false };
        let rules = Rules {
            limits: &limits,
            before: &[],
            awaits: &[],
            started: at(0),
            mode: Mode::Observe,
            now: at(9),
        };
        word(of_all(&[subject], &rules))
    };
    assert_eq!((of("batch/v1", "Job"), of("apps/v1", "Deployment")), ("healthy".into(), "Missing".into()));
}
