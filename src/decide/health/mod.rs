//! The health of the workloads that a promotion wrote: healthy, progressing or failing, and why.
//!
//! Invariants: only what happened after the promotion started, to pods of the newest template, counts. Pods belong to a template by
//! hash, and exits are counted from those that were found at the start, so no time of the API server is compared with the time of
//! a node. A pod that leaves with its node, by eviction, preemption or deletion says nothing about the release. A pod that has never
//! been ready is progress, which the deadlines judge; losing readiness is a failure.

mod custom;
mod evidence;
mod held;
mod job;
mod neighbours;
mod pod;
mod workload;

pub use custom::{Kstatus, keeps_earlier_pods, kstatus};
pub use evidence::{
    disruptions, exits_before, found_when_verified, is_cron_job, record_disruptions, without_evidence,
};
pub use held::{stands_still, stuck_pod};
pub use job::{has_ended_its_own, of_hook};
pub use neighbours::{failed_before, of_neighbours, of_neighbours_of_a_rollback};

use super::moments::{earliest, later};
use super::world::{Custom, Workload};
use crate::api::{ExitsBefore, FailureThresholds, Reason};
use crate::content::ObjectKey;
use evidence::of_runs;
use jiff::{SignedDuration, Timestamp};
use std::borrow::Cow;
use std::collections::BTreeMap;
use workload::{readiness, rolled_out, settled};

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
    /// The observe window ended at this time: every pod that was added in it must be ready.
    Settle(Timestamp),
}

/// A workload whose health is asked for.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The workload's key.
    pub key: &'a ObjectKey,
    /// The workload, if it exists.
    pub workload: Option<&'a Workload>,
    /// The object, if it is of a custom kind.
    pub custom: Option<&'a Custom>,
    /// Its health is ignored: the workload was failing before the promotion and its template does not change, or it is a Job that does not
    /// have to end.
    pub exempt: bool,
}

/// How health is judged.
#[derive(Clone, Debug)]
pub struct Rules<'a> {
    /// The thresholds of the rollback policy.
    pub limits: &'a FailureThresholds,
    /// Terminations of containers before the promotion started, which do not count.
    pub before: &'a [ExitsBefore],
    /// Names of Secrets and ConfigMaps that custom objects of the release may create.
    pub awaits: &'a [String],
    /// When the promotion started.
    pub started: Timestamp,
    /// Which rules apply.
    pub mode: Mode,
    /// The current time.
    pub now: Timestamp,
}

/// The health of all subjects: failing if one fails, healthy if all are healthy.
pub fn of_all(subjects: &[Subject<'_>], rules: &Rules<'_>) -> Health {
    of_each(subjects, rules, of_one)
}

fn of_each(
    subjects: &[Subject<'_>],
    rules: &Rules<'_>,
    of: impl Fn(&Subject<'_>, &Rules<'_>) -> Health,
) -> Health {
    all(subjects.iter().filter(|subject| !subject.exempt).map(|subject| of(subject, rules)))
}

/// Failing if one fails, healthy if all are healthy.
pub fn all(each: impl Iterator<Item = Health>) -> Health {
    let mut waits: Option<Waits> = None;
    for health in each {
        match health {
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
    /// Merges two. An obstacle is reported rather than progress.
    fn and(self, other: Self) -> Self {
        let recheck_at = earliest(self.recheck_at, other.recheck_at);
        // What only a person can continue comes first, then what passes by itself. A node or a queue that holds up one workload stops the
        // clock of none that goes on: it is reported when nothing else is left.
        let rank = |waits: &Self| match &waits.obstacle {
            Some(Reason::PodsStopping | Reason::NodeNotReady | Reason::SchedulingGated) => 3,
            Some(reason) if reason.waits_for_a_person() => 0,
            Some(_) => 1,
            None => 2,
        };
        let told = if rank(&other) < rank(&self) { other } else { self };
        Self { recheck_at, ..told }
    }
}

fn of_one(subject: &Subject<'_>, rules: &Rules<'_>) -> Health {
    let key = subject.key;
    if let Some(object) = subject.custom {
        return custom::of_custom(key, object, rules).unwrap_or(Health::Healthy);
    }
    if is_cron_job(key) {
        return subject.workload.map_or(Health::Healthy, |workload| of_runs(key, workload, rules));
    }
    let Some(workload) = subject.workload else {
        return of_missing(key, rules);
    };
    if let Some(message) = &workload.failed {
        return match &workload.disrupted {
            Some(_) => Health::Healthy,
            None => failing(Reason::JobFailed, format!("{key}: {message}")),
        };
    }
    if !workload.observed {
        return match rules.mode {
            Mode::Rollout(since) | Mode::Rollback(since) | Mode::Settle(since) => {
                within_deadline(key, "has not been observed by its controller", since, rules)
            }
            Mode::Observe => progressing(format!("{key} has a newer spec"), None),
        };
    }
    let workload = &match rules.mode {
        Mode::Rollout(_) | Mode::Rollback(_) => held::without_surplus(workload),
        Mode::Observe | Mode::Settle(_) => Cow::Borrowed(workload),
    };
    // A failing pod is the cause; what the controller of the workload reports is the consequence.
    let pods = match key.kind() {
        "Job" if workload.complete => Health::Healthy,
        "Job" => pod::of_pods_of_a_job(key, workload, rules),
        _ => pod::of_pods(key, workload, rules),
    };
    let recheck_at = match pods {
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

/// The health of a workload that does not exist.
fn of_missing(key: &ObjectKey, rules: &Rules<'_>) -> Health {
    match rules.mode {
        // A rollback restores no Job that has run.
        Mode::Rollback(_) if key.kind() == "Job" => Health::Healthy,
        Mode::Rollout(since) | Mode::Rollback(since) => {
            within_deadline(key, "does not exist yet", since, rules)
        }
        // A Job that has finished may be removed.
        Mode::Observe | Mode::Settle(_) if key.kind() == "Job" => Health::Healthy,
        Mode::Observe | Mode::Settle(_) => failing(Reason::Missing, format!("{key} was deleted")),
    }
}

fn progress_deadline(rules: &Rules<'_>) -> SignedDuration {
    SignedDuration::from_secs(i64::from(rules.limits.progress_deadline_seconds))
}

/// Progressing until the progress deadline, counted from `since`; then failing.
fn within_deadline(key: &ObjectKey, text: &str, since: Timestamp, rules: &Rules<'_>) -> Health {
    within(key, text, since, progress_deadline(rules), rules.now)
}

/// The same with another limit.
fn within(key: &ObjectKey, text: &str, since: Timestamp, limit: SignedDuration, now: Timestamp) -> Health {
    let deadline = later(since, limit);
    if now >= deadline {
        let message = format!("{key} {text}, and made no progress for {} s", limit.as_secs());
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

/// The objects among these keys that have health, in the same order.
pub fn subjects<'a>(
    keys: impl Iterator<Item = &'a ObjectKey>,
    workloads: &'a BTreeMap<ObjectKey, Workload>,
    customs: &'a BTreeMap<ObjectKey, Custom>,
    exempt: impl Fn(&ObjectKey) -> bool,
) -> Vec<Subject<'a>> {
    keys.filter(|key| is_workload(key) || is_cron_job(key) || customs.contains_key(*key))
        .map(|key| Subject {
            key,
            workload: workloads.get(key),
            custom: customs.get(key),
            exempt: exempt(key),
        })
        .collect()
}

/// Whether an object of this kind has pods that its controller keeps running, or that have to end.
pub fn is_workload(key: &ObjectKey) -> bool {
    matches!(
        (key.api_version(), key.kind()),
        ("apps/v1", "Deployment" | "StatefulSet" | "DaemonSet") | ("batch/v1", "Job")
    )
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod evidence_tests;
#[cfg(test)]
#[path = "neighbours_tests.rs"]
mod neighbours_tests;
#[cfg(test)]
#[path = "nodes_tests.rs"]
mod nodes_tests;
#[cfg(test)]
#[path = "own_limits_tests.rs"]
mod own_limits_tests;
#[cfg(test)]
#[path = "passing_tests.rs"]
mod passing_tests;
#[cfg(test)]
#[path = "tests.rs"]
mod tests;
