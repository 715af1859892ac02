//! The health of a Job: whether its pods can run, and its deadline.
//!
//! A Job that runs is no silence, however long it takes: its own `activeDeadlineSeconds` says how long it may. Without one, a plain Job
//! has the progress deadline of the policy, because a promotion has to end, and the Job of a hook is written with it. What its pods
//! end with is counted by its back-off limit, so only what keeps them from running is judged as for any workload.

use super::{Health, Mode, Rules, failing, pod, progress_deadline, progressing, within};
use crate::api::Reason;
use crate::content::ObjectKey;
use crate::decide::moments::{later, span};
use crate::decide::world::Workload;
use jiff::{SignedDuration, Timestamp};

/// How long after its own deadline the controller of a Job may take to end it.
const SLACK: SignedDuration = SignedDuration::from_secs(10);

/// The health of a plain Job in a rollout.
pub(super) fn of_job(key: &ObjectKey, workload: &Workload, since: Timestamp, rules: &Rules<'_>) -> Health {
    if workload.complete {
        return Health::Healthy;
    }
    let creation = of_creation(key, workload, rules);
    if creation != Health::Healthy {
        return creation;
    }
    let since = workload.progressed.map_or(since, |at| at.max(since)).min(rules.now.max(since));
    let own =
        workload.deadline_seconds.map(|seconds| SignedDuration::from_secs(seconds).saturating_add(SLACK));
    let limit = own.map_or(progress_deadline(rules), |own| own.max(progress_deadline(rules)));
    within(key, "has not finished", since, limit, rules.now)
}

/// The health of the Job of a hook, which its controller ends at its deadline.
pub fn of_hook(key: &ObjectKey, workload: &Workload, rules: &Rules<'_>) -> Health {
    if let Some(message) = &workload.failed {
        return failing(Reason::JobFailed, format!("{key}: {message}"));
    }
    if workload.complete {
        return Health::Healthy;
    }
    match pod::of_pods_of_a_job(key, workload, rules) {
        Health::Healthy => of_creation(key, workload, rules),
        other @ (Health::Progressing { .. } | Health::Failing { .. }) => other,
    }
}

/// Whether its controller can create a pod. No condition of a Job says why it cannot, so the time decides.
fn of_creation(key: &ObjectKey, workload: &Workload, rules: &Rules<'_>) -> Health {
    let Some(since) = workload.without_pods_since else { return Health::Healthy };
    let patience = match rules.mode {
        Mode::Rollout(_) => span(rules.limits.create_errors),
        Mode::Rollback(_) | Mode::Observe | Mode::Settle(_) => progress_deadline(rules),
    };
    let deadline = later(since, patience);
    if rules.now >= deadline {
        let message = format!(
            "{key}: its controller started it and has not created a pod for {} s, as with a quota, an admission webhook or a missing \
             ServiceAccount; kubectl describe job/{} shows why",
            patience.as_secs(),
            key.name()
        );
        return failing("FailedCreate", message);
    }
    progressing(format!("{key} has no pod yet"), Some(deadline))
}
