//! The health of the workloads that a promotion wrote: healthy, progressing or failing, and why.
//!
//! Invariants: only what happened after the promotion started, to pods of the newest template, counts. Pods belong to a template by
//! hash, and exits are counted from those that were found at the start, so no time of the API server is compared with the time of
//! a node. A pod that leaves with its node, by eviction, preemption or deletion says nothing about the release. A pod that has never
//! been ready is progress, which the deadlines judge; losing readiness is a failure.

mod pod;

use super::moments::{earliest, later, span};
use super::world::{Pod, Workload};
use crate::api::{ExitsBefore, FailureThresholds, Reason};
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
        /// Why people have to know: something is in the way, and passes by itself or when a person acts. None while the rollout
        /// makes progress.
        obstacle: Option<Reason>,
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

/// Which rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A rollout that started at this time: the controllers of the workloads report when it is complete.
    Rollout(Timestamp),
    /// A rollback that started at this time. Like a rollout, but what passes by itself has until the progress deadline.
    Rollback(Timestamp),
    /// Everything is rolled out, and the observe window is open: pods must not fail or lose readiness.
    Observe,
    /// The observe window ended at this time: every pod that was added meanwhile must be ready.
    Settle(Timestamp),
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

/// How health is judged.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// The thresholds of the rollback policy.
    pub limits: &'a FailureThresholds,
    /// Terminations of containers before the promotion started, which do not count.
    pub before: &'a [ExitsBefore],
    /// Which rules apply.
    pub mode: Mode,
    /// The current time.
    pub now: Timestamp,
}

/// The health of all subjects: failing if one fails, healthy if all are healthy.
pub fn of_all(subjects: &[Subject<'_>], rules: &Rules<'_>) -> Health {
    let mut waits: Option<Waits> = None;
    for subject in subjects.iter().filter(|subject| !subject.exempt) {
        match of_one(subject, rules) {
            Health::Healthy => {}
            failing @ Health::Failing { .. } => return failing,
            Health::Progressing { obstacle, message, recheck_at } => {
                let other = Waits { obstacle, message, recheck_at };
                waits = Some(match waits {
                    None => other,
                    Some(first) => first.and(other),
                });
            }
        }
    }
    match waits {
        None => Health::Healthy,
        Some(Waits { obstacle, message, recheck_at }) => {
            Health::Progressing { obstacle, message, recheck_at }
        }
    }
}

/// What one or several workloads wait for.
struct Waits {
    obstacle: Option<Reason>,
    message: String,
    recheck_at: Option<Timestamp>,
}

impl Waits {
    /// Both together. An obstacle is told rather than progress.
    fn and(self, other: Self) -> Self {
        let recheck_at = earliest(self.recheck_at, other.recheck_at);
        let told = if self.obstacle.is_none() && other.obstacle.is_some() { other } else { self };
        Self { recheck_at, ..told }
    }
}

fn of_one(subject: &Subject<'_>, rules: &Rules<'_>) -> Health {
    let key = subject.key;
    let Some(workload) = subject.workload else {
        return match rules.mode {
            Mode::Rollout(since) | Mode::Rollback(since) => {
                within_deadline(key, "does not exist yet", since, rules)
            }
            Mode::Observe | Mode::Settle(_) => failing(Reason::Missing, format!("{key} was deleted")),
        };
    };
    if let Some(message) = &workload.failed {
        return failing(Reason::JobFailed, format!("{key}: {message}"));
    }
    if !workload.observed {
        return match rules.mode {
            Mode::Rollout(since) | Mode::Rollback(since) | Mode::Settle(since) => {
                within_deadline(key, "has not been observed by its controller", since, rules)
            }
            Mode::Observe => progressing(format!("{key} has a newer spec"), None),
        };
    }
    // A failing pod is the cause; what the controller of the workload reports is the consequence.
    let recheck_at = match pod::of_pods(key, workload, rules) {
        Health::Healthy => None,
        failing @ Health::Failing { .. } => return failing,
        Health::Progressing { recheck_at, .. } => recheck_at,
    };
    let health = match rules.mode {
        Mode::Rollout(since) | Mode::Rollback(since) => rolled_out(key, workload, since, rules),
        Mode::Observe => readiness(key, workload, rules),
        Mode::Settle(since) => settled(key, workload, since, rules),
    };
    match health {
        Health::Healthy if recheck_at.is_some() && rules.mode == Mode::Observe => {
            progressing(format!("{key} has a pod with an error that is not final yet"), recheck_at)
        }
        Health::Progressing { obstacle, message, recheck_at: deadline } => {
            Health::Progressing { obstacle, message, recheck_at: earliest(recheck_at, deadline) }
        }
        other @ (Health::Healthy | Health::Failing { .. }) => other,
    }
}

/// As in kstatus: every replica is of the newest template and available, and none of an older template is left.
fn rolled_out(key: &ObjectKey, workload: &Workload, since: Timestamp, rules: &Rules<'_>) -> Health {
    if key.kind() == "Job" {
        return match workload.complete {
            true => Health::Healthy,
            false => within_deadline(key, "has not finished", since, rules),
        };
    }
    let is_complete = workload.updated >= workload.desired
        && workload.total <= workload.updated
        && workload.available >= workload.desired
        && workload.outdated.is_empty();
    if is_complete {
        return Health::Healthy;
    }
    if let Some(health) = needs_a_person(key, workload) {
        return health;
    }
    let stalled_since = last_progress(workload, since).min(rules.now);
    if let Some((reason, message)) = &workload.blocked {
        return blocked(key, reason, message, stalled_since, rules);
    }
    if let (Some((at, message)), Mode::Rollout(_)) = (&workload.gave_up, rules.mode)
        && *at > since
    {
        return failing(Reason::ProgressDeadlineExceeded, format!("{key}: {message}"));
    }
    let text = format!(
        "is rolled out to {} of {}, {} available",
        workload.updated.min(workload.desired),
        workload.desired,
        workload.available.min(workload.desired)
    );
    within_deadline(key, &text, stalled_since, rules)
}

/// The last progress of a workload: the deadline counts from there.
fn last_progress(workload: &Workload, since: Timestamp) -> Timestamp {
    let ready = workload.pods.iter().filter(|pod| pod.ready).filter_map(|pod| pod.ready_since).max();
    ready.max(workload.progressed.filter(|_| workload.gave_up.is_none())).map_or(since, |at| at.max(since))
}

/// What only a person can continue: neither a failure, nor healthy.
fn needs_a_person(key: &ObjectKey, workload: &Workload) -> Option<Health> {
    let (obstacle, message) = if workload.paused {
        (
            Reason::Paused,
            format!("{key} is paused; resume it with kubectl rollout resume deployment/{}", key.name()),
        )
    } else if workload.on_delete && !workload.outdated.is_empty() {
        let names: Vec<&str> = workload.outdated.iter().map(|pod| pod.name.as_str()).take(5).collect();
        let count = workload.outdated.len();
        let (pods, them) = if count == 1 { ("pod runs", "it") } else { ("pods run", "them") };
        (
            Reason::OnDelete,
            format!(
                "{key} has updateStrategy OnDelete: {count} {pods} the old revision; delete {them} to continue ({})",
                names.join(", ")
            ),
        )
    } else {
        return None;
    };
    Some(Health::Progressing { obstacle: Some(obstacle), message, recheck_at: None })
}

/// Pods cannot be created: a quota, a webhook that is down, an account that does not exist yet. It passes by itself, or fails a
/// release after a time without any progress; a rollback has until the progress deadline.
fn blocked(
    key: &ObjectKey,
    reason: &str,
    message: &str,
    stalled_since: Timestamp,
    rules: &Rules<'_>,
) -> Health {
    let patience = match rules.mode {
        Mode::Rollout(_) => span(rules.limits.create_errors),
        Mode::Rollback(_) | Mode::Observe | Mode::Settle(_) => progress_deadline(rules),
    };
    let deadline = later(stalled_since, patience);
    if rules.now >= deadline {
        return failing(reason, format!("{key}: {message}"));
    }
    Health::Progressing {
        obstacle: Some(Reason::from(reason)),
        message: format!("{key} cannot create pods: {message}"),
        recheck_at: Some(deadline),
    }
}

/// During the observe window: pods that were ready must stay ready.
fn readiness(key: &ObjectKey, workload: &Workload, rules: &Rules<'_>) -> Health {
    if key.kind() == "Job" {
        return Health::Healthy;
    }
    let lost = || workload.pods.iter().filter(|pod| pod::has_lost_readiness(pod));
    let count = i64::try_from(lost().count()).unwrap_or(i64::MAX);
    let tolerated = i64::from(workload.desired) * i64::from(rules.limits.unavailable_percent) / 100;
    match lost().next() {
        Some(pod) if count > tolerated => {
            let (reason, why) = pod::why_not_ready(pod);
            let message = format!(
                "{key}: {count} of {} pods lost readiness; pod {} {why}",
                workload.desired.max(1),
                pod.name
            );
            failing(reason, message)
        }
        Some(_) | None => Health::Healthy,
    }
}

/// After the observe window: pods that were added in it must be ready too. Pods that wait for a node, or that cannot be created,
/// say nothing about the release while others of its pods are ready.
fn settled(key: &ObjectKey, workload: &Workload, since: Timestamp, rules: &Rules<'_>) -> Health {
    if key.kind() == "Job" || (workload.desired == 0 && workload.pods.is_empty()) {
        return Health::Healthy;
    }
    let lost = readiness(key, workload, rules);
    if lost != Health::Healthy {
        return lost;
    }
    if let Some(health) = needs_a_person(key, workload).filter(|_| !workload.outdated.is_empty()) {
        return health;
    }
    let staying = || workload.pods.iter().filter(|pod| !pod.leaving && pod.failed.is_none());
    let is_any_ready = staying().any(|pod| pod.ready);
    let starting = || staying().filter(|pod| !pod.ready && pod.unschedulable.is_none());
    if is_any_ready && starting().next().is_none() && workload.outdated.is_empty() {
        return Health::Healthy;
    }
    let text = match starting().next() {
        Some(pod) => format!("has a pod that is not ready yet, {}", pod.name),
        None if !is_any_ready => "has no ready pod".to_owned(),
        None => "has pods of an older revision".to_owned(),
    };
    let newest = starting().filter_map(|pod| pod.created).max();
    let since = newest.map_or(since, |at| at.max(since)).min(rules.now.max(since));
    within_deadline(key, &text, since, rules)
}

fn progress_deadline(rules: &Rules<'_>) -> SignedDuration {
    SignedDuration::from_secs(i64::from(rules.limits.progress_deadline_seconds))
}

/// Progressing until the progress deadline, counted from `since`; then failing.
fn within_deadline(key: &ObjectKey, text: &str, since: Timestamp, rules: &Rules<'_>) -> Health {
    let deadline = later(since, progress_deadline(rules));
    if rules.now >= deadline {
        let limit = rules.limits.progress_deadline_seconds;
        let message = format!("{key} {text}, and made no progress for {limit} s");
        return failing(Reason::ProgressDeadlineExceeded, message);
    }
    progressing(format!("{key} {text}"), Some(deadline))
}

fn failing(reason: impl Into<Reason>, message: String) -> Health {
    Health::Failing { reason: reason.into(), message }
}

fn progressing(message: String, recheck_at: Option<Timestamp>) -> Health {
    Health::Progressing { obstacle: None, message, recheck_at }
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

/// The terminations of containers that are there when a promotion starts. They do not count against the release.
pub fn exits_before(pods: impl Iterator<Item = impl std::borrow::Borrow<Pod>>) -> Vec<ExitsBefore> {
    let mut list = Vec::new();
    for pod in pods {
        let pod = pod.borrow();
        for container in &pod.containers {
            let is_failing = container.waiting.as_ref().is_some_and(|(reason, _)| pod::is_error(reason));
            if container.exits() > 0 || is_failing {
                list.push(ExitsBefore {
                    pod: pod.uid.clone(),
                    container: container.name.clone(),
                    exits: container.exits(),
                });
            }
        }
    }
    list.truncate(MOST_EXITS_BEFORE);
    list
}

/// The length of [`exits_before`] is limited by the size of a status.
const MOST_EXITS_BEFORE: usize = 400;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
