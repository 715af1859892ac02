//! What the controller of a workload and the kubelets show of it at a time.

use super::{Placed, after, available, desired, fate, is_paused, is_ready, word};
use jiff::Timestamp;
use towpath::content::ObjectKey;
use towpath::decide::world::{Container, Ended, Pod, Workload};

fn job(placed: &Placed, ready: bool, crashed: bool) -> Workload {
    let (word, suspended) = (word(&placed.live), placed.live["spec"]["suspend"] == true);
    let is_meshed = word == "meshed";
    let ended = |code| Ended { code, current: true, ..Ended::default() };
    let container = |name: &str, ended| Container { name: name.into(), ended, ..Container::default() };
    let containers = vec![container("main", Some(ended(0))), container("proxy", None)];
    Workload {
        uid: placed.live["metadata"]["uid"].as_str().unwrap().to_owned(),
        observed: true,
        desired: 1,
        suspended,
        complete: ready && !suspended && !is_meshed,
        failed: crashed.then(|| "exit code 1".into()),
        disrupted: (crashed && word == "evicted").then(|| "pod migrate-1 was disrupted".into()),
        pods: (ready && is_meshed).then(|| Pod { containers, ..Pod::default() }).into_iter().collect(),
        ..Workload::default()
    }
}

pub(super) fn workload(key: &ObjectKey, placed: &Placed, namespace: &str, now: Timestamp) -> Workload {
    let fate = fate(placed, namespace);
    let ready = is_ready(placed, &fate, now);
    let crashed = fate.crash.is_some_and(|seconds| now >= after(placed.template_since, seconds));
    let was_ready = fate.ready.is_some_and(|seconds| now >= after(placed.template_since, seconds));
    let older = if was_ready && !is_paused(&placed.live) { 0 } else { placed.older };
    let since =
        if crashed { fate.crash } else { fate.ready }.map(|seconds| after(placed.template_since, seconds));
    if key.kind() == "Job" {
        return job(placed, ready, crashed);
    }
    let was_restarted = word(&placed.live) == "flaky" && now >= after(placed.template_since, 30);
    let is_stray = crashed && was_ready && placed.live.to_string().contains("/stray@");
    let pod = |index: i32| Pod {
        unschedulable: is_stray.then(|| (since.unwrap(), "no node has room".to_owned())),
        name: format!("{}-{index}", key.name()),
        uid: format!("{}-{index}-{}", key.name(), placed.template_since),
        ready,
        lost_readiness: was_ready && crashed && !is_stray,
        ready_since: since.filter(|at| *at <= now),
        created: Some(placed.template_since),
        containers: vec![Container {
            name: "main".into(),
            restarts: if crashed && !is_stray { 2 } else { i32::from(was_restarted) },
            waiting: (crashed && !is_stray).then(|| ("CrashLoopBackOff".into(), "back-off".into())),
            ended: (was_restarted || (crashed && !is_stray)).then(|| Ended {
                reason: "Error".into(),
                code: 1,
                ..Ended::default()
            }),
            excused: 0,
        }],
        ..Pod::default()
    };
    let mark =
        placed.live.pointer("/metadata/annotations").and_then(|marks| marks["towpath.dev/revision"].as_str());
    Workload {
        uid: placed.live["metadata"]["uid"].as_str().unwrap().to_owned(),
        revision: mark.and_then(|mark| mark.parse().ok()),
        observed: now > placed.spec_since,
        paused: is_paused(&placed.live),
        desired: desired(placed),
        updated: desired(placed),
        total: desired(placed) + older,
        available: available(placed, namespace, now).min(if crashed && was_ready { 0 } else { i32::MAX }),
        pods: (0..desired(placed)).map(pod).collect(),
        ..Workload::default()
    }
}
