//! The health of one workload: the rules of a rollout, of the observe window, and of its end.

use super::job::of_job;
use super::{Health, Mode, Rules, failing, held, pod, progress_deadline, within, within_deadline};
use crate::api::Reason;
use crate::content::ObjectKey;
use crate::decide::moments::{later, span};
use crate::decide::world::{Pod, Workload};
use jiff::{SignedDuration, Timestamp};

/// As in kstatus: every replica is of the newest template and available, and none of an older template is left.
pub(super) fn rolled_out(
    key: &ObjectKey,
    workload: &Workload,
    since: Timestamp,
    rules: &Rules<'_>,
) -> Health {
    if key.kind() == "Job" {
        return of_job(key, workload, since, rules);
    }
    let is_complete = workload.updated >= workload.desired
        && workload.total <= workload.updated
        && workload.available >= workload.desired
        && workload.outdated.is_empty()
        && workload.held_by_partition.is_none();
    if is_complete {
        return Health::Healthy;
    }
    if let Some(health) = needs_a_person(key, workload) {
        return health;
    }
    // Pods that become ready and unready in turn must not prolong a rollout without limit: each pod has the deadline once.
    let limit = limit(workload, rules);
    let (progress, last_chance) =
        (last_progress(workload, since), later(since, limit.saturating_mul(workload.desired.max(1))));
    let stalled_since = progress.min(last_chance);
    let draining_until = workload.stopping.iter().map(|pod| pod.until).max();
    let stalled_since = draining_until.map_or(stalled_since, |at| at.max(stalled_since));
    let stalled_since = stalled_since.min(rules.now);
    if let Some((reason, message)) = &workload.blocked {
        return blocked(key, reason, message, stalled_since, rules);
    }
    if let Some(health) = held::by_a_node(key, workload, later(progress, limit), rules) {
        return health;
    }
    if let (Some((at, message)), Mode::Rollout(_)) = (&workload.gave_up, rules.mode)
        && *at > since
        && has_a_deadline_that_counts(workload, rules)
    {
        return failing(Reason::ProgressDeadlineExceeded, format!("{key}: {message}"));
    }
    let text = progress_text(workload);
    if progress > last_chance && rules.now >= later(stalled_since, limit) {
        let spent = rules.now.duration_since(since).as_secs();
        let message =
            format!("{key} {text} after {spent} s, which is longer than {} s for each pod", limit.as_secs());
        return failing(Reason::ProgressDeadlineExceeded, message);
    }
    let health = within(key, &text, stalled_since, limit, rules.now);
    match health {
        // Nothing reports when its controller says why.
        Health::Progressing { obstacle: None, message, recheck_at }
            if held::stands_still(key, workload, rules.now) =>
        {
            let soon = later(rules.now, held::ASKED_AFTER);
            Health::Progressing { obstacle: None, message, recheck_at: recheck_at.map(|at| at.min(soon)) }
        }
        other @ (Health::Healthy | Health::Progressing { .. } | Health::Failing { .. }) => other,
    }
}

/// How far a rollout is, and what it still lacks.
fn progress_text(workload: &Workload) -> String {
    let (updated, available) =
        (workload.updated.min(workload.desired), workload.available.min(workload.desired));
    let surplus = usize::try_from(workload.total.saturating_sub(workload.updated)).unwrap_or(0);
    let left = match workload.outdated.len().max(surplus) {
        0 => String::new(),
        1 => ", 1 pod of an older revision left".to_owned(),
        count => format!(", {count} pods of an older revision left"),
    };
    format!("is rolled out to {updated} of {}, {available} available{left}", workload.desired)
}

/// What the API server sets as `progressDeadlineSeconds` of a Deployment that says nothing.
const UNSAID: i64 = 600;

/// Whether the deadline that a Deployment exceeded is one of its own, or not shorter than that of the policy.
fn has_a_deadline_that_counts(workload: &Workload, rules: &Rules<'_>) -> bool {
    workload.deadline_seconds != Some(UNSAID) || i64::from(rules.limits.progress_deadline_seconds) <= UNSAID
}

/// How long a workload may take without progress: the deadline of the policy, or its own if that is longer, and the time for which a
/// pod must be ready before it is available.
fn limit(workload: &Workload, rules: &Rules<'_>) -> SignedDuration {
    let own = workload.deadline_seconds.filter(|seconds| *seconds != UNSAID).unwrap_or(0);
    let ready = SignedDuration::from_secs(i64::from(workload.min_ready_seconds.max(0)));
    progress_deadline(rules).max(SignedDuration::from_secs(own)).saturating_add(ready)
}

/// The last progress of a workload: the deadline counts from there.
fn last_progress(workload: &Workload, since: Timestamp) -> Timestamp {
    let ready = workload.pods.iter().filter(|pod| pod.ready).filter_map(|pod| pod.ready_since).max();
    ready.max(workload.progressed.filter(|_| workload.gave_up.is_none())).map_or(since, |at| at.max(since))
}

/// Most pods that a message names.
const MOST_NAMES: usize = 5;

/// The names of some pods, for a message.
fn names<'a>(pods: impl Iterator<Item = &'a str>) -> String {
    pods.take(MOST_NAMES).collect::<Vec<_>>().join(", ")
}

/// What only a person can continue: neither a failure, nor healthy.
pub(super) fn needs_a_person(key: &ObjectKey, workload: &Workload) -> Option<Health> {
    let (obstacle, message) = if workload.paused {
        (
            Reason::Paused,
            format!("{key} is paused; resume it with kubectl rollout resume deployment/{}", key.name()),
        )
    } else if let Some(partition) = workload.held_by_partition {
        let held = match workload.held_pods.as_slice() {
            [] => "no pod runs the new revision".to_owned(),
            pods => format!("{} stay at the old revision", names(pods.iter().map(String::as_str))),
        };
        (
            Reason::Partition,
            format!(
                "{key} has partition {partition}, so {held}; lower spec.updateStrategy.rollingUpdate.partition to continue"
            ),
        )
    } else if workload.on_delete && !workload.outdated.is_empty() {
        let count = workload.outdated.len();
        let (pods, them) = if count == 1 { ("pod runs", "it") } else { ("pods run", "them") };
        (
            Reason::OnDelete,
            format!(
                "{key} has updateStrategy OnDelete: {count} {pods} the old revision; delete {them} to continue ({})",
                names(workload.outdated.iter().map(|pod| pod.name.as_str()))
            ),
        )
    } else {
        return held_by_gates(key, &workload.pods);
    };
    Some(Health::Progressing { obstacle: Some(obstacle), message, recheck_at: None })
}

/// Pods that another controller holds back before they are scheduled, as a queue does. It lets them go when it has room.
pub(super) fn held_by_gates(key: &ObjectKey, pods: &[Pod]) -> Option<Health> {
    let unready = || pods.iter().filter(|pod| pod.is_staying() && !pod.ready);
    let (pod, gates) = unready().find_map(|pod| Some((pod, pod.gated.as_ref()?)))?;
    // A pod without gates that does not become ready is judged by the deadline.
    let message = format!(
        "{key}: pod {} is not scheduled while it has scheduling gates ({gates}); the controller that set them removes them",
        pod.name
    );
    let held = Health::Progressing { obstacle: Some(Reason::SchedulingGated), message, recheck_at: None };
    unready().all(|pod| pod.gated.is_some()).then_some(held)
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
pub(super) fn readiness(key: &ObjectKey, workload: &Workload, rules: &Rules<'_>) -> Health {
    if key.kind() == "Job" {
        return Health::Healthy;
    }
    let has_lost = |pod: &&Pod| pod::has_lost_readiness(pod) && !pod::had_failed(pod, rules);
    let lost = || workload.pods.iter().filter(has_lost);
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

/// After the observe window: pods that were added in it must be ready too. Pods that wait for a node or behind a gate, that cannot be
/// created, or whose node does not report, say nothing about the release while others of its pods are ready.
pub(super) fn settled(key: &ObjectKey, workload: &Workload, since: Timestamp, rules: &Rules<'_>) -> Health {
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
    let staying = || workload.pods.iter().filter(|pod| pod.is_staying());
    let is_any_ready = staying().any(|pod| pod.ready);
    // An autoscaler may go on adding pods: those that came after the window are not waited for.
    let is_of_window = |pod: &Pod| pod.created.is_none_or(|created| created <= since);
    let starting = || {
        let starting =
            staying().filter(|pod| !pod.ready && pod.unschedulable.is_none() && pod.gated.is_none());
        let starting = starting.filter(|pod| !held::is_silent(pod, rules.now));
        starting.filter(|pod| is_of_window(pod) || !is_any_ready)
    };
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
    if let Some(health) = held::by_a_node(key, workload, later(since, progress_deadline(rules)), rules)
        && !is_any_ready
    {
        return health;
    }
    within_deadline(key, &text, since, rules)
}
