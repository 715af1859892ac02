//! What one lane contributes to the decision about its environment: its entry in the status, the promotion to create, and one
//! message each for work in progress, a closed gate and a failure.

use super::after_verified::{self, Alarm};
use super::{RETRY, record};
use crate::api::{
    ApplicationName, ApplicationStatus, GateReport, Meta, Promotion, PromotionKind, PromotionPhase,
    PromotionSpec, Reason, ReleaseName,
};
use crate::decide::conditions::{cut, seconds};
use crate::decide::decision::{Action, Owner};
use crate::decide::gates::calendar::deadline;
use crate::decide::gates::declared::declared;
use crate::decide::gates::gate::Gate;
use crate::decide::gates::recalls::staying;
use crate::decide::gates::{candidate, opens_at, runs_tests, waits_at};
use crate::decide::history::lane::Lane;
use crate::decide::moments::{earliest, later};
use crate::decide::world::{EnvironmentWorld, Project};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The report of one lane, or of several after [`LaneReport::merge`].
#[derive(Debug, Default)]
pub(super) struct LaneReport {
    /// Promotions to create.
    pub actions: Vec<Action>,
    /// When the first gate opens or the first deadline passes.
    pub wake_at: Option<Timestamp>,
    /// The promotion that is in progress.
    pub working: Option<String>,
    /// The gate that a release waits at.
    pub waiting: Option<String>,
    /// The failed promotion or rollback, and its message.
    pub broken: Option<(String, String)>,
    /// The recalled content that stays until a person or another tool acts.
    pub recalled: Option<String>,
    /// Verified releases that fail.
    pub failing: Vec<Alarm>,
    /// For each verified release that is judged and does not fail: since when, and until when an earlier failure counts.
    pub calm: Vec<(Timestamp, Timestamp)>,
}

impl LaneReport {
    /// Adds the report of a later lane. The messages of the first lane by name are kept.
    pub fn merge(&mut self, other: Self) {
        self.actions.extend(other.actions);
        self.wake_at = earliest(self.wake_at, other.wake_at);
        self.working = self.working.take().or(other.working);
        self.waiting = self.waiting.take().or(other.waiting);
        self.broken = self.broken.take().or(other.broken);
        self.recalled = self.recalled.take().or(other.recalled);
        self.failing.extend(other.failing);
        self.calm.extend(other.calm);
    }
}

/// The entry of an application in the status, and the report of its lane. `is_valid`: whether the environment has no fault.
pub(super) fn of(
    world: &EnvironmentWorld,
    project: &Project,
    application: &ApplicationName,
    is_valid: bool,
    now: Timestamp,
) -> (ApplicationStatus, LaneReport) {
    let lane = Lane::of(project, &world.environment, application);
    let mut entry = record::entry(&lane);
    let mut report = LaneReport::default();
    let found = after_verified::of(world, &lane, now);
    let may_promote = is_valid && found.rollback.is_none();
    report_candidate(world, project, &lane, may_promote, now, &mut entry, &mut report);
    report.wake_at = earliest(report.wake_at, found.wake_at);
    entry.failing = found.alarm.as_ref().map(|alarm| cut(&alarm.message, 1024));
    report.failing.extend(found.alarm);
    report.calm.extend(found.calm);
    if let Some((name, action)) = found.rollback {
        report.actions.push(action);
        report.working = Some(in_progress(&name));
        entry.active = Some(name);
    }
    let is_open = |promotion: &&Promotion| !promotion.phase().is_final();
    let pending = lane.pending.iter().rev().copied().find(is_open);
    if let Some((promotion, gate)) = pending.and_then(|promotion| Some((promotion, waits_at(promotion)?))) {
        report_waiting(world, project, promotion, &gate, now, &mut entry, &mut report);
    }
    let active = lane.running().or_else(|| pending.filter(|promotion| waits_at(promotion).is_none()));
    if let Some(active) = active {
        entry.active = Some(active.name().to_owned());
        report.working.get_or_insert_with(|| progress(active));
    }
    if let Some(failed) = lane.current().filter(|promotion| promotion.phase().has_failed()) {
        let message = failed.status.as_ref().and_then(|status| status.message.clone()).unwrap_or_default();
        report.broken = Some((failed.name().to_owned(), message));
    }
    report.recalled = staying(project, &world.environment, &lane);
    entry.recalled = report.recalled.as_ref().map(|message| cut(message, 2048));
    (entry, report)
}

/// The release that the controller could promote next: creates its promotion, or reports the gate that is closed.
fn report_candidate(
    world: &EnvironmentWorld,
    project: &Project,
    lane: &Lane<'_>,
    is_valid: bool,
    now: Timestamp,
    entry: &mut ApplicationStatus,
    report: &mut LaneReport,
) {
    let Some((release, gate)) = candidate(project, &world.environment, lane, now) else { return };
    match gate {
        Gate::Open if is_valid => {
            if let Some((name, action)) = promote(world, lane, &release.release_name()) {
                report.actions.push(action);
                report.working = Some(in_progress(&name));
                entry.active = Some(name);
            }
        }
        // The content is captured within seconds, and no user can open this gate.
        Gate::Closed { gate: Reason::Content, .. } => {}
        Gate::Open | Gate::Never { .. } => {}
        Gate::Closed { gate, message, until } => {
            report.wake_at = earliest(until, deadline(release, now));
            let is_refused = || declared(project, &world.environment, release).refusal.is_some();
            if gate == Reason::Requester || (gate == Reason::Freeze && is_refused()) {
                // Rights cannot be watched, so they are checked again.
                report.wake_at = earliest(report.wake_at, Some(later(now, RETRY)));
            }
            report.waiting = Some(format!("{} waits: {gate}: {message}", release.name()));
            entry.waiting = Some(GateReport {
                release: release.release_name(),
                gate: gate.to_string(),
                message: cut(&message, 2048),
                until: until.map(|at| Time(seconds(at))),
            });
        }
    }
}

/// A promotion that exists and waits at a gate.
fn report_waiting(
    world: &EnvironmentWorld,
    project: &Project,
    promotion: &Promotion,
    gate: &Reason,
    now: Timestamp,
    entry: &mut ApplicationStatus,
    report: &mut LaneReport,
) {
    let message = promotion.status.as_ref().and_then(|status| status.message.clone()).unwrap_or_default();
    let release = project.releases.get(&promotion.spec.release);
    let until = release.and_then(|release| opens_at(project, &world.environment, release, promotion, now));
    report.waiting.get_or_insert_with(|| format!("{} waits: {gate}: {message}", promotion.spec.release));
    entry.waiting = Some(GateReport {
        release: promotion.spec.release.clone(),
        gate: gate.to_string(),
        message: cut(&message, 2048),
        until: until.map(|at| Time(seconds(at))),
    });
}

/// The message for the active promotion: why it has not started, if its status reports that.
fn progress(active: &Promotion) -> String {
    let pending = active.status.as_ref().filter(|status| status.phase == PromotionPhase::Pending);
    let pending = pending.filter(|_| !runs_tests(active));
    match pending.and_then(|status| status.message.as_ref()) {
        Some(message) => format!("{}: {message}", active.name()),
        None => in_progress(active.name()),
    }
}

/// The same from the creation of a promotion to its end, because the promotion's own status reports the steps.
fn in_progress(promotion: &str) -> String {
    format!("{promotion} is in progress")
}

/// The promotion to create for a release, and its name. None while a rollback is in progress or pending: the end of the rollback
/// wakes this environment.
fn promote(world: &EnvironmentWorld, lane: &Lane<'_>, release: &ReleaseName) -> Option<(String, Action)> {
    let rolls_back = lane.pending.iter().chain(lane.revisions.iter()).any(|other| {
        other.spec.kind == PromotionKind::Rollback && !other.phase().is_final() && !other.deleting()
    });
    if rolls_back {
        return None;
    }
    let environment = &world.environment;
    let name = free_name(world, lane, format!("{}-{release}", environment.name()));
    let action = Action::CreatePromotion {
        name: name.clone(),
        application: lane.application.clone(),
        spec: Box::new(PromotionSpec {
            release: release.clone(),
            environment: environment.environment_name(),
            application: Some(lane.application.clone()),
            kind: PromotionKind::Promote,
            to_revision: None,
            reason: None,
            override_: None,
            dry_run: false,
            requested_by: None,
            cause: None,
        }),
        owner: Owner::environment(environment),
    };
    Some((name, action))
}

/// The name of a new promotion: if it is taken, the number of the next revision is appended, or the next free number. Promotions that
/// ended before they started have no revision and may hold several of these names.
fn free_name(world: &EnvironmentWorld, lane: &Lane<'_>, name: String) -> String {
    let is_free = |name: &String| !world.project.promotions.contains_key(name);
    let first = lane.next_revision();
    let numbered = (0..1000).map(|nth| format!("{name}-{}", first.saturating_add(nth)));
    std::iter::once(name.clone()).chain(numbered).find(is_free).unwrap_or(name)
}
