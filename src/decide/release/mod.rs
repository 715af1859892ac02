//! A release: its content is captured once. Its status is then computed from the lanes that it passes.

pub mod figures;
mod interventions;
mod planning;
mod promoted;
pub mod review;
pub mod stage;
pub mod stages;
pub mod summary;
pub mod waits;

pub use stages::consent;

use super::conditions;
use super::conditions::{State, condition};
use super::decision::{Decision, Note, Owner, Record};
use super::gates::calendar::deadline;
use super::history::versions;
use super::moments::{earliest, later};
use super::requires;
use super::world::{Capture, ReleaseWorld};
use crate::api::{Meta, PinnedImage, PromotionKind, Reason, ReleasePhase, ReleaseStatus, VERIFIED};
use jiff::{SignedDuration, Timestamp};
use stage::Stage;
use stages::stages;
use summary::{Summary, summarise};
use waits::timed;

/// How long an unknown name or missing consent counts as not created yet.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// Maximum number of environments in the status. Further environments are promoted to as well.
const MOST_LINES: usize = 50;

/// Maximum number of images in the status. The content holds all of them.
const MOST_IMAGES: usize = 200;

/// Decides about one release.
pub fn decide(world: &ReleaseWorld, now: Timestamp) -> Decision<ReleaseStatus> {
    if world.release.deleting() {
        return Decision::default();
    }
    let stored = world.release.status().unwrap_or_default();
    let digest = match &world.capture {
        Capture::Taken { sealed, .. } => Some(sealed.digest.as_str()),
        Capture::NotNeeded => stored.digest.as_deref(),
        Capture::Waiting { .. } | Capture::Refused { .. } => None,
    };
    let taken = digest.and_then(|digest| {
        let found = versions::other_content(&world.project, &world.release, digest)?;
        Some(versions::refusal(&world.release, digest, found))
    });
    if let Some(message) = taken {
        return refused(world, stored, &Reason::VersionTaken, &message, now);
    }
    if let Some(message) = requires::cycle(&world.project, &world.release) {
        return refused(world, stored, &Reason::RequiresCycle, &message, now);
    }
    match &world.capture {
        Capture::NotNeeded => report(world, stored, now),
        Capture::Taken { sealed, images } => {
            let status = ReleaseStatus {
                digest: Some(sealed.digest.clone()),
                content: Some(sealed.name.clone()),
                images: images.iter().take(MOST_IMAGES).map(shown).collect(),
                ..stored
            };
            let unpinned = images.iter().filter(|image| image.pinned.is_none()).count();
            let mut decision = report(world, status, now);
            decision.memory = decision.report.take();
            decision.records = vec![Record {
                sealed: sealed.clone(),
                application: world.release.application_name(),
                owners: owners(world),
            }];
            let warning = unpinned > 0;
            let message =
                format!("{} objects, {} images, {unpinned} of them not pinned", sealed.count, images.len());
            decision.notes.push(Note { warning, reason: Reason::Captured, message });
            // The cache shows the memory soon, and the next reconcile reports from it.
            decision
        }
        Capture::Waiting { reason, message } => waiting(world, stored, reason, message, now),
        Capture::Refused { reason, message } => refused(world, stored, reason, message, now),
    }
}

/// An image, cut to the limits of the status.
fn shown(image: &PinnedImage) -> PinnedImage {
    let cut = |text: &String| conditions::cut(text, 512);
    PinnedImage {
        image: cut(&image.image),
        pinned: image.pinned.as_ref().map(cut),
        reason: image.reason.as_ref().map(cut),
    }
}

/// The release, and every environment that may be rolled back to the content.
fn owners(world: &ReleaseWorld) -> Vec<Owner> {
    let release =
        Owner { kind: "Release", name: world.release.name().to_owned(), uid: world.release.uid().to_owned() };
    let environments = world
        .project
        .environments
        .values()
        .filter(|environment| !environment.deleting())
        .map(|environment| Owner::environment(environment));
    std::iter::once(release).chain(environments).collect()
}

/// The source is not complete: reported as work in progress and requeued. Final after [`PATIENCE`] only if a user has to fix the spec.
fn waiting(
    world: &ReleaseWorld,
    stored: ReleaseStatus,
    reason: &Reason,
    message: &str,
    now: Timestamp,
) -> Decision<ReleaseStatus> {
    let summary = Summary {
        phase: ReleasePhase::Pending,
        state: State::Reconciling,
        reason: reason.clone(),
        message: message.to_owned(),
    };
    let patience = later(world.release.created(), PATIENCE);
    let names_something_unknown = matches!(reason, Reason::UnknownEnvironment | Reason::SourceMissing);
    let summary = match names_something_unknown && now >= patience {
        true => Summary { phase: ReleasePhase::Invalid, state: State::Stalled, ..summary },
        false => summary,
    };
    let wake = later(now, SignedDuration::from_secs(5));
    let wake_at = earliest((names_something_unknown && now < patience).then_some(patience), Some(wake));
    Decision { report: write(world, unplanned(stored), &summary, false, now), wake_at, ..Decision::default() }
}

fn refused(
    world: &ReleaseWorld,
    stored: ReleaseStatus,
    reason: &Reason,
    message: &str,
    now: Timestamp,
) -> Decision<ReleaseStatus> {
    let summary = Summary {
        phase: ReleasePhase::Invalid,
        state: State::Stalled,
        reason: reason.clone(),
        message: message.to_owned(),
    };
    let notes = match stored.message.as_deref() == Some(message) {
        true => Vec::new(),
        false => vec![Note { warning: true, reason: Reason::Refused, message: message.to_owned() }],
    };
    let status = write(world, unplanned(stored), &summary, false, now);
    // That the capture was given up cannot be observed again.
    let (memory, report) = match *reason == Reason::CaptureDeadlineExceeded {
        true => (status, None),
        false => (None, status),
    };
    Decision { memory, report, notes, ..Decision::default() }
}

/// The status of a release that is not promoted: nothing is said about its plan.
fn unplanned(stored: ReleaseStatus) -> ReleaseStatus {
    ReleaseStatus { planning: Vec::new(), ..stored }
}

fn report(world: &ReleaseWorld, mut status: ReleaseStatus, now: Timestamp) -> Decision<ReleaseStatus> {
    if is_about_to_be_rolled_back(world) {
        return Decision::default();
    }
    // Gates read the stored status, so they get the status that is being written.
    let release = world.release.with_status(&status);
    let stages = stages(&world.project, &release, &status, now);
    let summary = summarise(&world.project, &stages);
    let stored = status.clone();
    let before = std::mem::take(&mut status.environments);
    status.environments =
        stages.iter().map(|stage| timed(stage.line(), &before, now)).take(MOST_LINES).collect();
    status.summary = Some(conditions::cut(&line(&stages), 1024));
    let verified = summary.phase == ReleasePhase::Verified;
    let (planning, late_at) = planning::faults(&world.project, &release, &stages, now);
    status.planning = planning;
    let known = std::mem::take(&mut status.interventions);
    status.interventions =
        interventions::interventions(&world.project, &release, status.digest.as_deref(), known, now);
    status.review = review::review(&world.project, &release, &stored, &status, &summary, now);
    let times = stages.iter().filter_map(|stage| stage.until);
    let wake_at = times.chain(deadline(&release, now)).chain(late_at).min();
    Decision { report: write(world, status, &summary, verified, now), wake_at, ..Decision::default() }
}

/// Whether a rollback of the release was created and not reconciled yet. It restores objects first, and its status wakes this release.
fn is_about_to_be_rolled_back(world: &ReleaseWorld) -> bool {
    world.project.promotions.values().any(|promotion| {
        promotion.spec.kind == PromotionKind::Rollback
            && promotion.spec.release == world.release.name()
            && promotion.is_automatic()
            && promotion.status.as_ref().is_none_or(|status| status.reason.is_none())
    })
}

/// `dev:Verified staging:Observing prod:Order`.
fn line(stages: &[Stage]) -> String {
    let words: Vec<String> = stages
        .iter()
        .filter(|stage| !stage.is_skipped())
        .map(|stage| format!("{}:{}", stage.name, stage.state()))
        .collect();
    words.join(" ")
}

/// The status to write. None if it equals the stored one.
fn write(
    world: &ReleaseWorld,
    mut status: ReleaseStatus,
    summary: &Summary,
    verified: bool,
    now: Timestamp,
) -> Option<ReleaseStatus> {
    let stored = world.release.status();
    let conditions = stored.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let generation = world.release.generation();
    status.observed_generation = generation;
    status.phase = summary.phase;
    status.message = Some(conditions::cut(&summary.message, 2048));
    status.conditions =
        conditions::of_state(&summary.state, &summary.reason, &summary.message, generation, conditions, now);
    let flag = if verified { "True" } else { "False" };
    status.conditions.push(condition(
        VERIFIED,
        flag,
        &summary.reason,
        &summary.message,
        generation,
        conditions,
        now,
    ));
    (stored.as_ref() != Some(&status)).then_some(status)
}
