//! The life cycle of a promotion.
//!
//! ```text
//!   Pending --+--> Promoting --+--> Verified      the observe window ended, and everything is healthy
//!             |                |
//!             +--> Observing --+--> Superseded    a later promotion started
//!             |                |
//!             |                +--> Failed        a check failed, or the promotion cannot continue
//!             |                |
//!             |                +--> Inconclusive  the observe window ended, and nothing shows whether the release is good
//!             |
//!             +--> Cancelled    no longer needed: the release was deleted, a deadline passed, a later promotion started
//!             |
//!             +--> Failed       refused until the progress deadline, or impossible; nothing was written
//!
//!   A promotion with `spec.dryRun` is another life: Pending -> Compared, or Failed or Cancelled ([`dry_run`]).
//!
//!   Pending -> Promoting   delivery Managed: gates, lane, consent, approvals and the dry-run of every object passed
//!   Pending -> Observing   delivery Observed: gates, lane and consent passed; another tool deploys
//!
//!   A check of a promotion fails, and the rollback policy rolls back:
//!
//!       promotion   Promoting ------------------------------> Failed, with the failure as its reason
//!                       |                                       ^
//!                       | 1. creates                            | 3. has started
//!                       v                                       |
//!       rollback    Pending ---- 2. gates do not apply ----> Promoting ---- 4. restored and healthy ----> Verified
//!
//!   A check fails, and the policy holds or notifies, or there is no target: Failed at once, and nothing is written.
//! ```
//!
//! The tests of a promotion run at the beginning of its observe window, which does not end before them.
//!
//! A user's rollback ends a running promotion in the same way, from step 2. One to another revision than a running rollback restores
//! supersedes that one.
//! A rollback has no observe window, because its content was verified before. A failed rollback is not rolled back.
//! A promotion that is `Observing` is never rolled back: another tool deploys there. When a later promotion starts, it becomes
//! `Verified` instead of `Superseded` if it was healthy for the `soak` of the environment.
//!
//! Invariant: a promotion of a managed environment stays `Promoting` through its observe window. The start of the window is written to
//! the status when it begins, unless the window is shorter than 5 s; then it follows from the pods and from the memory of the process
//! ([`Action::MarkRolledOut`]).

mod as_written;
mod awaited;
mod batch;
mod check_reports;
mod checks;
mod consequence;
mod delay;
mod dependants;
mod desired;
mod drift;
mod dropped;
mod dry_run;
mod ending;
mod gates;
mod health;
mod hooks;
mod intent;
mod needs;
mod observing;
mod outcome;
mod pending;
mod preflight;
mod recalled;
mod refusal;
mod removals;
mod retries;
mod rolling;
mod rollout;
mod running;
mod schedules;
mod start;
mod steps;
mod terminating;
mod test_runs;
mod tries;
mod writes;

pub use consequence::{Failure, Next, budget_changes_at, consequence, next, rollback_names};
pub use needs::{contents, live_objects, plans, regression};
pub use schedules::date_schedules;

use super::conditions;
use super::conditions::{State, seconds};
use super::decision::{self, Note, Target};
use super::delivery::delivered;
use super::environment::validate;
use super::history::lane::{Lane, is_of_other_content};
use super::world::PromotionWorld;
use crate::api::{
    ApplicationName, CachedRelease, Environment, GateName, Meta, PromotionKind, PromotionPhase,
    PromotionStatus, Reason, RollbackPolicySpec,
};
use crate::content::Plan;
use crate::content::ownership::owner;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How long a promotion that names a missing object stays pending before it is cancelled.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
/// The delay before a refused step is retried.
const RETRY: SignedDuration = SignedDuration::from_secs(10);

/// The decision about a promotion.
pub type Decision = decision::Decision<PromotionStatus>;

/// Decides about one promotion.
pub fn decide(world: &PromotionWorld, now: Timestamp) -> Decision {
    let decision = decided(world, now);
    Decision { delivered: delivered(world, &decision), ..decision }
}

fn decided(world: &PromotionWorld, now: Timestamp) -> Decision {
    if world.promotion.phase().is_final() || world.promotion.deleting() {
        return Decision::default();
    }
    if let Some(message) = unreadable(world) {
        // A dry run always ends.
        return match world.promotion.spec.dry_run {
            true => unknown(world, now, message),
            false => blocked(world, now, message),
        };
    }
    let spec = &world.promotion.spec;
    let Some(environment) = world.project.environments.get(&spec.environment) else {
        return unknown(
            world,
            now,
            format!("spec.environment names {}, which does not exist", spec.environment),
        );
    };
    let Some(application) = world.project.application_of(&world.promotion) else {
        return unknown(world, now, format!("spec.release names {}, which does not exist", spec.release));
    };
    let lane = Lane::of(&world.project, environment, &application);
    let mut scene = Scene {
        world,
        environment,
        application,
        release: world.project.releases.get(&spec.release).map(|release| release.as_ref()),
        policy: validate::policy(&world.project, environment),
        lane,
        status: world.promotion.status.clone().unwrap_or_default(),
        now,
    };
    let mut status = hooks::observed(&scene);
    test_runs::observe(&scene, &mut status);
    health::record_disruptions(&scene, &mut status);
    scene.status = status;
    let ended = |outcome| ending::finish(&scene, outcome);
    if world.promotion.spec.dry_run {
        return dry_run::decide(&scene).unwrap_or_else(ended);
    }
    match world.promotion.phase() {
        PromotionPhase::Pending => pending::decide(&scene),
        PromotionPhase::Promoting | PromotionPhase::Observing => {
            let decision = hooks::remember(&scene, running::decide(&scene).unwrap_or_else(ended));
            retries::hold_back(&scene, test_runs::remember(&scene, decision))
        }
        PromotionPhase::Verified
        | PromotionPhase::Failed
        | PromotionPhase::Inconclusive
        | PromotionPhase::Superseded
        | PromotionPhase::Cancelled
        | PromotionPhase::Compared => Decision::default(),
    }
}

/// The world of one promotion, with the objects that its decision refers to.
pub(super) struct Scene<'a> {
    world: &'a PromotionWorld,
    environment: &'a Environment,
    application: ApplicationName,
    release: Option<&'a CachedRelease>,
    policy: RollbackPolicySpec,
    lane: Lane<'a>,
    /// The stored status, with the hooks and tests that have ended and the pods of Jobs that were disrupted since it was written.
    status: PromotionStatus,
    now: Timestamp,
}

impl<'a> Scene<'a> {
    fn is_rollback(&self) -> bool {
        self.world.promotion.spec.kind == PromotionKind::Rollback
    }

    /// The plan of what this promotion writes, if its content could be read.
    fn plan(&self) -> Option<&'a Plan> {
        self.world.plans.content.as_ref()?.as_ref().ok()
    }

    /// Whether a user accepted the release without evidence: health alone decides.
    fn is_accepted(&self) -> bool {
        let override_ = self.world.promotion.spec.override_.as_ref();
        override_.is_some_and(|override_| override_.gates.contains(&GateName::Evidence))
    }

    /// Whether its release was deleted and recreated with other content.
    fn is_of_another_release(&self) -> bool {
        self.release.is_some_and(|release| is_of_other_content(&self.world.promotion, release))
    }

    fn revision(&self) -> i64 {
        self.world.promotion.revision().unwrap_or_else(|| self.lane.next_revision())
    }

    fn target(&self) -> Target {
        Target { environment: self.world.project.id(self.environment), location: self.environment.location() }
    }

    /// The value of the owner annotation on every written object.
    fn owner(&self) -> String {
        owner(&self.world.project.id(self.environment), &self.application)
    }

    /// When the promotion started; now, if it has not.
    fn started(&self) -> Timestamp {
        self.status.started_at.as_ref().map_or(self.now, |time| time.0)
    }

    /// The current time in whole seconds, as the API stores it.
    fn time(&self) -> Time {
        Time(seconds(self.now))
    }

    /// The current time, rounded up to whole seconds, so that a window that starts then is not shortened.
    fn time_after(&self) -> Time {
        let floor = seconds(self.now);
        Time(if floor == self.now {
            floor
        } else {
            super::moments::later(floor, SignedDuration::from_secs(1))
        })
    }

    /// Returns the status with this phase, reason and message, and the conditions that follow from them.
    fn write(
        &self,
        mut status: PromotionStatus,
        phase: PromotionPhase,
        reason: &Reason,
        message: &str,
    ) -> PromotionStatus {
        status.observed_generation = self.world.promotion.generation();
        status.phase = phase;
        status.application = Some(self.application.clone());
        // The content is fixed before anything is written.
        if status.release_digest.is_none() && self.world.promotion.revision().is_none() && !self.is_rollback()
        {
            status.release_digest = self.release.and_then(|release| Some(release.digest()?.to_owned()));
        }
        status.reason = Some(conditions::cut(reason.as_str(), 64));
        status.message = Some(conditions::cut(message, 1024));
        status.epoch = status.epoch.max(self.world.epoch);
        status.conditions = promotion_conditions(&status, self.world, self.now);
        status
    }

    /// Reports what the promotion waits for.
    fn wait(&self, reason: &Reason, message: &str, wake_at: Option<Timestamp>) -> Decision {
        self.wait_with(self.status.clone(), reason, message, wake_at)
    }

    /// The same, with a changed status.
    fn wait_with(
        &self,
        status: PromotionStatus,
        reason: &Reason,
        message: &str,
        wake_at: Option<Timestamp>,
    ) -> Decision {
        // A waiting promotion is not refused.
        self.stay(PromotionStatus { refused_since: None, ..status }, reason, message, wake_at)
    }

    /// Reports a status with the same phase, without actions.
    fn stay(
        &self,
        status: PromotionStatus,
        reason: &Reason,
        message: &str,
        wake_at: Option<Timestamp>,
    ) -> Decision {
        let stored = &self.status;
        let is_memory = status.refused_since != stored.refused_since
            || status.approvals != stored.approvals
            || status.waiting_since != stored.waiting_since;
        let phase = status.phase;
        let changed = changed(self.world, self.write(status, phase, reason, message));
        let (memory, report) = if is_memory { (changed, None) } else { (None, changed) };
        Decision { memory, report, wake_at, ..Decision::default() }
    }
}

fn promotion_conditions(
    status: &PromotionStatus,
    world: &PromotionWorld,
    now: Timestamp,
) -> Vec<crate::api::Condition> {
    let state = match status.phase {
        PromotionPhase::Pending | PromotionPhase::Promoting | PromotionPhase::Observing => State::Reconciling,
        PromotionPhase::Verified | PromotionPhase::Superseded | PromotionPhase::Compared => State::Ready,
        PromotionPhase::Failed | PromotionPhase::Inconclusive | PromotionPhase::Cancelled => State::Stalled,
    };
    let stored =
        world.promotion.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let reason = Reason::from(status.reason.as_deref().unwrap_or_default());
    let message = status.message.as_deref().unwrap_or_default();
    let mut list = conditions::of_state(&state, &reason, message, status.observed_generation, stored, now);
    list.extend(status.conditions.iter().filter(|condition| condition.type_ == crate::api::HOLDS).cloned());
    list
}

/// The status, unless it equals what is stored.
fn changed(world: &PromotionWorld, status: PromotionStatus) -> Option<PromotionStatus> {
    (world.promotion.status.as_ref() != Some(&status)).then_some(status)
}

/// The message if an object in the spec exists and cannot be decoded. It is not treated as missing. A rollback does not need its
/// release.
fn unreadable(world: &PromotionWorld) -> Option<String> {
    let spec = &world.promotion.spec;
    // A started promotion does not need its release: its health is still checked, and a failure is rolled back.
    let starts = spec.kind == PromotionKind::Promote && !world.promotion.phase().is_running();
    let release = starts.then_some(("Release", spec.release.as_str()));
    let named = [Some(("Environment", spec.environment.as_str())), release];
    named.into_iter().flatten().find_map(|(kind, name)| {
        let error = world.project.undecodable.get(&(kind.to_owned(), name.to_owned()))?;
        Some(format!("{kind} {name} cannot be read: {error}"))
    })
}

/// Keeps the phase until the object can be decoded. Its change requeues the promotion.
fn blocked(world: &PromotionWorld, now: Timestamp, message: String) -> Decision {
    let mut status = world.promotion.status.clone().unwrap_or_default();
    status.observed_generation = world.promotion.generation();
    status.reason = Some(Reason::Undecodable.to_string());
    status.message = Some(conditions::cut(&message, 1024));
    status.epoch = status.epoch.max(world.epoch);
    status.conditions = promotion_conditions(&status, world, now);
    Decision { report: changed(world, status), ..Decision::default() }
}

/// An object in the spec does not exist, or not yet. Waits for it, then ends the promotion.
fn unknown(world: &PromotionWorld, now: Timestamp, message: String) -> Decision {
    let deadline = super::moments::later(world.promotion.created(), PATIENCE);
    let mut status = world.promotion.status.clone().unwrap_or_default();
    let was_running = status.phase.is_running();
    let is_over = was_running || now >= deadline;
    status.observed_generation = world.promotion.generation();
    status.phase = match (is_over, was_running) {
        (_, true) => PromotionPhase::Failed,
        (true, false) => PromotionPhase::Cancelled,
        (false, false) => PromotionPhase::Pending,
    };
    status.reason = Some(Reason::NotFound.to_string());
    status.message = Some(conditions::cut(&message, 1024));
    if is_over {
        status.finished_at = Some(Time(seconds(now)));
    }
    status.conditions = promotion_conditions(&status, world, now);
    Decision {
        report: changed(world, status),
        wake_at: (!is_over).then_some(deadline),
        ..Decision::default()
    }
}

/// An Event of type Warning.
fn warning(reason: Reason, message: String) -> Note {
    Note { warning: true, reason, message }
}

/// An Event of type Normal.
fn note(reason: Reason, message: String) -> Note {
    Note { warning: false, reason, message }
}
