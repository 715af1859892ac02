//! A promotion: `Pending -> Promoting -> Verified`, and `Failed` from each of them.
//!
//! ```text
//!            gates, consent, preflight        waves healthy, then healthy through the observe window
//!   Pending ---------------------------> Promoting ------------------------------------------------> Verified
//!      |  refused for too long               |  a check fails
//!      v                                     v
//!    Failed                                Failed -- the policy says Rollback --> a Promotion of kind Rollback,
//!                                                                                 which passes the same states
//! ```
//!
//! The moment at which everything is rolled out is not written: the pods tell it, and the process remembers it
//! ([`Action::MarkRolledOut`]). It stands in the record with the outcome. Where somebody else deploys, a promotion is
//! `Observing` from its start, which nothing else could tell.
//!
//! A revision that a later one replaced before it was verified is `Superseded`.

mod consequence;
mod desired;
mod gates;
mod health;
mod needs;
mod outcome;
mod pending;
mod preflight;
mod refusal;
mod running;
mod start;
mod steps;
mod writes;

pub use consequence::rollback_names;
pub use needs::{contents, live_objects, plans};

use super::conditions;
use super::conditions::{State, seconds};
use super::decision::{self, Action, Note, Target};
use super::environment::validate;
use super::history::lane::{Lane, is_of_other_content};
use super::world::PromotionWorld;
use crate::api::Meta;
use crate::api::{
    CachedRelease, Environment, PromotionKind, PromotionPhase, PromotionStatus, Reason, RollbackPolicySpec,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How long a promotion that names something unknown is kept pending before it is cancelled.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
/// How soon a refusal is tried again.
const RETRY: SignedDuration = SignedDuration::from_secs(10);

/// What is decided about a promotion.
pub type Decision = decision::Decision<PromotionStatus>;

/// Decides about one promotion.
pub fn decide(world: &PromotionWorld, now: Timestamp) -> Decision {
    if world.promotion.phase().is_final() || world.promotion.deleting() {
        return Decision::default();
    }
    if let Some(message) = unreadable(world) {
        return held_up(world, now, message);
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
    let lane = Lane::of(&world.project, environment, application);
    let scene = Scene {
        world,
        environment,
        application,
        release: world.project.releases.get(&spec.release).map(|release| release.as_ref()),
        policy: validate::policy(&world.project, environment),
        lane,
        now,
    };
    match world.promotion.phase() {
        PromotionPhase::Pending => pending::decide(&scene),
        PromotionPhase::Promoting | PromotionPhase::Observing => running::decide(&scene),
        PromotionPhase::Verified
        | PromotionPhase::Failed
        | PromotionPhase::Superseded
        | PromotionPhase::Cancelled => Decision::default(),
    }
}

/// The world of one promotion with everything that its steps look up.
pub(super) struct Scene<'a> {
    world: &'a PromotionWorld,
    environment: &'a Environment,
    application: &'a str,
    release: Option<&'a CachedRelease>,
    policy: RollbackPolicySpec,
    lane: Lane<'a>,
    now: Timestamp,
}

impl Scene<'_> {
    fn status(&self) -> PromotionStatus {
        self.world.promotion.status.clone().unwrap_or_default()
    }

    fn is_rollback(&self) -> bool {
        self.world.promotion.spec.kind == PromotionKind::Rollback
    }

    /// Whether the release that it is about was deleted and another of its name created.
    fn is_of_another_release(&self) -> bool {
        self.release.is_some_and(|release| is_of_other_content(&self.world.promotion, release))
    }

    fn revision(&self) -> i64 {
        self.world.promotion.revision().unwrap_or_else(|| self.lane.next_revision())
    }

    fn target(&self) -> Target {
        Target {
            project: self.world.project.name.clone(),
            environment: self.environment.name().into(),
            location: self.environment.location(),
        }
    }

    /// The mark of the owner on every object that is written.
    fn owner(&self) -> String {
        desired::owner(&self.world.project.name, self.environment.name(), self.application)
    }

    /// The moment, as the API keeps it.
    fn time(&self) -> Time {
        Time(seconds(self.now))
    }

    /// The next whole second: a window that starts there is never cut short.
    fn time_after(&self) -> Time {
        let floor = seconds(self.now);
        Time(if floor == self.now {
            floor
        } else {
            super::moments::later(floor, SignedDuration::from_secs(1))
        })
    }

    /// The status with this phase, reason and message, and the conditions that follow from them.
    fn write(
        &self,
        mut status: PromotionStatus,
        phase: PromotionPhase,
        reason: &Reason,
        message: &str,
    ) -> PromotionStatus {
        status.observed_generation = self.world.promotion.generation();
        status.phase = phase;
        status.application = Some(self.application.into());
        // Which content it is about is settled before anything is written.
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

    /// Waits: the reason is shown, and nothing else is done.
    fn wait(&self, reason: &Reason, message: &str, wake_at: Option<Timestamp>) -> Decision {
        self.wait_with(self.status(), reason, message, wake_at)
    }

    /// The same, with something new to show.
    fn wait_with(
        &self,
        status: PromotionStatus,
        reason: &Reason,
        message: &str,
        wake_at: Option<Timestamp>,
    ) -> Decision {
        // Whoever waits is not refused.
        self.stay(PromotionStatus { refused_since: None, ..status }, reason, message, wake_at)
    }

    /// The phase stays, and nothing is done.
    fn stay(
        &self,
        status: PromotionStatus,
        reason: &Reason,
        message: &str,
        wake_at: Option<Timestamp>,
    ) -> Decision {
        let stored = self.status();
        let is_memory = status.refused_since != stored.refused_since || status.approvals != stored.approvals;
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
        PromotionPhase::Verified | PromotionPhase::Superseded => State::Ready,
        PromotionPhase::Failed | PromotionPhase::Cancelled => State::Stalled,
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

/// What the spec names exists and cannot be decoded: that is no absence, and nothing is concluded from it. A rollback can do
/// without its release.
fn unreadable(world: &PromotionWorld) -> Option<String> {
    let spec = &world.promotion.spec;
    // What has started is led to its end without its release: health is judged, and what fails comes back.
    let starts = spec.kind == PromotionKind::Promote && !world.promotion.phase().is_running();
    let release = starts.then_some(("Release", spec.release.as_str()));
    let named = [Some(("Environment", spec.environment.as_str())), release];
    named.into_iter().flatten().find_map(|(kind, name)| {
        let error = world.project.undecodable.get(&(kind.to_owned(), name.to_owned()))?;
        Some(format!("{kind} {name} cannot be read: {error}"))
    })
}

/// Stays where it is until the object can be read again, which wakes it.
fn held_up(world: &PromotionWorld, now: Timestamp, message: String) -> Decision {
    let mut status = world.promotion.status.clone().unwrap_or_default();
    status.observed_generation = world.promotion.generation();
    status.reason = Some(Reason::Undecodable.to_string());
    status.message = Some(conditions::cut(&message, 1024));
    status.epoch = status.epoch.max(world.epoch);
    status.conditions = promotion_conditions(&status, world, now);
    Decision { report: changed(world, status), ..Decision::default() }
}

/// Something that the spec names does not exist (yet).
fn unknown(world: &PromotionWorld, now: Timestamp, message: String) -> Decision {
    let deadline = super::moments::later(world.promotion.created(), PATIENCE);
    let mut status = world.promotion.status.clone().unwrap_or_default();
    let was_running = status.phase.is_running();
    let over = was_running || now >= deadline;
    status.observed_generation = world.promotion.generation();
    status.phase = match (over, was_running) {
        (_, true) => PromotionPhase::Failed,
        (true, false) => PromotionPhase::Cancelled,
        (false, false) => PromotionPhase::Pending,
    };
    status.reason = Some(Reason::NotFound.to_string());
    status.message = Some(conditions::cut(&message, 1024));
    if over {
        status.finished_at = Some(Time(seconds(now)));
    }
    status.conditions = promotion_conditions(&status, world, now);
    Decision { report: changed(world, status), wake_at: (!over).then_some(deadline), ..Decision::default() }
}

/// An Event of type Warning.
fn warning(reason: Reason, message: String) -> Note {
    Note { warning: true, reason, message }
}

/// An Event of type Normal.
fn note(reason: Reason, message: String) -> Note {
    Note { warning: false, reason, message }
}

/// Whether actions hold a write into the target namespace.
pub fn writes(actions: &[Action]) -> bool {
    actions.iter().any(|action| match action {
        Action::Apply { .. } | Action::Adopt { .. } | Action::Delete { .. } | Action::DeletePod { .. } => {
            true
        }
        Action::CreatePromotion { .. }
        | Action::DeletePromotion { .. }
        | Action::MarkRolledOut { .. }
        | Action::PublishFreezes { .. }
        | Action::DeleteContent { .. }
        | Action::Preflight { .. } => false,
    })
}
