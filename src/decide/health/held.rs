//! What holds a rollout up although the release is not at fault: a node that does not report, a pod that does not stop, a controller
//! that replaces no pod.

use super::{Health, Rules};
use crate::api::Reason;
use crate::content::ObjectKey;
use crate::decide::moments::later;
use crate::decide::world::{OutdatedPod, Pod, Workload};
use jiff::{SignedDuration, Timestamp};
use std::borrow::Cow;

/// How long a pod may take to be gone after its grace period, and a kubelet to take a new pod.
const SLACK: SignedDuration = SignedDuration::from_secs(5);
/// How long a pod of the old revision is not ready before it is replaced.
const BROKEN_AFTER: SignedDuration = SignedDuration::from_secs(5);
/// When a controller that does nothing is asked why.
pub(super) const ASKED_AFTER: SignedDuration = SignedDuration::from_secs(2);
/// Most pods that a message names.
const MOST_NAMES: usize = 5;

/// Waits if all that is missing are pods that do not stop, or pods of nodes that do not report. It never fails a release: the wait ends
/// when the pods are gone, when the nodes report again, or when a person removes them. `deadline` is that of the rollout without them.
pub(super) fn by_a_node(
    key: &ObjectKey,
    workload: &Workload,
    deadline: Timestamp,
    rules: &Rules<'_>,
) -> Option<Health> {
    let staying = || workload.pods.iter().filter(|pod| pod.is_staying());
    if staying().any(|pod| !pod.ready && !is_silent(pod, rules.now)) {
        return None;
    }
    // A Deployment creates other pods beside those that stop, unless its strategy is Recreate.
    let waits_until_gone = key.kind() != "Deployment" || workload.pods.is_empty();
    // At the end of a long grace period, the new pod must not be judged by a deadline that passed before.
    let is_near_the_deadline = later(rules.now, SLACK) >= deadline;
    let late = workload
        .stopping
        .iter()
        .filter(|pod| waits_until_gone && (is_near_the_deadline || rules.now >= later(pod.until, SLACK)));
    let stop: Vec<String> = late.map(|pod| on_node(&pod.name, &pod.node)).collect();
    let silent: Vec<String> = staying()
        .filter(|pod| is_silent(pod, rules.now))
        .map(|pod| on_node(&pod.name, pod.silent_node.as_deref().unwrap_or_default()))
        .collect();
    let (reason, message) = match (stop.is_empty(), silent.is_empty()) {
        (true, true) => return None,
        (false, _) => (
            Reason::PodsStopping,
            format!(
                "{key} waits for pods that are being deleted to stop: {}; if a node is down, the rollout continues when the node \
                 reports again or is deleted",
                some(&stop)
            ),
        ),
        (true, false) => (
            Reason::NodeNotReady,
            format!(
                "{key} has pods whose node does not report: {}; the rollout continues when the node reports again or is deleted",
                some(&silent)
            ),
        ),
    };
    Some(Health::Progressing { obstacle: Some(reason), message, recheck_at: None })
}

/// Whether the node of a pod does not report it: a node that went silent after the pod was ready, or that never took the pod.
pub(super) fn is_silent(pod: &Pod, now: Timestamp) -> bool {
    let is_taken_by_now = || pod.created.is_none_or(|at| now < later(at, SLACK));
    pod.silent_node.is_some() && (pod.ready || !is_taken_by_now())
}

fn on_node(pod: &str, node: &str) -> String {
    if node.is_empty() { format!("pod {pod}") } else { format!("pod {pod} on node {node}") }
}

fn some(pods: &[String]) -> String {
    let more = pods.len().saturating_sub(MOST_NAMES);
    let named = pods.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { named } else { format!("{named} and {more} more") }
}

/// The pod of the old revision that its StatefulSet waits for before it replaces any pod: with `OrderedReady` it never replaces one that is
/// not ready. Only a pod with an error, and one at a time: what is not ready because another replica is being replaced recovers by itself.
pub fn stuck_pod(workload: &Workload, now: Timestamp) -> Option<&OutdatedPod> {
    let is_moving = !workload.stopping.is_empty() || workload.pods.iter().any(|pod| !pod.ready);
    if !workload.ordered || !workload.observed || is_moving {
        return None;
    }
    let is_broken = |pod: &&OutdatedPod| {
        !pod.ready && pod.has_error && pod.ready_since.is_none_or(|since| now >= later(since, BROKEN_AFTER))
    };
    let ordinal = |pod: &&OutdatedPod| pod.name.rsplit_once('-').and_then(|(_, end)| end.parse::<u32>().ok());
    workload.outdated.iter().filter(is_broken).max_by_key(ordinal)
}

/// Whether pods of the newest template are missing although nothing starts or stops. No condition of a StatefulSet or DaemonSet says why
/// its controller does not act; its Events do.
pub fn stands_still(key: &ObjectKey, workload: &Workload, now: Timestamp) -> bool {
    let min_ready = SignedDuration::from_secs(i64::from(workload.min_ready_seconds.max(0)));
    let is_done = |pod: &Pod| {
        pod.leaving
            || pod.failed.is_some()
            || (pod.ready && pod.ready_since.is_none_or(|since| later(since, min_ready) <= now))
    };
    matches!(key.kind(), "StatefulSet" | "DaemonSet")
        && workload.observed
        && workload.updated < workload.desired
        && workload.stopping.is_empty()
        && workload.pods.iter().all(is_done)
        && (workload.outdated.is_empty() || !workload.on_delete)
        && workload.held_by_partition.is_none()
}

/// The workload without the replicas that the content does not ask for and that have no room: a person or an autoscaler added them while
/// the pods that the release asks for run. The same holds in the observe window.
pub(super) fn without_surplus(workload: &Workload) -> Cow<'_, Workload> {
    let Some(asked) = workload.asked.filter(|asked| *asked > 0 && *asked < workload.desired) else {
        return Cow::Borrowed(workload);
    };
    let has_no_room = |pod: &Pod| !pod.ready && pod.unschedulable.is_some();
    let waiting = count(workload.pods.iter().filter(|pod| has_no_room(pod)));
    let placed = workload.updated.saturating_sub(waiting);
    let is_refused = workload.blocked.is_some() && workload.updated < workload.desired;
    if (waiting == 0 && !is_refused) || placed < asked || !workload.outdated.is_empty() {
        return Cow::Borrowed(workload);
    }
    let mut workload = workload.clone();
    workload.pods.retain(|pod| !has_no_room(pod));
    workload.blocked = workload.blocked.filter(|_| !is_refused);
    workload.desired = if is_refused { placed } else { workload.desired.saturating_sub(waiting) };
    (workload.updated, workload.total) = (placed, workload.total.saturating_sub(waiting));
    Cow::Owned(workload)
}

fn count<T>(items: impl Iterator<Item = T>) -> i32 {
    i32::try_from(items.count()).unwrap_or(i32::MAX)
}
