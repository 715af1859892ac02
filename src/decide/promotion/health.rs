//! The health of the objects of a promotion, by the thresholds of its environment.

use super::Scene;
use crate::api::{Delivery, ExitsBefore, FIELD_MANAGER, ObjectRef, PromotionStatus};
use crate::content::object::makers::{is_maker, may_create};
use crate::content::object::references::{config_maps, secrets};
use crate::content::object::templates::complete_pod_template;
use crate::content::ownership::fields::{Changed, changed_template, written_at};
use crate::content::{Desired, ObjectKey};
use crate::decide::health::{
    self, Health, Mode, Rules, Subject, all, exits_before, has_ended_its_own, is_cron_job, is_workload,
    keeps_earlier_pods, of_all, of_hook, of_neighbours, of_neighbours_of_a_rollback, subjects,
    without_evidence,
};
use crate::decide::world::{Live, Workload};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Whether the next wave may follow these objects.
pub(super) fn is_healthy(scene: &Scene<'_>, keys: &[ObjectKey]) -> bool {
    disrupted(scene, keys).is_none() && health_of(scene, keys, Mode::Rollout(scene.now)) == Health::Healthy
}

/// The first of these Jobs that ended because its pods were disrupted, and how. It fails no release, and it is unknown whether it did its work.
pub(super) fn disrupted<'a>(
    scene: &'a Scene<'_>,
    keys: &'a [ObjectKey],
) -> Option<(&'a ObjectKey, &'a String)> {
    let jobs = keys.iter().filter(|key| key.is("batch", "Job") && changes(&scene.status, key));
    jobs.filter_map(|key| Some((key, scene.world.workloads.get(key)?.disrupted.as_ref()?))).next()
}

/// Records the disruptions of the Jobs that are judged: their pods are gone soon, and then nothing else shows that they did not fail.
pub(super) fn record_disruptions(scene: &Scene<'_>, status: &mut PromotionStatus) {
    let Some(plan) = scene.plan() else { return };
    let Some(started) = status.started_at.as_ref().filter(|_| status.phase.is_running()) else { return };
    let is_judged = |item: &&Desired| {
        let key = &item.key;
        item.hook.is_some() || !(is_neighbour(scene, key) || is_of_another_schedule(scene, key))
    };
    let judged = plan.objects.iter().filter(is_judged);
    let workloads = judged.filter_map(|item| scene.world.workloads.get(&item.key));
    let seen = workloads.flat_map(|workload| health::disruptions(workload, started.0));
    health::record_disruptions(&mut status.disruptions, seen);
}

/// The health of these objects. Workloads that were failing before the promotion are ignored.
pub(super) fn health_of(scene: &Scene<'_>, keys: &[ObjectKey], mode: Mode) -> Health {
    let (status, awaits) = (&scene.status, awaits(scene));
    let rules = rules(scene, &awaits, mode);
    let is_neighbour = |subject: &Subject<'_>| is_neighbour(scene, subject.key);
    let (neighbours, own): (Vec<_>, Vec<_>) = judged(scene, keys, status).into_iter().partition(is_neighbour);
    let others = if scene.is_rollback() { of_neighbours_of_a_rollback } else { of_neighbours };
    all([of_all(&own, &rules), others(&neighbours, &rules)].into_iter())
}

/// Whether neither this promotion nor an earlier one that was not verified changed the object. Another tool that deploys tells nothing
/// about what it changes.
fn is_neighbour(scene: &Scene<'_>, key: &ObjectKey) -> bool {
    let verified = || scene.lane.last_verified().and_then(|promotion| promotion.revision()).unwrap_or(0);
    let workload = || scene.world.workloads.get(key);
    scene.environment.spec.delivery == Delivery::Managed
        && !changes(&scene.status, key)
        && workload().is_some_and(|workload| workload.revision.unwrap_or(0) <= verified())
}

/// The health of the Job of a hook.
pub(super) fn hook_health(scene: &Scene<'_>, key: &ObjectKey, job: &Workload) -> Health {
    let awaits = awaits(scene);
    of_hook(key, job, &rules(scene, &awaits, mode(scene, scene.now)))
}

/// What says nothing about the release, for the record.
pub(super) fn unjudged(scene: &Scene<'_>, keys: &[ObjectKey]) -> Vec<String> {
    let status = &scene.status;
    let is_changed = |key: &&ObjectKey| changes(status, key);
    let changed: Vec<ObjectKey> = keys.iter().filter(is_changed).cloned().collect();
    let rules = rules(scene, &[], Mode::Rollout(scene.now));
    let suspended = changed.iter().filter(|key| is_suspended(scene, key));
    let suspended = suspended.map(|key| format!("{key} did not run: its content suspends it"));
    without_evidence(&judged(scene, &changed, status), &rules).into_iter().chain(suspended).collect()
}

/// Whether a Job is suspended because its content says so: it is not waited for until a user resumes it.
fn is_suspended(scene: &Scene<'_>, key: &ObjectKey) -> bool {
    if !scene.world.workloads.get(key).is_some_and(|workload| workload.suspended) {
        return false;
    }
    content_of(scene, key).is_some_and(|content| content.pointer("/spec/suspend") == Some(&Value::Bool(true)))
}

/// Whether a Job did its work, and what an injector added to its pod runs on.
fn is_done(scene: &Scene<'_>, key: &ObjectKey) -> bool {
    let job = scene.world.workloads.get(key).filter(|_| key.is("batch", "Job"));
    job.zip(content_of(scene, key)).is_some_and(|(job, content)| has_ended_its_own(content, job))
}

/// The object as the release has it.
fn content_of<'a>(scene: &'a Scene<'_>, key: &ObjectKey) -> Option<&'a Value> {
    let plan = scene.plan()?;
    plan.objects.iter().find(|item| item.key == *key).map(|item| &item.object)
}

fn changes(status: &PromotionStatus, key: &ObjectKey) -> bool {
    status.changes_object(key.api_version(), key.kind(), key.name())
}

fn judged<'a>(scene: &'a Scene<'_>, keys: &'a [ObjectKey], status: &PromotionStatus) -> Vec<Subject<'a>> {
    let exempt = |key: &ObjectKey| {
        is_of_another_schedule(scene, key)
            || is_suspended(scene, key)
            || is_done(scene, key)
            || status.failing_before.iter().any(|old| key.is_named_by(old))
    };
    subjects(keys.iter(), &scene.world.workloads, &scene.world.customs, exempt)
}

/// Whether it is a CronJob that the promotion does not change: its runs say nothing about it.
fn is_of_another_schedule(scene: &Scene<'_>, key: &ObjectKey) -> bool {
    is_cron_job(key) && (scene.is_rollback() || !changes(&scene.status, key))
}

/// The Secrets and ConfigMaps that pods of the release read and that its custom objects may create.
fn awaits(scene: &Scene<'_>) -> Vec<String> {
    let plan = scene.plan();
    let objects = || plan.into_iter().flat_map(|plan| &plan.objects).map(|item| &item.object);
    let makers: Vec<&Value> = objects().filter(|object| is_maker(object)).collect();
    if makers.is_empty() {
        return Vec::new();
    }
    let read = |template| secrets(template).into_keys().chain(config_maps(template).into_keys());
    let names = objects().filter_map(complete_pod_template).flat_map(read);
    names.filter(|name| makers.iter().any(|maker| may_create(maker, name))).collect()
}

fn rules<'a>(scene: &'a Scene<'_>, awaits: &'a [String], mode: Mode) -> Rules<'a> {
    Rules {
        limits: &scene.policy.failing,
        before: &scene.status.exits_before,
        awaits,
        started: scene.started(),
        mode,
        now: scene.now,
    }
}

/// The objects whose health counts: all of the content but hooks.
pub(super) fn workloads(wanted: &[Desired]) -> Vec<ObjectKey> {
    wanted.iter().filter(|item| item.hook.is_none()).map(|item| item.key.clone()).collect()
}

/// The mode of a rollout or rollback that started at this time.
pub(super) fn mode(scene: &Scene<'_>, since: Timestamp) -> Mode {
    if scene.is_rollback() { Mode::Rollback(since) } else { Mode::Rollout(since) }
}

/// The terminations of containers before the promotion writes anything.
pub(super) fn exits_found(scene: &Scene<'_>, wanted: &[Desired]) -> Vec<ExitsBefore> {
    // What the pods of a Job end with is counted by the Job.
    let items = wanted.iter().filter(|item| !item.key.is("batch", "Job"));
    let workloads = items.filter_map(|item| scene.world.workloads.get(&item.key));
    exits_before(workloads.flat_map(|workload| &workload.pods))
}

/// What of the pods of this promotion does not count after it is verified. Another tool deploys the pods of an Observed environment, which
/// are not judged then.
pub(super) fn found_when_verified(scene: &Scene<'_>) -> Vec<ExitsBefore> {
    let Some(plan) = scene.plan() else { return Vec::new() };
    if scene.environment.spec.delivery == Delivery::Observed {
        return Vec::new();
    }
    let items = plan.objects.iter().filter(|item| !item.key.is("batch", "Job"));
    let workloads = items.filter_map(|item| scene.world.workloads.get(&item.key));
    health::found_when_verified(workloads.flat_map(|workload| &workload.pods))
}

/// Changed workloads whose replicas are 0 although the content does not say so, and DaemonSets that ran on nodes and select none any
/// more: nothing of them runs.
pub(super) fn without_replicas(scene: &Scene<'_>, wanted: &[Desired]) -> Vec<ObjectRef> {
    let status = &scene.status;
    let is_unintended = |item: &&Desired| match item.key.kind() {
        "Deployment" | "StatefulSet" => {
            changes(status, &item.key) && item.object.pointer("/spec/replicas") != Some(&Value::from(0))
        }
        "DaemonSet" => status.changes.iter().any(|change| {
            ObjectKey::of_change(change).as_ref() == Some(&item.key)
                && change.had.as_ref().and_then(|had| had.replicas).is_some_and(|nodes| nodes > 0)
        }),
        _ => false,
    };
    wanted
        .iter()
        .filter(|item| is_workload(&item.key))
        .filter(is_unintended)
        .filter(|item| scene.world.workloads.get(&item.key).is_some_and(|workload| workload.desired == 0))
        .map(|item| item.key.reference())
        .collect()
}

/// Objects of custom kinds whose pod template this promotion changed, and whose controllers keep the earlier pods: nothing of it ran.
pub(super) fn without_new_pods(scene: &Scene<'_>) -> Vec<ObjectKey> {
    let started = scene.started();
    let changed = scene.status.changes.iter().filter(|change| change.new_template);
    let keys = changed.filter_map(ObjectKey::of_change);
    let keeps = |key: &ObjectKey| {
        scene.world.customs.get(key).is_some_and(|custom| keeps_earlier_pods(custom, started))
    };
    keys.filter(keeps).collect()
}

/// When this promotion wrote the object, by the clock of the API server, which dates the changes of other managers too. The own clock may differ
/// from it, and the time between the start and the write says nothing. An object that it did not write has the start of the promotion.
pub(super) fn written_since(scene: &Scene<'_>, live: &Value) -> Timestamp {
    written_at(live, FIELD_MANAGER, scene.world.promotion.revision()).unwrap_or_else(|| scene.started())
}

/// The workloads whose template another manager changed after this promotion wrote it, as far as they were read.
pub(super) fn template_changes(
    scene: &Scene<'_>,
    wanted: &[Desired],
) -> impl Iterator<Item = (ObjectKey, Changed)> {
    wanted.iter().filter_map(|item| match scene.world.live.get(&item.key)? {
        Live::Present(live) => {
            let since = written_since(scene, live);
            Some((item.key.clone(), changed_template(live, &item.object, FIELD_MANAGER, since)?))
        }
        Live::Absent | Live::Refused(_) | Live::Unserved(_) | Live::Unreadable(_) => None,
    })
}

/// The generations of the workloads that were read and have the template that this promotion wrote.
pub(super) fn unchanged(scene: &Scene<'_>, wanted: &[Desired]) -> BTreeMap<ObjectKey, i64> {
    let read = wanted.iter().filter_map(|item| match scene.world.live.get(&item.key)? {
        Live::Present(live) => Some((&item.key, live.pointer("/metadata/generation")?.as_i64()?)),
        Live::Absent | Live::Refused(_) | Live::Unserved(_) | Live::Unreadable(_) => None,
    });
    read.filter(|(key, generation)| scene.world.generations.get(*key) < Some(generation))
        .map(|(key, generation)| (key.clone(), generation))
        .collect()
}
