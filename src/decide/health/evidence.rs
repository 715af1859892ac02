//! What counts as evidence about a release, and what does not: runs of CronJobs, terminations from before, and what cannot be judged.

use super::{Health, Rules, Subject, custom, failing, pod};
use crate::api::{Disruption, ExitsBefore, Reason};
use crate::content::ObjectKey;
use crate::decide::conditions::cut;
use crate::decide::world::{Pod, Run, Workload};
use jiff::Timestamp;

/// The length of [`exits_before`] is limited by the size of a status.
const MOST_EXITS_BEFORE: usize = 400;
/// So is the number of recorded disruptions.
const MOST_DISRUPTIONS: usize = 100;

/// The runs that were created after the schedule was written; after the promotion started, if it is unknown when that was.
fn new_runs(workload: &Workload, started: Timestamp) -> impl Iterator<Item = &Run> {
    let since = workload.runs_since.unwrap_or(started);
    workload.runs.iter().filter(move |run| run.created.is_some_and(|created| created > since))
}

/// A run that failed counts like a pod that failed, if it started after the promotion.
pub(super) fn of_runs(key: &ObjectKey, workload: &Workload, rules: &Rules<'_>) -> Health {
    let failed = new_runs(workload, rules.started).filter(|run| run.disrupted.is_none());
    match failed.filter_map(|run| Some((run, run.failed.as_ref()?))).next() {
        Some((run, message)) => {
            failing(Reason::JobFailed, format!("{key}: its run {} failed: {message}", run.name))
        }
        None => Health::Healthy,
    }
}

/// The disruptions of the pods of a Job, or of the runs of a CronJob that count.
pub fn disruptions(workload: &Workload, started: Timestamp) -> impl Iterator<Item = &Disruption> {
    let runs = new_runs(workload, started);
    workload.disruptions.iter().chain(runs.flat_map(|run| &run.disruptions))
}

/// Records the disruptions that are seen. The record stays as it is unless one of them is new.
pub fn record_disruptions<'a>(recorded: &mut Vec<Disruption>, seen: impl Iterator<Item = &'a Disruption>) {
    let short = |it: &Disruption| Disruption {
        job: cut(&it.job, 64),
        pod: cut(&it.pod, 253),
        message: cut(&it.message, 512),
    };
    let seen: Vec<Disruption> = seen.take(MOST_DISRUPTIONS).map(short).collect();
    let is_recorded = |new: &Disruption| recorded.iter().any(|old| old.is_of_same_pod(new));
    if !seen.iter().all(is_recorded) {
        *recorded = seen;
    }
}

/// What was not judged, because nothing of it ran or because its health is unknown: for the record.
pub fn without_evidence(subjects: &[Subject<'_>], rules: &Rules<'_>) -> Vec<String> {
    let note = |subject: &Subject<'_>| {
        let key = subject.key;
        match (subject.custom, subject.workload) {
            (Some(object), _) => custom::note(key, object, rules),
            (None, workload) if is_cron_job(key) => {
                let runs = || workload.into_iter().flat_map(|workload| new_runs(workload, rules.started));
                let disrupted = runs().find_map(|run| Some((run, run.disrupted.as_ref()?)));
                match disrupted {
                    _ if runs().any(|run| run.disrupted.is_none()) => None,
                    Some((run, words)) => Some(format!("{key}: its run {} says nothing: {words}", run.name)),
                    None => Some(format!("{key} did not run")),
                }
            }
            (None, Some(Workload { disrupted: Some(words), .. })) => {
                Some(format!("{key} says nothing: {words}"))
            }
            (None, Some(workload)) => {
                (workload.desired == 0 && key.kind() != "Job").then(|| format!("{key} has no pods"))
            }
            (None, None) => None,
        }
    };
    subjects.iter().filter(|subject| !subject.exempt).filter_map(note).collect()
}

/// Whether the key is that of a CronJob.
pub fn is_cron_job(key: &ObjectKey) -> bool {
    (key.api_version(), key.kind()) == ("batch/v1", "CronJob")
}

/// The terminations of containers that are there when a promotion starts. They do not count against the release.
pub fn exits_before<'a>(pods: impl Iterator<Item = &'a Pod>) -> Vec<ExitsBefore> {
    let mut list = Vec::new();
    for pod in pods {
        if pod.failed.is_some() {
            list.push(ExitsBefore { pod: pod.uid.clone(), container: String::new(), exits: 0 });
        }
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

/// What is there when a promotion is verified, and does not count against it afterwards: terminations of containers, pods that failed, and pods
/// that lost readiness.
pub fn found_when_verified<'a>(pods: impl Iterator<Item = &'a Pod> + Clone) -> Vec<ExitsBefore> {
    let lost = pods.clone().filter(|pod| pod.lost_readiness && pod.failed.is_none());
    let lost = lost.map(|pod| ExitsBefore { pod: pod.uid.clone(), container: String::new(), exits: 0 });
    let mut list: Vec<ExitsBefore> = lost.chain(exits_before(pods)).collect();
    list.truncate(MOST_EXITS_BEFORE);
    list
}
