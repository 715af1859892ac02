//! What the controller of a workload and the kubelets show of it at a time.

use super::{Placed, after, available, desired, fate, is_paused, is_ready, word};
use jiff::Timestamp;
use serde_json::Value;
use towpath::api::Disruption;
use towpath::content::ObjectKey;
use towpath::decide::world::{Container, Ended, OutdatedPod, Pod, Workload};

/// When the pod of a Job is disrupted and when it is gone, in seconds after its creation: a kubelet that evicts a pod leaves it until it is
/// collected, and that of a drained node is gone before the Job has failed.
pub(super) fn disrupted(live: &Value) -> Option<(i64, i64)> {
    match (live["kind"].as_str(), word(live).as_str()) {
        (Some("Job"), "evicted") => Some((3, 33)),
        (Some("Job"), "drained") => Some((3, 5)),
        _ => None,
    }
}

/// What is seen of the disruption of the pod of a Job, and what was recorded of it.
fn disruptions(placed: &Placed, recorded: &[Disruption], now: Timestamp) -> Vec<Disruption> {
    let uid = placed.live["metadata"]["uid"].as_str().unwrap();
    let since = |seconds| now >= after(placed.template_since, seconds);
    let is_seen = disrupted(&placed.live).is_some_and(|(from, until)| since(from) && !since(until));
    let seen = Disruption { job: uid.into(), pod: "migrate-1".into(), message: "the node is drained".into() };
    let known: Vec<Disruption> = recorded.iter().filter(|it| it.job == uid).cloned().collect();
    if known.is_empty() && is_seen { vec![seen] } else { known }
}

fn job(placed: &Placed, ready: bool, crashed: bool, recorded: &[Disruption], now: Timestamp) -> Workload {
    let disruptions = disruptions(placed, recorded, now);
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
        disrupted: (crashed && !disruptions.is_empty()).then(|| "pod migrate-1 was disrupted".into()),
        disruptions,
        pods: (ready && is_meshed).then(|| Pod { containers, ..Pod::default() }).into_iter().collect(),
        ..Workload::default()
    }
}

pub(super) fn workload(
    key: &ObjectKey,
    placed: &Placed,
    namespace: &str,
    recorded: &[Disruption],
    now: Timestamp,
) -> Workload {
    let fate = fate(placed, namespace);
    let ready = is_ready(placed, &fate, now);
    let crashed = fate.crash.is_some_and(|seconds| now >= after(placed.template_since, seconds));
    let was_ready = fate.ready.is_some_and(|seconds| now >= after(placed.template_since, seconds));
    let older = if was_ready && !is_paused(&placed.live) { 0 } else { placed.older };
    let since =
        if crashed { fate.crash } else { fate.ready }.map(|seconds| after(placed.template_since, seconds));
    if key.kind() == "Job" {
        return job(placed, ready, crashed, recorded, now);
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
    let partition =
        placed.live.pointer("/spec/updateStrategy/rollingUpdate/partition").and_then(Value::as_i64);
    let partition = partition.and_then(|partition| i32::try_from(partition).ok());
    let older_pod = || OutdatedPod { name: format!("{}-older", key.name()), ..OutdatedPod::default() };
    let mark =
        placed.live.pointer("/metadata/annotations").and_then(|marks| marks["towpath.dev/revision"].as_str());
    Workload {
        uid: placed.live["metadata"]["uid"].as_str().unwrap().to_owned(),
        generation: placed.live["metadata"]["generation"].as_i64().unwrap(),
        revision: mark.and_then(|mark| mark.parse().ok()),
        observed: now > placed.spec_since,
        paused: is_paused(&placed.live),
        held_by_partition: partition,
        outdated: partition.iter().map(|_| older_pod()).collect(),
        desired: desired(placed),
        updated: desired(placed),
        total: desired(placed) + older,
        available: available(placed, namespace, now).min(if crashed && was_ready { 0 } else { i32::MAX }),
        pods: (0..desired(placed)).map(pod).collect(),
        ..Workload::default()
    }
}
