//! The health of the pods of one workload.

use super::{Health, Mode, Rules, failing, progress_deadline, progressing};
use crate::api::{ExitsBefore, Reason};
use crate::content::ObjectKey;
use crate::decide::moments::{earliest, later, span};
use crate::decide::world::{Container, Ended, Pod, Workload};
use jiff::SignedDuration;

/// Longest time between the exit of a container and the loss of readiness that follows from it.
const FOLLOWS: SignedDuration = SignedDuration::from_secs(5);

/// How much the clock of a node may be behind that of the API server.
const CLOCKS_AGREE_WITHIN: SignedDuration = SignedDuration::from_secs(120);

/// Failing if a pod of the newest template fails. `Progressing` carries only the time of the next check.
pub(super) fn of_pods(key: &ObjectKey, workload: &Workload, rules: &Rules<'_>) -> Health {
    let mut recheck_at = None;
    let mut evictions = 0;
    for pod in workload.pods.iter().filter(|pod| !had_failed(pod, rules)) {
        evictions += i32::from(is_evicted_by_its_node(pod));
        match of_pod(key, pod, rules) {
            Health::Healthy => {}
            failing @ Health::Failing { .. } => return failing,
            Health::Progressing { recheck_at: at, .. } => recheck_at = earliest(recheck_at, at),
        }
    }
    if evictions > rules.limits.evictions {
        return failing(
            "Evicted",
            format!("{key}: {evictions} pods were evicted because their node ran out of a resource"),
        );
    }
    let ended = workload.pods.iter().filter(|pod| !had_failed(pod, rules)).filter_map(ended_for_good);
    let ended: Vec<_> = ended.collect();
    if let Some((pod, container, end)) = ended.last().filter(|_| is_more(ended.len(), rules.limits.restarts))
    {
        let reason = if end.reason == "OOMKilled" { Reason::OOMKilled } else { Reason::PodFailed };
        let how = format!("terminated with {} (exit code {}), and is not restarted", end.reason, end.code);
        return failing(reason, format!("{} {how}", subject(key, pod, container)));
    }
    match recheck_at {
        None => Health::Healthy,
        Some(_) => progressing(String::new(), recheck_at),
    }
}

fn is_more(count: usize, limit: i32) -> bool {
    i64::try_from(count).unwrap_or(i64::MAX) > i64::from(limit)
}

/// How a pod ended with an error of its own, after which nothing starts it again.
fn ended_for_good(pod: &Pod) -> Option<(&Pod, &Container, &Ended)> {
    let failed =
        pod.failed.as_ref().filter(|(reason, _)| reason.is_empty() && pod.stays_down && !pod.leaving);
    let is_error = |ended: &&Ended| ended.current && ended.code != 0 && !is_lost(ended);
    failed?;
    pod.containers
        .iter()
        .find_map(|container| Some((pod, container, container.ended.as_ref().filter(is_error)?)))
}

/// The last pod that ended with an error of its own, if no other pod has taken its place.
pub(super) fn not_replaced(pods: &[Pod]) -> Option<&Pod> {
    let last = pods.iter().filter(|pod| ended_for_good(pod).is_some()).max_by_key(|pod| pod.created)?;
    let replaces = |pod: &Pod| (pod.is_staying() || pod.completed) && pod.created >= last.created;
    (!pods.iter().any(replaces)).then_some(last)
}

/// Whether a pod had failed before, or had lost readiness when the promotion was verified.
pub(super) fn had_failed(pod: &Pod, rules: &Rules<'_>) -> bool {
    rules.before.iter().any(|it| it.pod == pod.uid && it.container.is_empty())
}

fn of_pod(key: &ObjectKey, pod: &Pod, rules: &Rules<'_>) -> Health {
    // Its Job counts what it ends with.
    if pod.of_job {
        return of_pod_of_a_job(key, pod, rules);
    }
    if let Some((reason, message)) = &pod.failed {
        return match is_own_failure(reason, message) {
            true => failing(reason.as_str(), format!("{key}: pod {}: {message}", pod.name)),
            false => Health::Healthy,
        };
    }
    if pod.leaving || pod.completed {
        return Health::Healthy;
    }
    let containers = pod.containers.iter().map(|container| of_container(key, pod, container, rules));
    of_parts(std::iter::once(of_schedule(key, pod, rules)).chain(containers))
}

/// Whether the pods of a Job can run. What they end with is counted by the back-off limit of the Job.
pub(super) fn of_pods_of_a_job(key: &ObjectKey, workload: &Workload, rules: &Rules<'_>) -> Health {
    of_parts(workload.pods.iter().map(|pod| of_pod_of_a_job(key, pod, rules)))
}

fn of_pod_of_a_job(key: &ObjectKey, pod: &Pod, rules: &Rules<'_>) -> Health {
    if !pod.is_staying() {
        return Health::Healthy;
    }
    let waiting = pod.containers.iter().map(|container| of_waiting(key, pod, container, rules));
    of_parts(std::iter::once(of_schedule(key, pod, rules)).chain(waiting))
}

/// Failing if one part is, else when to check again.
fn of_parts(parts: impl Iterator<Item = Health>) -> Health {
    let mut recheck_at = None;
    for part in parts {
        match part {
            Health::Healthy => {}
            failing @ Health::Failing { .. } => return failing,
            Health::Progressing { recheck_at: at, .. } => recheck_at = earliest(recheck_at, at),
        }
    }
    match recheck_at {
        None => Health::Healthy,
        Some(_) => progressing(String::new(), recheck_at),
    }
}

/// Whether a pod waits for a node for too long.
fn of_schedule(key: &ObjectKey, pod: &Pod, rules: &Rules<'_>) -> Health {
    let (Some((since, message)), Mode::Rollout(_) | Mode::Rollback(_)) = (&pod.unschedulable, rules.mode)
    else {
        return Health::Healthy;
    };
    let deadline = later(*since, span(rules.limits.unschedulable));
    if rules.now >= deadline {
        return failing(Reason::Unschedulable, format!("{key}: pod {}: {message}", pod.name));
    }
    progressing(String::new(), Some(deadline))
}

/// Whether the release caused that a kubelet ended or rejected a pod. Pods whose containers are always restarted fail only so. The list of
/// those reasons is open (`OutOfcpu`, `NodeAffinity`, `Preempting`, `Shutdown`, `UnexpectedAdmissionError` and so on), so the few that
/// follow from the pod's own spec are named instead.
fn is_own_failure(reason: &str, message: &str) -> bool {
    match reason {
        "Evicted" => is_over_its_own_limit(message),
        "DeadlineExceeded"
        | "SysctlForbidden"
        | "AppArmor"
        | "PodOSNotSupported"
        | "PodOSSelectorNodeLabelDoesNotMatch"
        | "PodFeatureUnsupported" => true,
        _ => false,
    }
}

/// Whether the message of an eviction is about a limit of the pod, such as that of its ephemeral storage. The kubelet has no other
/// field for it; messages about a shortage of the node begin with the node.
fn is_over_its_own_limit(message: &str) -> bool {
    let is_about_the_node = message.starts_with("The node") || message.starts_with("Pod The node");
    !is_about_the_node && message.contains("exceed") && message.contains("limit")
}

/// Whether the node evicted a running pod because the node ran out of a resource.
fn is_evicted_by_its_node(pod: &Pod) -> bool {
    pod.failed.as_ref().is_some_and(|(reason, message)| {
        reason == "Evicted" && !is_over_its_own_limit(message) && !message.starts_with("Pod The node")
    })
}

/// Whether a pod was ready and is not, for a reason of its own.
pub(super) fn has_lost_readiness(pod: &Pod) -> bool {
    pod.lost_readiness && pod.is_staying() && !pod.of_job && !is_restarted_on_purpose(pod)
}

/// Whether a pod is not ready because a container was restarted without a fault.
fn is_restarted_on_purpose(pod: &Pod) -> bool {
    let Some(since) = pod.ready_since else { return false };
    let within = |ended: &Ended, limit| ended.at.is_some_and(|at| since.duration_since(at).abs() <= limit);
    let follows = |ended: &Ended, excused: i32| {
        (within(ended, FOLLOWS) && (ended.planned || excused > 0))
            // After its node restarted, the kubelet needs a while to find out.
            || (is_lost(ended) && (ended.at.is_none() || within(ended, CLOCKS_AGREE_WITHIN)))
    };
    let ended = pod.containers.iter().filter_map(|it| Some((it.ended.as_ref()?, it.excused)));
    ended.into_iter().any(|(ended, excused)| follows(ended, excused))
}

/// Why a pod is not ready, from the states of its containers.
pub(super) fn why_not_ready(pod: &Pod) -> (Reason, String) {
    let waiting = pod.containers.iter().find_map(|container| Some((container, container.waiting.as_ref()?)));
    let ended = pod.containers.iter().find_map(|container| Some((container, container.ended.as_ref()?)));
    match (waiting, ended) {
        (Some((container, (reason, _))), Some((_, end))) => (
            Reason::from(reason.as_str()),
            format!(
                "waits in {reason}: container {} terminated with {} (exit code {})",
                container.name, end.reason, end.code
            ),
        ),
        (Some((container, (reason, _))), None) => {
            (Reason::from(reason.as_str()), format!("waits in {reason}: container {}", container.name))
        }
        (None, Some((container, end))) => (
            Reason::from(end.reason.as_str()),
            format!(
                "is not ready: container {} terminated with {} (exit code {})",
                container.name, end.reason, end.code
            ),
        ),
        (None, None) => (Reason::Unavailable, "is not ready".to_owned()),
    }
}

/// Whether a container that waits for this reason has an error in its spec or its image.
pub(super) fn is_error(waiting: &str) -> bool {
    waiting == "ImagePullBackOff" || is_final_error(waiting)
}

/// Whether the error does not pass by itself.
fn is_final_error(waiting: &str) -> bool {
    matches!(
        waiting,
        "CreateContainerConfigError"
            | "CreateContainerError"
            | "RunContainerError"
            | "InvalidImageName"
            | "ErrImageNeverPull"
    )
}

/// Whether the registry failed, or did not answer, rather than saying that there is no such image: a later pull may succeed. The
/// kubelet has no other field for it.
fn is_failure_of_the_registry(message: &str) -> bool {
    // No status alone: its digits may be those of a digest.
    const SIGNS: [&str; 16] = [
        "429 too many requests",
        "toomanyrequests",
        "qps exceeded",
        "500 internal server error",
        "502 bad gateway",
        "503 service unavailable",
        "gateway time",
        "connection refused",
        "connection reset",
        "no such host",
        "server misbehaving",
        "temporary failure",
        "timeout",
        "deadline exceeded",
        "unexpected eof",
        ": eof",
    ];
    let message = message.to_lowercase();
    !message.ends_with("not found") && SIGNS.iter().any(|sign| message.contains(sign))
}

/// Whether an error of the node or its runtime passes by itself: it is overloaded, or it could not ask the API server yet. The kubelet
/// has no other field for it.
fn passes_by_itself(reason: &str, message: &str) -> bool {
    const SIGNS: [&str; 8] = [
        "failed to sync",
        "timed out",
        "i/o timeout",
        "deadline exceeded",
        "deadlineexceeded",
        "is reserved for",
        "connection refused",
        "connection reset",
    ];
    let is_of_the_node =
        matches!(reason, "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError");
    let message = message.to_lowercase();
    is_of_the_node && SIGNS.iter().any(|sign| message.contains(sign))
}

/// Whether a container waits with an error.
fn of_waiting(key: &ObjectKey, pod: &Pod, container: &Container, rules: &Rules<'_>) -> Health {
    // A pod that had this error before the promotion is one of another revision, or it is judged by the deadline.
    let (Some((reason, message)), None) = (&container.waiting, found_before(pod, container, rules)) else {
        return Health::Healthy;
    };
    let failed = || failing(String::as_str(reason), format!("{}: {message}", subject(key, pod, container)));
    let limits = rules.limits;
    let tolerated = match reason.as_str() {
        "CreateContainerConfigError" if rules.awaits.iter().any(|name| is_about(message, name)) => {
            span(limits.create_errors)
        }
        // Nothing tells since when the kubelet reports it, and it gives up a call only after minutes: what matters is whether the pod gets on.
        other if passes_by_itself(other, message) => progress_deadline(rules).max(span(limits.create_errors)),
        other if is_final_error(other) => return failed(),
        "ImagePullBackOff" if is_failure_of_the_registry(message) => {
            span(limits.image_errors).max(span(limits.create_errors))
        }
        "ImagePullBackOff" => span(limits.image_errors),
        _ => return Health::Healthy,
    };
    // A pod may have waited for a node for long, or have run.
    let since =
        pod.created.max(pod.ready_since.filter(|_| !pod.ready)).map_or(rules.now, |at| at.min(rules.now));
    let deadline = later(since, tolerated);
    if rules.now >= deadline { failed() } else { progressing(String::new(), Some(deadline)) }
}

/// Whether the message of the kubelet is about a Secret or ConfigMap of this name. The kubelet has no other field for it.
fn is_about(message: &str, name: &str) -> bool {
    message.contains(&format!("\"{name}\"")) || message.ends_with(&format!("/{name}"))
}

/// What was found of a container before the promotion.
fn found_before<'a>(pod: &Pod, container: &Container, rules: &'a Rules<'_>) -> Option<&'a ExitsBefore> {
    rules.before.iter().find(|it| it.pod == pod.uid && it.container == container.name)
}

fn subject(key: &ObjectKey, pod: &Pod, container: &Container) -> String {
    format!("{key}: pod {}, container {}", pod.name, container.name)
}

fn of_container(key: &ObjectKey, pod: &Pod, container: &Container, rules: &Rules<'_>) -> Health {
    let limits = rules.limits;
    let waiting = of_waiting(key, pod, container, rules);
    if waiting != Health::Healthy {
        return waiting;
    }
    let counts = |ended: &&Ended| !ended.planned && !is_lost(ended) && !is_long_ago(ended, rules);
    let Some(ended) = container.ended.as_ref().filter(counts) else { return Health::Healthy };
    let found = found_before(pod, container, rules).map_or(0, |before| before.exits);
    let exits = container.exits().saturating_sub(found).saturating_sub(container.excused);
    if exits <= limits.restarts {
        return Health::Healthy;
    }
    let times = if exits == 1 { "once".to_owned() } else { format!("{exits} times") };
    let words = if ended.message.is_empty() { String::new() } else { format!(": {}", ended.message) };
    // The same reason whether the container is observed waiting, running again or terminated again.
    let (reason, what) = match ended.reason.as_str() {
        "OOMKilled" => (Reason::OOMKilled, "used more memory than its limit; it terminated"),
        // A wrong command: the kubelet reports one or the other, as it tries again.
        "StartError" | "ContainerCannotRun" => {
            (Reason::from("RunContainerError"), "could not be started; it terminated")
        }
        _ => (Reason::CrashLoopBackOff, "terminated"),
    };
    let how = format!("{what} {times}, last with {} (exit code {}){words}", ended.reason, ended.code);
    failing(reason, format!("{} {how}", subject(key, pod, container)))
}

/// Whether the last termination was before the promotion, whatever the clock of its node shows.
fn is_long_ago(ended: &Ended, rules: &Rules<'_>) -> bool {
    ended.at.is_some_and(|at| later(at, CLOCKS_AGREE_WITHIN) < rules.started)
}

/// Whether the container was lost together with its node or its runtime.
fn is_lost(ended: &Ended) -> bool {
    matches!(ended.reason.as_str(), "ContainerStatusUnknown" | "Unknown")
}
