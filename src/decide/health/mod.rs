//! The verdict over what was written: healthy, on its way, or failing, and why.
//!
//! Only pods of the newest template count, and only what was not failing before. Failure is an event: whatever a pod says is
//! used at once; the deadline is for silence only.

use super::moments::{earliest, later, span};
use super::world::{Container, Pod, Workload};
use crate::api::FailureThresholds;
use crate::api::Reason;
use crate::content::ObjectKey;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// What the checks say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Rolled out and available.
    Healthy,
    /// Not yet; what it waits for, and when something may count that does not yet.
    Progressing {
        /// A sentence.
        message: String,
        /// When to look again although nothing happened.
        look_at: Option<Timestamp>,
    },
    /// The release is bad.
    Failing {
        /// What failed.
        reason: Reason,
        /// A sentence.
        message: String,
    },
}

/// What the promotion is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Workloads roll out since this moment.
    Rollout(Timestamp),
    /// They are rolled out and watched.
    Observe,
}

/// The workloads that a verdict is about: key and, when it was failing before, the exemption.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The workload's key.
    pub key: &'a ObjectKey,
    /// The workload, if it exists.
    pub workload: Option<&'a Workload>,
    /// It was failing before, and its template was not changed.
    pub exempt: bool,
}

/// The verdict over all of them: failing if one fails, healthy if all are.
pub fn verdict(
    subjects: &[Subject<'_>],
    limits: &FailureThresholds,
    stage: Stage,
    now: Timestamp,
) -> Verdict {
    let mut waits: Option<(String, Option<Timestamp>)> = None;
    for subject in subjects.iter().filter(|subject| !subject.exempt) {
        match of_one(subject, limits, stage, now) {
            Verdict::Healthy => {}
            failing @ Verdict::Failing { .. } => return failing,
            Verdict::Progressing { message, look_at } => {
                let (text, at) = waits.unwrap_or((message, None));
                waits = Some((text, earliest(at, look_at)));
            }
        }
    }
    match waits {
        None => Verdict::Healthy,
        Some((message, look_at)) => Verdict::Progressing { message, look_at },
    }
}

fn of_one(subject: &Subject<'_>, limits: &FailureThresholds, stage: Stage, now: Timestamp) -> Verdict {
    let Some(workload) = subject.workload else {
        return match stage {
            Stage::Rollout(since) => silence(subject.key, "does not exist yet", limits, since, now),
            Stage::Observe => failing(Reason::Missing, format!("{} was deleted", subject.key)),
        };
    };
    if !workload.observed {
        return match stage {
            Stage::Rollout(since) => {
                silence(subject.key, "has not been looked at by its controller", limits, since, now)
            }
            Stage::Observe => progressing(format!("{} has a newer spec", subject.key), None),
        };
    }
    if let Some((reason, message)) = &workload.failure {
        return failing(reason.as_str(), format!("{}: {message}", subject.key));
    }
    if let (Some((at, message)), Stage::Rollout(since)) = (&workload.gave_up, stage)
        && *at > since
    {
        return failing(Reason::ProgressDeadlineExceeded, format!("{}: {message}", subject.key));
    }
    let mut look_at = None;
    for pod in workload.pods.iter().filter(|pod| !pod.deleting && is_of(stage, pod)) {
        match of_pod(subject.key, pod, limits, now) {
            Verdict::Healthy => {}
            bad @ Verdict::Failing { .. } => return bad,
            Verdict::Progressing { look_at: at, .. } => look_at = earliest(look_at, at),
        }
    }
    match stage {
        Stage::Rollout(since) => rolled_out(subject.key, workload, limits, since, look_at, now),
        Stage::Observe => available(subject.key, workload, limits, look_at),
    }
}

/// Pods from before a rollout are not of what it brought, whatever a cache still says of their owner.
fn is_of(stage: Stage, pod: &Pod) -> bool {
    match stage {
        Stage::Rollout(since) => pod.created.is_none_or(|created| created >= since),
        Stage::Observe => true,
    }
}

/// kstatus: every replica is of the newest template and available, none of an older one is left.
fn rolled_out(
    key: &ObjectKey,
    workload: &Workload,
    limits: &FailureThresholds,
    since: Timestamp,
    look_at: Option<Timestamp>,
    now: Timestamp,
) -> Verdict {
    if key.kind() == "Job" {
        return match workload.complete {
            true => Verdict::Healthy,
            false => silence(key, "has not finished", limits, since, now),
        };
    }
    if workload.paused {
        return silence(key, "is paused", limits, since, now);
    }
    let done = workload.updated >= workload.desired
        && workload.total <= workload.updated
        && workload.available >= workload.desired;
    if done {
        return Verdict::Healthy;
    }
    let text = format!(
        "is rolled out to {} of {}, {} available",
        workload.updated.min(workload.desired),
        workload.desired,
        workload.available.min(workload.desired)
    );
    // Progress is what a pod last said; silence is counted from there.
    let progress = workload.pods.iter().filter(|pod| pod.ready).filter_map(|pod| pod.ready_since).max();
    match silence(key, &text, limits, progress.map_or(since, |at| at.max(since)), now) {
        Verdict::Progressing { message, look_at: deadline } => {
            Verdict::Progressing { message, look_at: earliest(look_at, deadline) }
        }
        other @ (Verdict::Healthy | Verdict::Failing { .. }) => other,
    }
}

fn available(
    key: &ObjectKey,
    workload: &Workload,
    limits: &FailureThresholds,
    look_at: Option<Timestamp>,
) -> Verdict {
    if key.kind() == "Job" {
        return Verdict::Healthy;
    }
    let unavailable = i64::from(workload.desired) - i64::from(workload.available);
    let tolerated = i64::from(workload.desired) * i64::from(limits.unavailable_percent) / 100;
    // Pods that are only being moved or added are no fault of the release: one of its own must have lost readiness.
    let lost = workload.pods.iter().find(|pod| !pod.ready && !pod.deleting && pod.unschedulable.is_none());
    if let Some(pod) = lost.filter(|_| unavailable > tolerated) {
        let (reason, why) = why_not_ready(pod);
        return failing(
            reason,
            format!(
                "{key}: {} of {} replicas are available; pod {} {why}",
                workload.available, workload.desired, pod.name
            ),
        );
    }
    if look_at.is_some() {
        return progressing(format!("{key} has a pod that may fail"), look_at);
    }
    Verdict::Healthy
}

/// What a pod that lost readiness says of itself.
fn why_not_ready(pod: &Pod) -> (Reason, String) {
    let waiting = pod.containers.iter().find_map(|container| Some((container, container.waiting.as_ref()?)));
    let ended = pod.containers.iter().find_map(|container| Some((container, container.ended.as_ref()?)));
    match (waiting, ended) {
        (Some((container, (reason, _))), Some((_, end))) => (
            Reason::from(reason.as_str()),
            format!(
                "waits in {reason}: container {} ended with {} (exit code {})",
                container.name, end.reason, end.code
            ),
        ),
        (Some((container, (reason, _))), None) => {
            (Reason::from(reason.as_str()), format!("waits in {reason}: container {}", container.name))
        }
        (None, Some((container, end))) => (
            Reason::from(end.reason.as_str()),
            format!(
                "is not ready: container {} ended with {} (exit code {})",
                container.name, end.reason, end.code
            ),
        ),
        (None, None) => (Reason::Unavailable, "is not ready".to_owned()),
    }
}

fn silence(
    key: &ObjectKey,
    text: &str,
    limits: &FailureThresholds,
    since: Timestamp,
    now: Timestamp,
) -> Verdict {
    let deadline = later(since, SignedDuration::from_secs(i64::from(limits.progress_deadline_seconds)));
    if now >= deadline {
        return failing(
            Reason::ProgressDeadlineExceeded,
            format!("{key} {text}, and nothing happened for {} s", limits.progress_deadline_seconds),
        );
    }
    progressing(format!("{key} {text}"), Some(deadline))
}

fn failing(reason: impl Into<Reason>, message: String) -> Verdict {
    Verdict::Failing { reason: reason.into(), message }
}

fn progressing(message: String, look_at: Option<Timestamp>) -> Verdict {
    Verdict::Progressing { message, look_at }
}

/// What one pod says about its release.
fn of_pod(key: &ObjectKey, pod: &Pod, limits: &FailureThresholds, now: Timestamp) -> Verdict {
    if let Some((reason, message)) = &pod.failed {
        return match is_the_nodes_doing(reason) {
            true => Verdict::Healthy,
            false => failing(reason.as_str(), format!("{key}: pod {}: {message}", pod.name)),
        };
    }
    let mut look_at = None;
    if let Some((since, message)) = &pod.unschedulable {
        let deadline = later(*since, span(limits.unschedulable));
        if now >= deadline {
            return failing(Reason::Unschedulable, format!("{key}: pod {}: {message}", pod.name));
        }
        look_at = Some(deadline);
    }
    for container in &pod.containers {
        match of_container(key, pod, container, limits, now) {
            Verdict::Healthy => {}
            bad @ Verdict::Failing { .. } => return bad,
            Verdict::Progressing { look_at: at, .. } => look_at = earliest(look_at, at),
        }
    }
    match look_at {
        None => Verdict::Healthy,
        Some(_) => progressing(String::new(), look_at),
    }
}

/// Reasons of a failed pod that speak of its node, not of its release.
fn is_the_nodes_doing(reason: &str) -> bool {
    matches!(
        reason,
        "Evicted"
            | "NodeLost"
            | "Shutdown"
            | "Terminated"
            | "Preempting"
            | "NodeAffinity"
            | "UnexpectedAdmissionError"
    )
}

fn of_container(
    key: &ObjectKey,
    pod: &Pod,
    container: &Container,
    limits: &FailureThresholds,
    now: Timestamp,
) -> Verdict {
    let place = || format!("{key}: pod {}, container {}", pod.name, container.name);
    let ending = || match &container.ended {
        Some(ended) if ended.message.is_empty() => {
            format!(", it ended with {} (exit code {})", ended.reason, ended.code)
        }
        Some(ended) => {
            format!(", it ended with {} (exit code {}): {}", ended.reason, ended.code, ended.message)
        }
        None => String::new(),
    };
    if let Some((reason, message)) = &container.waiting {
        match reason.as_str() {
            "CreateContainerConfigError"
            | "CreateContainerError"
            | "RunContainerError"
            | "InvalidImageName"
            | "ErrImageNeverPull" => return failing(reason.as_str(), format!("{}: {message}", place())),
            "ImagePullBackOff" => {
                let since = pod.created.unwrap_or(now);
                let deadline = later(since, span(limits.image_errors));
                if now >= deadline {
                    return failing(reason.as_str(), format!("{}: {message}", place()));
                }
                return progressing(String::new(), Some(deadline));
            }
            _ => {}
        }
    }
    let killed_for_memory = container.ended.as_ref().is_some_and(|ended| ended.reason == "OOMKilled");
    if killed_for_memory && container.restarts >= limits.restarts {
        return failing(
            Reason::OOMKilled,
            format!("{} used more memory than its limit{}", place(), ending()),
        );
    }
    if container.restarts > limits.restarts {
        // In one word, whether it is seen waiting, running again, or ended once more.
        return failing(
            Reason::CrashLoopBackOff,
            format!("{} was restarted {} times{}", place(), container.restarts, ending()),
        );
    }
    Verdict::Healthy
}

/// The workloads of a content, in the order of their keys.
pub fn subjects<'a>(
    keys: impl Iterator<Item = &'a ObjectKey>,
    workloads: &'a BTreeMap<ObjectKey, Workload>,
    exempt: impl Fn(&ObjectKey) -> bool,
) -> Vec<Subject<'a>> {
    keys.filter(|key| is_workload(key))
        .map(|key| Subject { key, workload: workloads.get(key), exempt: exempt(key) })
        .collect()
}

/// Kinds whose health is watched.
pub fn is_workload(key: &ObjectKey) -> bool {
    matches!(
        (key.api_version(), key.kind()),
        ("apps/v1", "Deployment" | "StatefulSet" | "DaemonSet") | ("batch/v1", "Job")
    )
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
