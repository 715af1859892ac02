//! Workloads that a promotion does not change. What their pods suffer can be its fault; what they wait for cannot.

use super::workload::needs_a_person;
use super::{
    Health, Mode, Rules, Subject, exits_before, is_workload, of_each, of_one, pod, progress_deadline,
    progressing,
};
use crate::api::FailureThresholds;
use crate::decide::moments::later;
use crate::decide::world::{Pod, Workload};
use jiff::{SignedDuration, Timestamp};

/// The health of workloads that the promotion does not change: a rollout is not held up by their replicas, by the room that they need
/// or by a person who replaces their pods.
pub fn of_neighbours(subjects: &[Subject<'_>], rules: &Rules<'_>) -> Health {
    of_each(subjects, rules, of_neighbour)
}

/// The health of workloads that a rollback does not write. They can suffer from what it takes away, such as a program that calls the one
/// that is being restored: what counts is whether they run, not how often they crashed, and they have until the progress deadline.
pub fn of_neighbours_of_a_rollback(subjects: &[Subject<'_>], rules: &Rules<'_>) -> Health {
    of_each(subjects, rules, patient)
}

fn of_neighbour(subject: &Subject<'_>, rules: &Rules<'_>) -> Health {
    let is_kept_running = is_workload(subject.key) && subject.key.kind() != "Job";
    let Some(workload) = subject.workload.filter(|_| is_kept_running) else { return of_one(subject, rules) };
    // As in the observe window, pods that wait for a node are not judged.
    let observed = Rules { mode: Mode::Observe, ..rules.clone() };
    let pods = || match pod::of_pods(subject.key, workload, &observed) {
        failing @ Health::Failing { .. } => failing,
        Health::Healthy | Health::Progressing { .. } => Health::Healthy,
    };
    let waits_for_a_person = || needs_a_person(subject.key, workload).is_some();
    let has_no_room = || workload.pods.iter().any(|pod| pod.unschedulable.is_some());
    match rules.mode {
        Mode::Rollout(_) => pods(),
        // What is restored has to run, unless it lacks something that no rollback restores.
        Mode::Rollback(_) if waits_for_a_person() || has_no_room() || workload.blocked.is_some() => pods(),
        Mode::Rollback(_) => match of_one(subject, rules) {
            Health::Progressing { obstacle: Some(_), .. } => pods(),
            health @ (Health::Healthy | Health::Progressing { .. } | Health::Failing { .. }) => health,
        },
        Mode::Settle(_) if waits_for_a_person() => of_one(subject, &observed),
        Mode::Settle(_) => of_one(&Subject { workload: Some(&settling(workload, rules)), ..*subject }, rules),
        Mode::Observe => of_one(subject, rules),
    }
}

fn patient(subject: &Subject<'_>, rules: &Rules<'_>) -> Health {
    let health = of_neighbour(subject, rules);
    let Health::Failing { message, .. } = &health else { return health };
    let until_now = exits_before(subject.workload.into_iter().flat_map(|workload| &workload.pods));
    if of_neighbour(subject, &Rules { before: &until_now, ..rules.clone() }) == Health::Healthy {
        return Health::Healthy;
    }
    let since = match rules.mode {
        Mode::Rollout(since) | Mode::Rollback(since) => since,
        Mode::Observe | Mode::Settle(_) => rules.started,
    };
    let deadline = later(since, progress_deadline(rules));
    if rules.now < deadline { progressing(message.clone(), Some(deadline)) } else { health }
}

/// The workload without the pods that were starting already when the promotion started, as long as others are ready.
fn settling(workload: &Workload, rules: &Rules<'_>) -> Workload {
    let mut workload = workload.clone();
    let is_new = |pod: &Pod| pod.created.is_none_or(|created| created >= rules.started);
    if workload.pods.iter().any(|pod| pod.ready) {
        workload.pods.retain(|pod| pod.ready || pod.lost_readiness || is_new(pod));
    }
    workload
}

/// Whether a workload fails before a promotion writes anything. One that was only scaled and whose pods start does not.
pub fn failed_before(workload: &Workload, limits: &FailureThresholds, now: Timestamp) -> bool {
    if workload.complete || (workload.available >= workload.desired && workload.blocked.is_none()) {
        return false;
    }
    let deadline = SignedDuration::from_secs(i64::from(limits.progress_deadline_seconds));
    let staying = || workload.pods.iter().filter(|pod| pod.is_staying());
    let has_error = |pod: &Pod| {
        pod.containers.iter().any(|container| {
            let waits =
                |(reason, _): &(String, String)| reason == "CrashLoopBackOff" || pod::is_error(reason);
            let exited = container.ended.as_ref().is_some_and(|ended| !ended.planned && ended.code != 0);
            exited || container.waiting.as_ref().is_some_and(waits)
        })
    };
    let fails = |pod: &Pod| {
        let is_late = pod.created.is_none_or(|created| later(created, deadline) <= now);
        pod.lost_readiness || pod.unschedulable.is_some() || has_error(pod) || is_late
    };
    workload.blocked.is_some()
        || workload.gave_up.is_some()
        || !workload.outdated.is_empty()
        || !staying().any(|pod| pod.ready)
        || staying().any(|pod| !pod.ready && fails(pod))
}
