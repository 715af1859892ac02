//! Facts about workloads for health: the newest template, its pods, and the status.

use super::disruption::{disruption, disruptions};
use super::pods::facts;
use crate::api::{Disruption, Location};
use crate::cluster::Stores;
use crate::cluster::slim;
use crate::content::{Desired, ObjectKey};
use crate::decide::world::{Ended, OutdatedPod, Pod, Run, StoppingPod, Workload};
use crate::process::Handles;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Every workload and Job of a namespace. Disrupted pods that were recorded count as if they were seen.
pub fn workloads(
    handles: &Handles,
    target: &Location,
    recorded: &[Disruption],
) -> BTreeMap<ObjectKey, Workload> {
    let (stores, namespace) = (&handles.stores, target.namespace.as_str());
    let pods = stores.pods.list(namespace);
    let mut facts = BTreeMap::new();
    let mut add = |api_version: &str, kind: &'static str, meta: &slim::Meta, mut workload: Workload| {
        // A view that is older than the own write is about the previous release.
        let name = meta.name();
        workload.observed &= !handles.versions.is_stale(kind, namespace, name, meta.resource_version());
        if let Ok(key) = ObjectKey::new(api_version, kind, name) {
            facts.insert(key, workload);
        }
    };
    for object in stores.deployments.list(namespace) {
        add("apps/v1", "Deployment", &object.metadata, deployment(stores, target, &object, &pods));
    }
    for object in stores.stateful_sets.list(namespace) {
        add("apps/v1", "StatefulSet", &object.metadata, stateful_set(&object, &pods));
    }
    for object in stores.daemon_sets.list(namespace) {
        add("apps/v1", "DaemonSet", &object.metadata, daemon_set(&object, &pods));
    }
    for object in stores.jobs.list(namespace) {
        add("batch/v1", "Job", &object.metadata, job(&object, &pods, recorded));
    }
    for (name, runs) in runs_of_cron_jobs(&stores.jobs.list(namespace), &pods, recorded) {
        if let Ok(key) = ObjectKey::new("batch/v1", "CronJob", &name) {
            facts.insert(key, Workload { runs, ..Workload::default() });
        }
    }
    facts
}

/// Compares workloads with their content: a partition that the content sets holds no pods back, and replicas beyond those that it asks
/// for are not its own.
pub fn compare(workloads: &mut BTreeMap<ObjectKey, Workload>, wanted: &[Desired]) {
    const PARTITION: &str = "/spec/updateStrategy/rollingUpdate/partition";
    for item in wanted {
        let Some(workload) = workloads.get_mut(&item.key) else { continue };
        let number = |pointer| item.object.pointer(pointer).and_then(serde_json::Value::as_i64);
        workload.asked = number("/spec/replicas").and_then(|replicas| i32::try_from(replicas).ok());
        let is_wanted = workload.held_by_partition.map(i64::from) == number(PARTITION);
        // One that holds every pod back is no rollout.
        if is_wanted && workload.held_by_partition < Some(workload.desired) {
            workload.held_by_partition = None;
        }
    }
}

/// The Jobs of CronJobs, by the name of the CronJob that controls them.
fn runs_of_cron_jobs(
    jobs: &[Arc<slim::Job>],
    pods: &[Arc<slim::Pod>],
    recorded: &[Disruption],
) -> BTreeMap<String, Vec<Run>> {
    let mut all: BTreeMap<String, Vec<Run>> = BTreeMap::new();
    for object in jobs {
        let Some(cron_job) = object.metadata.cron_job() else { continue };
        let Workload { failed, disruptions, disrupted, .. } = job(object, pods, recorded);
        let (name, created) = (object.metadata.name().to_owned(), object.metadata.creation_timestamp.get());
        all.entry(cron_job.to_owned()).or_default().push(Run {
            name,
            created,
            failed,
            disruptions,
            disrupted,
        });
    }
    all
}

/// The pods that descend from the object with this UID through owner references.
pub fn descendants(stores: &Stores, target: &Location, uid: &str) -> Vec<Pod> {
    let namespace = target.namespace.as_str();
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let mut add =
        |meta: &slim::Meta| drop(owners.insert(meta.uid().to_owned(), meta.controller().to_owned()));
    stores.replica_sets.list(namespace).iter().for_each(|it| add(&it.metadata));
    stores.deployments.list(namespace).iter().for_each(|it| add(&it.metadata));
    stores.stateful_sets.list(namespace).iter().for_each(|it| add(&it.metadata));
    stores.daemon_sets.list(namespace).iter().for_each(|it| add(&it.metadata));
    let jobs = stores.jobs.list(namespace);
    jobs.iter().for_each(|it| add(&it.metadata));
    // An owner reference may point at anything, so the length of the way up is limited.
    let descends = |pod: &&Arc<slim::Pod>| {
        let mut owner = pod.metadata.controller();
        for _ in 0..MOST_OWNERS {
            if owner == uid {
                return true;
            }
            match owners.get(owner) {
                Some(next) if !next.is_empty() => owner = next,
                Some(_) | None => return false,
            }
        }
        false
    };
    let is_of_job = |pod: &slim::Pod| {
        jobs.iter().any(|job| !job.is_failed() && pod.metadata.is_controlled_by(job.metadata.uid()))
    };
    let facts = |pod: &Arc<slim::Pod>| {
        let (facts, of_job) = (facts(pod), is_of_job(pod));
        Pod { of_job, stays_down: facts.stays_down && !of_job, ..facts }
    };
    stores.pods.list(namespace).iter().filter(descends).map(facts).collect()
}

/// Most owners between a pod and the object that it descends from.
const MOST_OWNERS: usize = 8;

fn base(meta: &slim::Meta, observed_generation: i64) -> Workload {
    Workload {
        uid: meta.uid().to_owned(),
        generation: meta.generation,
        revision: meta.revision_mark().and_then(|mark| mark.parse().ok()),
        observed: observed_generation >= meta.generation && !meta.is_terminating(),
        ..Workload::default()
    }
}

fn deployment(
    stores: &Stores,
    target: &Location,
    object: &slim::Deployment,
    pods: &[Arc<slim::Pod>],
) -> Workload {
    let (meta, status) = (&object.metadata, &object.status);
    let mut workload = base(meta, status.observed_generation);
    workload.desired = object.spec.replicas.unwrap_or(1);
    workload.updated = status.updated_replicas;
    workload.total = status.replicas;
    workload.available = status.available_replicas;
    workload.paused = object.spec.paused;
    workload.min_ready_seconds = object.spec.min_ready_seconds;
    workload.deadline_seconds =
        Some(i64::from(object.spec.progress_deadline_seconds)).filter(|seconds| *seconds > 0);
    workload.gave_up = object
        .condition("Progressing")
        .filter(|condition| condition.reason.as_str() == "ProgressDeadlineExceeded")
        .and_then(|condition| Some((condition.last_update_time.get()?, condition.message.to_string())));
    workload.progressed =
        object.condition("Progressing").and_then(|condition| condition.last_update_time.get());
    let own: Vec<Arc<slim::ReplicaSet>> = stores
        .replica_sets
        .list(&target.namespace)
        .into_iter()
        .filter(|set| set.metadata.is_controlled_by(meta.uid()))
        .collect();
    // Not by the revision number of the Deployment: when an old ReplicaSet is reused, the Deployment controller reports the
    // observed generation one pass before it raises that number, which until then is that of the previous ReplicaSet. It
    // copies the annotations in the first pass.
    let newest = own
        .iter()
        .filter(|set| meta.revision_mark().is_none() || set.metadata.revision_mark() == meta.revision_mark())
        .max_by_key(|set| set.metadata.deployment_revision());
    let is_new = |pod: &slim::Pod| match newest {
        Some(newest) => pod.metadata.is_controlled_by(newest.metadata.uid()),
        // The controller copies no annotations while the Deployment is paused. Its pods are known only if all have the template.
        None => workload.updated >= workload.total,
    };
    let is_own =
        |pod: &&Arc<slim::Pod>| own.iter().any(|set| pod.metadata.is_controlled_by(set.metadata.uid()));
    let (new, old) = pods.iter().filter(is_own).partition::<Vec<_>, _>(|pod| is_new(pod));
    // Kinds are watched apart. A ReplicaSet with a higher number than its Deployment is of a template that is not known here yet.
    let is_known =
        |set: &Arc<slim::ReplicaSet>| set.metadata.deployment_revision() <= meta.deployment_revision();
    workload.observed &= newest.is_some_and(is_known) || workload.paused;
    // Only of the newest one: the Deployment also reports failures of older ones.
    workload.blocked = newest
        .and_then(|newest| newest.condition("ReplicaFailure"))
        .filter(|condition| condition.is_true("ReplicaFailure"))
        .map(|condition| (condition.reason.as_str().to_owned(), condition.message.to_string()));
    workload.pods = new.into_iter().map(|pod| facts(pod)).collect();
    workload.stopping = stopping(old.iter().copied());
    workload.outdated = outdated(old);
    workload
}

fn stateful_set(object: &slim::StatefulSet, pods: &[Arc<slim::Pod>]) -> Workload {
    let (meta, status) = (&object.metadata, &object.status);
    let mut workload = base(meta, status.observed_generation);
    workload.desired = object.spec.replicas.unwrap_or(1);
    workload.min_ready_seconds = object.spec.min_ready_seconds;
    let partition = object.spec.update_strategy.partition.clamp(0, workload.desired);
    let on_delete = object.spec.update_strategy.type_ == slim::UpdateStrategyType::OnDelete;
    // When every pod is of the update revision, the controller makes it the current one and resets its counts.
    let settled = status.current_revision == status.update_revision;
    workload.updated = if settled { status.replicas } else { status.updated_replicas + partition };
    workload.total = if partition > 0 { workload.updated } else { status.replicas };
    workload.available = status.available_replicas;
    workload.on_delete = on_delete;
    workload.ordered = !on_delete && object.spec.pod_management_policy == slim::PodManagement::OrderedReady;
    let newest = &status.update_revision;
    let is_new = |pod: &slim::Pod| pod.metadata.controller_revision_hash() == Some(newest);
    of_owner(&mut workload, pods, is_new);
    // Pods below the partition keep their revision. It counts from the first pod on, whatever its ordinal is.
    let first_free = object.spec.ordinals.start.saturating_add(partition);
    let is_held = |pod: &OutdatedPod| ordinal(&pod.name).is_some_and(|ordinal| ordinal < first_free);
    let (held, outdated) = std::mem::take(&mut workload.outdated).into_iter().partition(is_held);
    workload.outdated = outdated;
    workload.held_pods = Vec::into_iter(held).map(|pod| pod.name).collect();
    let holds = partition >= workload.desired || !workload.held_pods.is_empty();
    workload.held_by_partition =
        (workload.desired > 0 && holds && !settled && !on_delete).then_some(partition);
    workload
}

/// The ordinal of a pod of a StatefulSet.
fn ordinal(pod: &str) -> Option<i32> {
    pod.rsplit_once('-')?.1.parse().ok()
}

fn daemon_set(object: &slim::DaemonSet, pods: &[Arc<slim::Pod>]) -> Workload {
    let (meta, status) = (&object.metadata, &object.status);
    let mut workload = base(meta, status.observed_generation);
    workload.desired = status.desired_number_scheduled;
    workload.updated = status.updated_number_scheduled;
    workload.total = status.updated_number_scheduled;
    workload.available = status.number_available;
    workload.min_ready_seconds = object.spec.min_ready_seconds;
    workload.on_delete = object.spec.update_strategy.type_ == slim::UpdateStrategyType::OnDelete;
    let newest = meta.template_generation();
    let is_new = |pod: &slim::Pod| newest.is_none() || pod.metadata.template_generation() == newest;
    of_owner(&mut workload, pods, is_new);
    workload
}

fn job(object: &slim::Job, pods: &[Arc<slim::Pod>], recorded: &[Disruption]) -> Workload {
    let mut workload = base(&object.metadata, object.metadata.generation);
    workload.desired = 1;
    workload.complete = object.is_complete();
    workload.suspended = object.spec.suspend;
    workload.deadline_seconds = object.spec.active_deadline_seconds;
    workload.progressed = object.started();
    let own = || pods.iter().filter(|pod| pod.metadata.is_controlled_by(object.metadata.uid()));
    workload.pods = own().map(|pod| facts(pod)).collect();
    let has_none = workload.pods.is_empty() && !object.had_pods() && !object.spec.suspend;
    workload.without_pods_since = object.started().filter(|_| has_none);
    let last_words = || {
        own()
            .flat_map(|pod| pod.containers.iter())
            .filter_map(|container| match &container.state {
                slim::ContainerState::Terminated(end) if end.exit_code != 0 => Some(end),
                slim::ContainerState::Terminated(_)
                | slim::ContainerState::Waiting(_)
                | slim::ContainerState::Running
                | slim::ContainerState::Unknown => None,
            })
            .map(|end| format!(": exit code {} {}", end.exit_code, end.message))
            .next_back()
            .unwrap_or_default()
    };
    workload.disruptions = disruptions(object, pods, recorded);
    workload.disrupted = disruption(object, pods, &workload.disruptions);
    let is_failed = object.is_failed() && !own().any(|pod| is_behind(object, pod));
    workload.failed = (is_failed || workload.disrupted.is_some()).then(|| {
        let condition = object.condition("Failed").or_else(|| object.condition("FailureTarget"));
        let message = condition.map(|condition| condition.message.to_string()).unwrap_or_default();
        format!("{message}{}", last_words())
    });
    workload
}

/// Whether what is known of a pod is older than what is known of its Job: kinds are watched apart, and a Job has no retries left only when
/// its pods have ended or are being deleted. How the pod ended may show that the Job is not to blame.
fn is_behind(job: &slim::Job, pod: &slim::Pod) -> bool {
    let is_over = matches!(pod.phase, slim::PodPhase::Failed | slim::PodPhase::Succeeded);
    job.is_out_of_retries() && !is_over && !pod.metadata.is_terminating()
}

/// Divides the pods of a workload into those of the newest template and the outdated ones.
fn of_owner(workload: &mut Workload, pods: &[Arc<slim::Pod>], is_new: impl Fn(&slim::Pod) -> bool) {
    let own = pods.iter().filter(|pod| pod.metadata.is_controlled_by(&workload.uid));
    workload.stopping = stopping(own.clone());
    let (new, old) = own.partition::<Vec<_>, _>(|pod| is_new(pod));
    workload.pods = new.into_iter().map(|pod| facts(pod)).collect();
    workload.outdated = outdated(old);
}

/// Those of the pods that are being deleted.
fn stopping<'a>(pods: impl Iterator<Item = &'a Arc<slim::Pod>>) -> Vec<StoppingPod> {
    let stopping = pods.filter_map(|pod| {
        Some(StoppingPod {
            name: pod.metadata.name().to_owned(),
            node: pod.node.as_deref().unwrap_or_default().to_owned(),
            until: pod.metadata.deletion_timestamp()?,
        })
    });
    stopping.collect()
}

fn outdated(pods: Vec<&Arc<slim::Pod>>) -> Vec<OutdatedPod> {
    // A pod that is over is left as it is by its controller.
    let is_over = |pod: &slim::Pod| matches!(pod.phase, slim::PodPhase::Failed | slim::PodPhase::Succeeded);
    let staying = pods.into_iter().filter(|pod| !pod.metadata.is_terminating() && !is_over(pod));
    staying
        .map(|pod| OutdatedPod {
            name: pod.metadata.name().to_owned(),
            uid: pod.metadata.uid().to_owned(),
            ready: pod.is_ready(),
            ready_since: pod
                .condition("Ready")
                .and_then(|ready| ready.last_transition_time.get())
                .or(pod.metadata.creation_timestamp.get()),
            has_error: has_error(&facts(pod)),
        })
        .collect()
}

/// Whether a pod shows an error, and is not only starting or waiting for others.
fn has_error(pod: &Pod) -> bool {
    const STARTING: [&str; 2] = ["ContainerCreating", "PodInitializing"];
    let waits = |(reason, _): &(String, String)| !STARTING.contains(&reason.as_str());
    let terminated = |ended: &Ended| !ended.planned && ended.code != 0;
    pod.unschedulable.is_some()
        || pod.containers.iter().any(|container| {
            container.waiting.as_ref().is_some_and(waits) || container.ended.as_ref().is_some_and(terminated)
        })
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod health_tests;
#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn job(name: &str, owner: Value) -> Arc<slim::Job> {
        let meta = json!({ "name": name, "namespace": "shop", "uid": name, "ownerReferences": [owner] });
        Arc::new(serde_json::from_value(json!({ "metadata": meta })).unwrap())
    }

    #[test]
    fn the_runs_of_a_cron_job_are_the_jobs_that_it_controls() {
        let owner = |api_version: &str, kind: &str, name: &str, controller: bool| json!({ "apiVersion": api_version, "kind": kind, "name": name, "uid": "u", "controller": controller });
        let jobs = [
            job("report-29384756", owner("batch/v1", "CronJob", "report", true)),
            job("report-manual", owner("batch/v1", "CronJob", "report", true)),
            job("report-1", owner("batch.volcano.sh/v1", "CronJob", "report", true)),
            job("report-2", owner("example.com/v1", "Pipeline", "report", true)),
            job("report-3", owner("batch/v1", "CronJob", "report", false)),
            job("other-4", owner("batch/v1", "CronJob", "report", true)),
        ];
        let runs = runs_of_cron_jobs(&jobs, &[], &[]);
        let names = |runs: &Vec<Run>| runs.iter().map(|run| run.name.clone()).collect::<Vec<_>>();
        let names: Vec<_> = runs.iter().map(|(name, runs)| (name.as_str(), names(runs))).collect();
        let own = ["report-29384756", "report-manual", "other-4"].map(str::to_owned).to_vec();
        assert_eq!(names, [("report", own)]);
    }

    #[test]
    fn a_job_without_a_pod_says_so_until_it_has_had_one() {
        let job = |status: Value, suspend: bool| -> Arc<slim::Job> {
            let spec = json!({ "suspend": suspend, "activeDeadlineSeconds": 30 });
            Arc::new(
                serde_json::from_value(json!({ "metadata": {}, "spec": spec, "status": status })).unwrap(),
            )
        };
        let start = "2026-11-26T10:00:00Z";
        for (what, status, suspend, told) in [
            ("not run by its controller yet", json!({}), false, false),
            ("without a pod", json!({ "startTime": start }), false, true),
            ("with an active pod", json!({ "startTime": start, "active": 1 }), false, false),
            ("with a pod that failed", json!({ "startTime": start, "failed": 1 }), false, false),
            ("suspended", json!({ "startTime": start }), true, false),
        ] {
            let facts = super::job(&job(status, suspend), &[], &[]);
            assert_eq!(facts.without_pods_since, told.then(|| start.parse().unwrap()), "{what}");
            assert_eq!(facts.deadline_seconds, Some(30));
        }
    }
}
