//! Workloads that a promotion does not change: only what their pods suffer can be its fault.

use super::tests::{at, ended, waiting, word};
use super::*;
use crate::decide::world::{OutdatedPod, Pod};

fn of(kind: &str, workload: &Workload, mode: Mode, seconds: i64) -> String {
    health(of_neighbours, kind, workload, mode, seconds)
}

fn in_rollback(workload: &Workload, mode: Mode, seconds: i64) -> String {
    health(of_neighbours_of_a_rollback, "Deployment", workload, mode, seconds)
}

fn health(
    of: impl Fn(&[Subject<'_>], &Rules<'_>) -> Health,
    kind: &str,
    workload: &Workload,
    mode: Mode,
    seconds: i64,
) -> String {
    let limits = FailureThresholds { progress_deadline_seconds: 60, ..FailureThresholds::default() };
    let key = ObjectKey::new("apps/v1", kind, "api").unwrap();
    let subject = Subject { key: &key, workload: Some(workload), custom: None, exempt: false };
    let now = at(seconds);
    word(of(&[subject], &Rules { limits: &limits, before: &[], awaits: &[], started: at(0), mode, now }))
}

fn pod(ready: bool) -> Pod {
    Pod { name: "api".into(), ready, created: Some(at(5)), ..Pod::default() }
}

/// Scaled to three replicas, of which one is ready.
fn scaled() -> Workload {
    let pods = vec![pod(true), pod(false), pod(false)];
    Workload { observed: true, desired: 3, updated: 3, total: 3, available: 1, pods, ..Workload::default() }
}

#[test]
fn a_neighbour_is_not_waited_for() {
    let rollout = Mode::Rollout(at(0));
    let mut full = scaled();
    full.pods[1].unschedulable = Some((at(5), "no node has room".into()));
    assert_eq!(of("Deployment", &full, rollout, 9_000), "healthy", "its pods have no room");
    assert_eq!(of("Deployment", &scaled(), rollout, 9_000), "healthy", "its replicas are missing");
    let quota = Workload { blocked: Some(("FailedCreate".into(), "quota".into())), ..scaled() };
    assert_eq!(of("Deployment", &quota, rollout, 9_000), "healthy", "a quota holds its pods back");
    let old = OutdatedPod { name: "api-1".into(), ready: true, ..OutdatedPod::default() };
    let manual = Workload { on_delete: true, outdated: vec![old], available: 3, ..scaled() };
    for mode in [rollout, Mode::Rollback(at(0)), Mode::Settle(at(0))] {
        let manual = Workload { pods: vec![pod(true)], ..manual.clone() };
        assert_eq!(of("DaemonSet", &manual, mode, 9_000), "healthy", "a person replaces its pods: {mode:?}");
    }
    assert_eq!(of("Deployment", &full, Mode::Rollback(at(0)), 9_000), "healthy", "no room in a rollback");
    let mut crashed = scaled();
    crashed.pods[1].containers = vec![ended(waiting("CrashLoopBackOff", 3), "Error", false)];
    for mode in [rollout, Mode::Observe] {
        assert_eq!(of("Deployment", &crashed, mode, 10), "CrashLoopBackOff", "it crashes: {mode:?}");
    }
    // A rollback says that it restored what ran: it waits until that runs.
    assert_eq!(of("Deployment", &scaled(), Mode::Rollback(at(0)), 50), "progressing");
}

#[test]
fn a_neighbour_has_time_to_recover_from_what_a_rollback_takes_away() {
    let mut crashed = scaled();
    crashed.pods[1].containers = vec![ended(waiting("CrashLoopBackOff", 3), "Error", false)];
    let runs = Pod { containers: crashed.pods[1].containers.clone(), ..pod(true) };
    let recovered = Workload { available: 3, pods: vec![pod(true), runs, pod(true)], ..crashed.clone() };
    crashed.pods[1].lost_readiness = true;
    for mode in [Mode::Rollback(at(0)), Mode::Observe, Mode::Settle(at(0))] {
        let words = [59, 60].map(|seconds| in_rollback(&crashed, mode, seconds));
        assert_eq!(words, ["progressing", "CrashLoopBackOff"], "{mode:?}");
        assert_eq!(in_rollback(&recovered, mode, 9_000), "healthy", "however often it crashed: {mode:?}");
    }
    assert_eq!(of("Deployment", &recovered, Mode::Observe, 10), "CrashLoopBackOff", "a promotion breaks it");
}

#[test]
fn only_a_neighbour_that_fails_already_is_exempt() {
    let limits = FailureThresholds { progress_deadline_seconds: 60, ..FailureThresholds::default() };
    let mut crashing = scaled();
    crashing.pods[1].containers = vec![ended(waiting("CrashLoopBackOff", 3), "Error", false)];
    let mut full = scaled();
    full.pods[1].unschedulable = Some((at(5), "no node has room".into()));
    let quota = Workload { blocked: Some(("FailedCreate".into(), "quota".into())), ..scaled() };
    let none = Workload { pods: vec![pod(false)], available: 0, ..scaled() };
    for (what, workload, now, exempt) in [
        ("was scaled a moment ago", scaled(), 10, false),
        ("has a pod that has not started for long", scaled(), 90, true),
        ("crashes", crashing, 10, true),
        ("has no room", full, 10, true),
        ("is refused by a quota", quota, 10, true),
        ("has no ready pod", none, 10, true),
        ("runs", Workload { available: 3, pods: vec![pod(true)], ..scaled() }, 10, false),
    ] {
        assert_eq!(failed_before(&workload, &limits, at(now)), exempt, "a neighbour that {what}");
    }
}
