//! A verified release that fails while it runs: what is judged, and what follows.
//!
//! Invariant: only what begins after the verification counts. What its pods went through before is in the record of the promotion
//! (`exitsBefore`), so no time of the controller decides. Nothing is rolled back before the live objects of its workloads were compared with what was
//! written: what another manager changed is no longer the release.

use super::RETRY;
use super::validate::policy;
use crate::api::{
    AfterVerifiedAction, ApplicationName, Delivery, Disruption, Environment, FIELD_MANAGER,
    FailureThresholds, Meta, Promotion, PromotionKind, PromotionPhase, PromotionSpec, PromotionStatus,
    Reason, RollbackPolicySpec,
};
use crate::content::ObjectKey;
use crate::content::ownership::fields::{Changed, changed_template, written_at};
use crate::decide::decision::Action;
use crate::decide::health::{
    Health, Mode, Rules, disruptions, is_cron_job, is_workload, of_all, record_disruptions, subjects,
};
use crate::decide::history::lane::Lane;
use crate::decide::moments::{earliest, later, span};
use crate::decide::promotion::{Failure, Next, budget_changes_at, consequence, next};
use crate::decide::recall::is_of_recall;
use crate::decide::requires::is_of_requirement;
use crate::decide::world::{EnvironmentWorld, Live, Project};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How long pods have to stay ready before a failure counts as over: pods that become ready and unready in turn are one failure.
const CALM: SignedDuration = SignedDuration::from_secs(60);

/// A verified release that fails.
#[derive(Clone, Debug)]
pub(super) struct Alarm {
    /// What failed.
    pub reason: Reason,
    /// The message of the condition. It stays the same while containers are restarted: each other message would be a write.
    pub message: String,
    /// The message of the Event.
    pub details: String,
}

/// What was found in one lane.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The rollback to create, and its name.
    pub rollback: Option<(String, Action)>,
    /// The failure.
    pub alarm: Option<Alarm>,
    /// Since when a release that does not fail is judged, and until when an earlier failure of it counts.
    pub calm: Option<(Timestamp, Timestamp)>,
    /// When to judge again although nothing changed.
    pub wake_at: Option<Timestamp>,
}

/// A verified promotion whose workloads are judged.
struct Watch<'a> {
    current: &'a Promotion,
    /// What runs, in words.
    runs: String,
    status: &'a PromotionStatus,
    verified: Timestamp,
    until: Timestamp,
    keys: BTreeSet<ObjectKey>,
}

/// A workload that fails.
struct Failing {
    key: ObjectKey,
    reason: Reason,
    message: String,
}

/// Whether a verified release of an environment is judged now.
pub fn is_watched(project: &Project, environment: &Environment, now: Timestamp) -> bool {
    let rules = policy(project, environment);
    rules.after_verified.action != AfterVerifiedAction::Ignore
        && project.by_application().iter().any(|(application, project)| {
            watch(environment, &Lane::of(project, environment, application), &rules, now).is_some()
        })
}

/// The workloads to compare with what was written: those of a release that fails.
pub fn compared(world: &EnvironmentWorld, now: Timestamp) -> BTreeSet<ObjectKey> {
    if world.watched.workloads.is_empty() {
        return BTreeSet::new();
    }
    let environment = &world.environment;
    let rules = policy(&world.project, environment);
    let mut keys = BTreeSet::new();
    for (application, project) in world.project.by_application() {
        let lane = Lane::of(&project, environment, &application);
        if let Some(watch) = watch(environment, &lane, &rules, now)
            && failing(world, &watch, &rules, now).is_ok_and(|failing| failing.is_some())
        {
            keys.extend(watch.keys.into_iter().filter(|key| is_compared(world, key)));
        }
    }
    keys
}

fn is_compared(world: &EnvironmentWorld, key: &ObjectKey) -> bool {
    is_workload(key) && world.watched.workloads.contains_key(key)
}

/// Judges what runs in a lane.
pub(super) fn of(world: &EnvironmentWorld, lane: &Lane<'_>, now: Timestamp) -> Found {
    if let Some(rollback) = rollback_in_progress(lane) {
        return Found { alarm: Some(rolled_back(&rollback.spec, rollback.name())), ..Found::default() };
    }
    let rules = policy(&world.project, &world.environment);
    let Some(watch) = watch(&world.environment, lane, &rules, now) else { return Found::default() };
    match failing(world, &watch, &rules, now) {
        Ok(None) => {
            let calm = calm_at(world, &watch, now).filter(|at| *at > now).map(|at| (watch.verified, at));
            Found { calm, wake_at: Some(watch.until), ..Found::default() }
        }
        Err(recheck_at) => {
            let calm = Some((watch.verified, later(now, CALM)));
            Found { calm, wake_at: earliest(recheck_at, Some(watch.until)), ..Found::default() }
        }
        Ok(Some(failing)) => match written_template(world, &watch) {
            Template::Changed(key, changed) => {
                let cause = format!(
                    "{} changed {} of {key}, so what runs is not what was released: nothing is rolled back",
                    changed.manager, changed.field
                );
                let alarm = Some(alarm(&watch, &failing, &cause));
                Found { alarm, wake_at: Some(watch.until), ..Found::default() }
            }
            Template::Unread => {
                let soon = later(now, SignedDuration::from_secs(1));
                Found { wake_at: Some(soon), ..Found::default() }
            }
            Template::Written => failed(world, lane, &watch, &rules, &failing, now),
            Template::Unknown(why) => {
                let cause = format!(
                    "{why}; nothing is rolled back before it is known that no other manager changed the pod template"
                );
                let wake_at = earliest(Some(later(now, RETRY)), Some(watch.until));
                Found { alarm: Some(alarm(&watch, &failing, &cause)), wake_at, ..Found::default() }
            }
        },
    }
}

/// Records the disruptions of the runs that are judged: their pods are gone soon, and then nothing else shows that they did not fail.
pub(super) fn record(
    world: &EnvironmentWorld,
    applications: &BTreeMap<ApplicationName, Project>,
    recorded: &mut Vec<Disruption>,
    now: Timestamp,
) {
    let (environment, workloads) = (&world.environment, &world.watched.workloads);
    let rules = policy(&world.project, environment);
    let lanes = applications.iter().map(|(name, project)| Lane::of(project, environment, name));
    let watches: Vec<Watch<'_>> = lanes.filter_map(|lane| watch(environment, &lane, &rules, now)).collect();
    let seen = watches.iter().flat_map(|watch| {
        let judged = watch.keys.iter().filter_map(|key| workloads.get(key));
        judged.flat_map(|workload| disruptions(workload, watch.verified))
    });
    record_disruptions(recorded, seen);
}

/// The promotion that runs in a lane, if it is verified and judged now. While something else is in progress, that decides.
fn watch<'a>(
    environment: &Environment,
    lane: &Lane<'a>,
    rules: &RollbackPolicySpec,
    now: Timestamp,
) -> Option<Watch<'a>> {
    let after = &rules.after_verified;
    if after.action == AfterVerifiedAction::Ignore || environment.spec.delivery == Delivery::Observed {
        return None;
    }
    let current = lane.current().filter(|current| current.phase() == PromotionPhase::Verified)?;
    let is_busy = lane.running().is_some() || lane.waiting_rollbacks().next().is_some();
    if is_busy || lane.recalled_by(current).is_some() {
        return None;
    }
    let status = current.status.as_ref()?;
    let verified = status.finished_at.as_ref()?.0;
    let until = later(verified, span(after.for_));
    let keys = written(lane, current);
    let runs = runs(lane, current);
    (now < until && !keys.is_empty()).then_some(Watch { current, runs, status, verified, until, keys })
}

/// What runs after a promotion. The release in the spec of a rollback is the one that it reverted.
fn runs<'a>(lane: &Lane<'a>, current: &'a Promotion) -> String {
    if current.spec.kind == PromotionKind::Promote {
        return current.spec.release.to_string();
    }
    let origin = lane.content_of(current);
    let restored = origin.map_or("revision 0", |origin| origin.spec.release.as_str());
    format!("{restored}, which {} restored,", current.name())
}

/// The workloads that a promotion wrote. What its predecessors with the same content wrote counts as its own. Jobs have ended, and nothing watches
/// objects of custom kinds.
fn written(lane: &Lane<'_>, current: &Promotion) -> BTreeSet<ObjectKey> {
    let digest = |promotion: &Promotion| promotion.status.as_ref().and_then(|it| it.digest.clone());
    let own = digest(current);
    let is_same =
        |other: &&Promotion| other.name() == current.name() || (own.is_some() && digest(other) == own);
    let statuses = lane.here().rev().take_while(is_same).filter_map(|promotion| promotion.status.as_ref());
    let is_exempt = |status: &PromotionStatus, key: &ObjectKey| {
        status.failing_before.iter().any(|old| key.is_named_by(old))
    };
    // A rollback does not answer for the runs of a CronJob.
    let is_rollback = current.spec.kind == PromotionKind::Rollback;
    let is_judged =
        |key: &ObjectKey| (is_workload(key) && key.kind() != "Job") || (is_cron_job(key) && !is_rollback);
    statuses
        .flat_map(|status| {
            let changes = status.changes.iter().filter(|change| change.action.is_write());
            let keys = changes.filter_map(ObjectKey::of_change);
            keys.filter(move |key| !is_exempt(status, key))
        })
        .filter(is_judged)
        .collect()
}

/// The first workload that fails. If there is none, an error that is not final yet has the time at which to judge again.
fn failing(
    world: &EnvironmentWorld,
    watch: &Watch<'_>,
    rules: &RollbackPolicySpec,
    now: Timestamp,
) -> Result<Option<Failing>, Option<Timestamp>> {
    // In a long time, nodes run out of resources without a fault of the release.
    let limits = FailureThresholds { evictions: i32::MAX, ..rules.failing.clone() };
    let rules = Rules {
        limits: &limits,
        before: &watch.status.exits_before,
        awaits: &[],
        started: watch.verified,
        mode: Mode::Observe,
        now,
    };
    let (workloads, customs) = (&world.watched.workloads, BTreeMap::new());
    // Who deletes a workload does not say that the release is bad.
    let there = watch.keys.iter().filter(|key| workloads.contains_key(*key));
    let mut recheck = None;
    for subject in subjects(there, workloads, &customs, |_| false) {
        match of_all(std::slice::from_ref(&subject), &rules) {
            Health::Healthy => {}
            Health::Progressing { recheck_at, .. } => recheck = earliest(recheck, recheck_at),
            Health::Failing { reason, message } => {
                return Ok(Some(Failing { key: subject.key.clone(), reason, message }));
            }
        }
    }
    match recheck {
        None => Ok(None),
        some => Err(some),
    }
}

/// Whether the pod templates of a release are what was written.
enum Template {
    Written,
    /// Another manager changed or extended one.
    Changed(ObjectKey, Changed),
    /// One cannot be read; why.
    Unknown(String),
    /// One was not read yet.
    Unread,
}

fn written_template(world: &EnvironmentWorld, watch: &Watch<'_>) -> Template {
    // By the clock of the API server, where this promotion wrote the object.
    let since = |live: &Value| {
        let started = || watch.status.started_at.as_ref().map_or(watch.verified, |time| time.0);
        written_at(live, FIELD_MANAGER, watch.current.revision()).unwrap_or_else(started)
    };
    let mut found = Template::Written;
    for key in watch.keys.iter().filter(|key| is_compared(world, key)) {
        match world.watched.live.get(key) {
            None => found = Template::Unread,
            Some(Live::Absent) => {}
            // Labels and annotations of a template change nothing that runs.
            Some(Live::Present(live)) => {
                if let Some(changed) = changed_template(live, &Value::Null, FIELD_MANAGER, since(live)) {
                    return Template::Changed(key.clone(), changed);
                }
            }
            Some(live) => {
                if let (Some(why), Template::Written) = (live.unread(), &found) {
                    found = Template::Unknown(format!("{key} cannot be read: {why}"));
                }
            }
        }
    }
    found
}

/// What follows from a failure.
fn failed(
    world: &EnvironmentWorld,
    lane: &Lane<'_>,
    watch: &Watch<'_>,
    rules: &RollbackPolicySpec,
    failing: &Failing,
    now: Timestamp,
) -> Found {
    if rules.after_verified.action == AfterVerifiedAction::Notify {
        let cause = "the rollback policy has afterVerified.action: Notify, so nothing is written";
        let alarm = Some(alarm(watch, failing, cause));
        return Found { alarm, wake_at: Some(watch.until), ..Found::default() };
    }
    let failure = Failure {
        project: &world.project,
        environment: &world.environment,
        lane,
        policy: rules,
        promotion: watch.current,
        status: watch.status,
        now,
    };
    let reason = format!("failed after it was verified: {}", failing.message);
    match next(&failure, consequence(&failure), &failing.reason, &reason) {
        Next::Create(action) => {
            let Action::CreatePromotion { name, spec, .. } = action.as_ref() else { return Found::default() };
            let alarm = rolled_back(spec, name);
            Found { rollback: Some((name.clone(), *action)), alarm: Some(alarm), ..Found::default() }
        }
        Next::Await => Found::default(),
        Next::Stay { cause, .. } => {
            let wake_at = earliest(Some(watch.until), budget_changes_at(&failure));
            Found { alarm: Some(alarm(watch, failing, &cause)), wake_at, ..Found::default() }
        }
    }
}

fn alarm(watch: &Watch<'_>, failing: &Failing, cause: &str) -> Alarm {
    let Failing { key, reason, message } = failing;
    let runs = &watch.runs;
    Alarm {
        reason: reason.clone(),
        message: format!("{runs} fails after it was verified: {key}: {reason}; {cause}"),
        details: format!("{runs} failed after it was verified: {message}; {cause}"),
    }
}

/// The alarm from the creation of a rollback to its end, with the words of its spec.
fn rolled_back(spec: &PromotionSpec, name: &str) -> Alarm {
    let why = spec.reason.as_deref().unwrap_or_default();
    let message = match spec.to_revision {
        Some(revision) => format!("{} {why}; {name} restores revision {revision}", spec.release),
        None => format!("{} {why}; {name} follows", spec.release),
    };
    let reason = spec.cause.as_deref().map_or(Reason::Failed, Reason::from);
    Alarm { reason, details: message.clone(), message }
}

/// The rollback of a verified promotion that failed afterwards, until it has ended.
fn rollback_in_progress<'a>(lane: &Lane<'a>) -> Option<&'a Promotion> {
    let is_verified = |promotion: &Promotion| promotion.phase() == PromotionPhase::Verified;
    let of_failure = |rollback: &Promotion| {
        rollback.spec.kind == PromotionKind::Rollback
            && rollback.is_automatic()
            && !is_of_recall(rollback)
            && !is_of_requirement(rollback)
    };
    let replaced = |rollback: &Promotion| lane.revision(rollback.status.as_ref()?.replaces?);
    let running = lane.running().filter(|rollback| of_failure(rollback));
    let running = running.filter(|rollback| replaced(rollback).is_some_and(is_verified));
    let is_pending = || lane.current().is_some_and(is_verified);
    running.or_else(|| lane.waiting_rollbacks().find(|rollback| of_failure(rollback) && is_pending()))
}

/// When every pod of a release that does not fail has been ready for a while. One that is not ready may fail again, as one does whose image
/// cannot be pulled.
fn calm_at(world: &EnvironmentWorld, watch: &Watch<'_>, now: Timestamp) -> Option<Timestamp> {
    let workloads = watch.keys.iter().filter_map(|key| world.watched.workloads.get(key));
    let pods = || workloads.clone().flat_map(|workload| &workload.pods);
    if pods().any(|pod| pod.is_staying() && !pod.ready) {
        return Some(later(now, CALM));
    }
    pods().filter_map(|pod| pod.ready_since).max().map(|since| later(since, CALM))
}

#[cfg(test)]
#[path = "after_verified_tests.rs"]
mod tests;
