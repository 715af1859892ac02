//! The health of the workloads that a promotion wrote: healthy, progressing or failing, and why.
//!
//! Only pods of the newest template count, and only workloads that were not failing before the promotion. A failure that a pod
//! reports counts at once; the progress deadline applies only while nothing is reported.

use super::moments::{earliest, later, span};
use super::world::{Container, Pod, Workload};
use crate::api::{FailureThresholds, Reason};
use crate::content::ObjectKey;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// The health of one workload, or of several together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Rolled out and available.
    Healthy,
    /// Not healthy yet, and nothing has failed.
    Progressing {
        /// What is missing, as a sentence.
        message: String,
        /// When to check again although nothing changed: a deadline ends then.
        recheck_at: Option<Timestamp>,
    },
    /// The release failed.
    Failing {
        /// What failed.
        reason: Reason,
        /// How it failed, as a sentence.
        message: String,
    },
}

/// Which rules apply: those of a rollout, or those of the observe window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The rollout started at this time.
    Rollout(Timestamp),
    /// Everything is rolled out, and the observe window is open.
    Observe,
}

/// A workload whose health is asked for.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The workload's key.
    pub key: &'a ObjectKey,
    /// The workload, if it exists.
    pub workload: Option<&'a Workload>,
    /// The workload was failing before the promotion, and its template does not change: its health is ignored.
    pub exempt: bool,
}

/// The health of all subjects: failing if one fails, healthy if all are healthy.
pub fn of_all(subjects: &[Subject<'_>], limits: &FailureThresholds, mode: Mode, now: Timestamp) -> Health {
    let mut waits: Option<(String, Option<Timestamp>)> = None;
    for subject in subjects.iter().filter(|subject| !subject.exempt) {
        match of_one(subject, limits, mode, now) {
            Health::Healthy => {}
            failing @ Health::Failing { .. } => return failing,
            Health::Progressing { message, recheck_at } => {
                let (text, at) = waits.unwrap_or((message, None));
                waits = Some((text, earliest(at, recheck_at)));
            }
        }
    }
    match waits {
        None => Health::Healthy,
        Some((message, recheck_at)) => Health::Progressing { message, recheck_at },
    }
}

fn of_one(subject: &Subject<'_>, limits: &FailureThresholds, mode: Mode, now: Timestamp) -> Health {
    let Some(workload) = subject.workload else {
        return match mode {
            Mode::Rollout(since) => within_deadline(subject.key, "does not exist yet", limits, since, now),
            Mode::Observe => failing(Reason::Missing, format!("{} was deleted", subject.key)),
        };
    };
    if !workload.observed {
        return match mode {
            Mode::Rollout(since) => {
                within_deadline(subject.key, "has not been observed by its controller", limits, since, now)
            }
            Mode::Observe => progressing(format!("{} has a newer spec", subject.key), None),
        };
    }
    if let Some((reason, message)) = &workload.failure {
        return failing(reason.as_str(), format!("{}: {message}", subject.key));
    }
    if let (Some((at, message)), Mode::Rollout(since)) = (&workload.gave_up, mode)
        && *at > since
    {
        return failing(Reason::ProgressDeadlineExceeded, format!("{}: {message}", subject.key));
    }
    let mut recheck_at = None;
    for pod in workload.pods.iter().filter(|pod| !pod.deleting && is_of(mode, pod)) {
        match of_pod(subject.key, pod, limits, now) {
            Health::Healthy => {}
            failing @ Health::Failing { .. } => return failing,
            Health::Progressing { recheck_at: at, .. } => recheck_at = earliest(recheck_at, at),
        }
    }
    match mode {
        Mode::Rollout(since) => rolled_out(subject.key, workload, limits, since, recheck_at, now),
        Mode::Observe => available(subject.key, workload, limits, recheck_at),
    }
}

/// Whether a pod may belong to the rollout. Older pods do not, even if a cache still reports them as pods of the newest template.
fn is_of(mode: Mode, pod: &Pod) -> bool {
    match mode {
        Mode::Rollout(since) => pod.created.is_none_or(|created| created >= since),
        Mode::Observe => true,
    }
}

/// As in kstatus: every replica is of the newest template and available, and none of an older template is left.
fn rolled_out(
    key: &ObjectKey,
    workload: &Workload,
    limits: &FailureThresholds,
    since: Timestamp,
    recheck_at: Option<Timestamp>,
    now: Timestamp,
) -> Health {
    if key.kind() == "Job" {
        return match workload.complete {
            true => Health::Healthy,
            false => within_deadline(key, "has not finished", limits, since, now),
        };
    }
    if workload.paused {
        return within_deadline(key, "is paused", limits, since, now);
    }
    let done = workload.updated >= workload.desired
        && workload.total <= workload.updated
        && workload.available >= workload.desired;
    if done {
        return Health::Healthy;
    }
    let text = format!(
        "is rolled out to {} of {}, {} available",
        workload.updated.min(workload.desired),
        workload.desired,
        workload.available.min(workload.desired)
    );
    // The last pod that became ready is progress: the deadline counts from there.
    let progress = workload.pods.iter().filter(|pod| pod.ready).filter_map(|pod| pod.ready_since).max();
    match within_deadline(key, &text, limits, progress.map_or(since, |at| at.max(since)), now) {
        Health::Progressing { message, recheck_at: deadline } => {
            Health::Progressing { message, recheck_at: earliest(recheck_at, deadline) }
        }
        other @ (Health::Healthy | Health::Failing { .. }) => other,
    }
}

fn available(
    key: &ObjectKey,
    workload: &Workload,
    limits: &FailureThresholds,
    recheck_at: Option<Timestamp>,
) -> Health {
    if key.kind() == "Job" {
        return Health::Healthy;
    }
    let unavailable = i64::from(workload.desired) - i64::from(workload.available);
    let tolerated = i64::from(workload.desired) * i64::from(limits.unavailable_percent) / 100;
    // Pods that are only being moved or added are not a failure of the release: one of its own must have lost readiness.
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
    if recheck_at.is_some() {
        return progressing(format!("{key} has a pod with an error that is not final yet"), recheck_at);
    }
    Health::Healthy
}

/// Why a pod is not ready, from the states of its containers.
fn why_not_ready(pod: &Pod) -> (Reason, String) {
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

/// Progressing until the progress deadline, counted from `since`; then failing.
fn within_deadline(
    key: &ObjectKey,
    text: &str,
    limits: &FailureThresholds,
    since: Timestamp,
    now: Timestamp,
) -> Health {
    let deadline = later(since, SignedDuration::from_secs(i64::from(limits.progress_deadline_seconds)));
    if now >= deadline {
        return failing(
            Reason::ProgressDeadlineExceeded,
            format!("{key} {text}, and made no progress for {} s", limits.progress_deadline_seconds),
        );
    }
    progressing(format!("{key} {text}"), Some(deadline))
}

fn failing(reason: impl Into<Reason>, message: String) -> Health {
    Health::Failing { reason: reason.into(), message }
}

fn progressing(message: String, recheck_at: Option<Timestamp>) -> Health {
    Health::Progressing { message, recheck_at }
}

/// The health of one pod. `Progressing` carries only the time of the next check.
fn of_pod(key: &ObjectKey, pod: &Pod, limits: &FailureThresholds, now: Timestamp) -> Health {
    if let Some((reason, message)) = &pod.failed {
        return match is_caused_by_node(reason) {
            true => Health::Healthy,
            false => failing(reason.as_str(), format!("{key}: pod {}: {message}", pod.name)),
        };
    }
    let mut recheck_at = None;
    if let Some((since, message)) = &pod.unschedulable {
        let deadline = later(*since, span(limits.unschedulable));
        if now >= deadline {
            return failing(Reason::Unschedulable, format!("{key}: pod {}: {message}", pod.name));
        }
        recheck_at = Some(deadline);
    }
    for container in &pod.containers {
        match of_container(key, pod, container, limits, now) {
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

/// Whether the reason of a failed pod is about its node and not about the release.
fn is_caused_by_node(reason: &str) -> bool {
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
) -> Health {
    let subject = || format!("{key}: pod {}, container {}", pod.name, container.name);
    let termination = || match &container.ended {
        Some(ended) if ended.message.is_empty() => {
            format!(", it terminated with {} (exit code {})", ended.reason, ended.code)
        }
        Some(ended) => {
            format!(", it terminated with {} (exit code {}): {}", ended.reason, ended.code, ended.message)
        }
        None => String::new(),
    };
    if let Some((reason, message)) = &container.waiting {
        match reason.as_str() {
            "CreateContainerConfigError"
            | "CreateContainerError"
            | "RunContainerError"
            | "InvalidImageName"
            | "ErrImageNeverPull" => return failing(reason.as_str(), format!("{}: {message}", subject())),
            "ImagePullBackOff" => {
                let since = pod.created.unwrap_or(now);
                let deadline = later(since, span(limits.image_errors));
                if now >= deadline {
                    return failing(reason.as_str(), format!("{}: {message}", subject()));
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
            format!("{} used more memory than its limit{}", subject(), termination()),
        );
    }
    if container.restarts > limits.restarts {
        // The same reason whether the container is observed waiting, running again or terminated again.
        return failing(
            Reason::CrashLoopBackOff,
            format!("{} was restarted {} times{}", subject(), container.restarts, termination()),
        );
    }
    Health::Healthy
}

/// The workloads among these keys, in the same order.
pub fn subjects<'a>(
    keys: impl Iterator<Item = &'a ObjectKey>,
    workloads: &'a BTreeMap<ObjectKey, Workload>,
    exempt: impl Fn(&ObjectKey) -> bool,
) -> Vec<Subject<'a>> {
    keys.filter(|key| is_workload(key))
        .map(|key| Subject { key, workload: workloads.get(key), exempt: exempt(key) })
        .collect()
}

/// Whether Towpath checks the health of objects of this kind.
pub fn is_workload(key: &ObjectKey) -> bool {
    matches!(
        (key.api_version(), key.kind()),
        ("apps/v1", "Deployment" | "StatefulSet" | "DaemonSet") | ("batch/v1", "Job")
    )
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
