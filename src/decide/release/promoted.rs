//! A release in an environment that has a promotion of it: how far the promotion is, or how it ended.

use super::stage::{At, IN_PROGRESS, Stage, newer_is_verified};
use crate::api::{CachedRelease, Environment, Meta, Promotion, PromotionKind, PromotionPhase};
use crate::decide::gates::{blocked_by, opens_at, runs_tests, waits_at};
use crate::decide::history::lane::Lane;
use crate::decide::recall::{is_of_recall, why};
use crate::decide::world::Project;
use jiff::Timestamp;

/// The stage of a release that this promotion promotes.
pub(super) fn of_promotion(
    project: &Project,
    environment: &Environment,
    lane: &Lane<'_>,
    release: &CachedRelease,
    promotion: &Promotion,
    now: Timestamp,
) -> Stage {
    let phase = promotion.phase();
    let status = promotion.status.as_ref();
    let stage = Stage {
        name: environment.environment_name(),
        at: At::Promotion(phase),
        until: None,
        message: status.and_then(|status| status.message.clone()).unwrap_or_default(),
        revision: promotion.revision(),
        promotion: Some(promotion.name().to_owned()),
    };
    let rollback = rollback_of(lane, release, promotion);
    if let Some(rollback) = rollback.filter(|other| phase.is_running() && !other.phase().is_final()) {
        let message = cause(rollback).unwrap_or_default();
        return Stage { at: At::RollingBack, message, ..stage };
    }
    // The message is the same from the open gate to the end, because the promotion's own status reports the steps.
    let is_starting = phase == PromotionPhase::Pending && status.is_none_or(|status| status.reason.is_none());
    if is_starting || phase.is_running() || runs_tests(promotion) {
        let message = IN_PROGRESS.to_owned();
        return Stage { at: At::InProgress, message, revision: None, promotion: None, ..stage };
    }
    if let Some(gate) = waits_at(promotion) {
        let until = opens_at(project, environment, release, promotion, now);
        return Stage { at: At::Gate(gate), until, ..stage };
    }
    if let Some(fault) = blocked_by(promotion) {
        return Stage { at: At::Blocked(fault), ..stage };
    }
    ended(project, lane, release, promotion, rollback, stage)
}

/// The rollback that reverts this promotion: one that is pending, else the last one that started. One that restores this promotion or a
/// later one does not revert it, although it names the release.
fn rollback_of<'a>(lane: &Lane<'a>, release: &CachedRelease, promotion: &Promotion) -> Option<&'a Promotion> {
    // A promotion that has not started has no revision yet and comes after all that have one.
    let number = |promotion: &Promotion| promotion.revision().unwrap_or(i64::MAX);
    let restored = |other: &Promotion| {
        other.status.as_ref().and_then(|status| status.restores).or(other.spec.to_revision)
    };
    let is_of_it = |other: &&Promotion| {
        other.spec.kind == PromotionKind::Rollback
            && other.spec.release == release.name()
            && number(other) > number(promotion)
            && (restored(other).is_none_or(|revision| revision < number(promotion))
                || lane.reverts(other, number(promotion)))
    };
    let pending = || lane.pending.iter().copied().filter(is_of_it);
    let waiting = pending().rfind(|other| !other.phase().is_final());
    let started = || lane.revisions.iter().copied().rfind(is_of_it);
    // A rollback that ended before it started counts only if the controller created it after a failure.
    let refused = || {
        let failed = pending().filter(|_| promotion.phase() == PromotionPhase::Failed);
        failed.rev().find(|other| other.is_automatic())
    };
    waiting.or_else(started).or_else(refused)
}

/// The stage after the promotion ended, and what a rollback made of it.
fn ended<'a>(
    project: &Project,
    lane: &Lane<'a>,
    release: &CachedRelease,
    promotion: &Promotion,
    rollback: Option<&'a Promotion>,
    mut stage: Stage,
) -> Stage {
    let phase = promotion.phase();
    let rollback = match phase {
        PromotionPhase::Failed | PromotionPhase::Inconclusive => {
            rollback.map(|rollback| replaced_by_recall(lane, promotion, rollback))
        }
        // A person may also roll back a verified release.
        PromotionPhase::Verified if lane.runs(promotion) => {
            rollback.filter(|other| !other.phase().is_final())
        }
        PromotionPhase::Verified => rollback.filter(|other| other.phase() != PromotionPhase::Cancelled),
        PromotionPhase::Pending
        | PromotionPhase::Promoting
        | PromotionPhase::Observing
        | PromotionPhase::Superseded
        | PromotionPhase::Cancelled
        | PromotionPhase::Compared => return stage,
    };
    if let (PromotionPhase::Verified, Some(rollback)) = (phase, rollback) {
        let reason = cause(rollback).unwrap_or_else(|| "no reason was given".to_owned());
        stage.message = format!("rolled back by {}: {reason}", rollback.name());
    }
    stage.at = match rollback.map(Promotion::phase) {
        None => stage.at,
        Some(PromotionPhase::Verified | PromotionPhase::Superseded) => At::RolledBack,
        Some(
            PromotionPhase::Failed
            | PromotionPhase::Inconclusive
            | PromotionPhase::Cancelled
            | PromotionPhase::Compared,
        ) => At::RollbackFailed,
        Some(PromotionPhase::Pending | PromotionPhase::Promoting | PromotionPhase::Observing) => {
            At::RollingBack
        }
    };
    let runs = || lane.last_verified().filter(|_| lane.runs(promotion));
    if let (At::Promotion(PromotionPhase::Verified), Some(recall)) =
        (&stage.at, runs().and_then(|verified| lane.recalled_by(verified)))
    {
        stage.at = At::Recalled;
        stage.message = why(recall);
    }
    stage.at = stage.at.superseded_if(|| newer_is_verified(project, lane, release));
    stage
}

/// The rollback that followed when the content that this one restored was recalled.
fn replaced_by_recall<'a>(lane: &Lane<'a>, promotion: &Promotion, rollback: &'a Promotion) -> &'a Promotion {
    let (Some(number), PromotionPhase::Failed) = (promotion.revision(), rollback.phase()) else {
        return rollback;
    };
    let later =
        lane.revisions.iter().rev().copied().take_while(|other| other.revision() > rollback.revision());
    let mut later = later.filter(|other| is_of_recall(other) && lane.reverts(other, number));
    later.next().unwrap_or(rollback)
}

/// Why a rollback was created: what failed, or the reason that a person gave.
fn cause(rollback: &Promotion) -> Option<String> {
    let spec = &rollback.spec;
    match (&spec.cause, &spec.reason) {
        (Some(cause), Some(reason)) => Some(format!("{cause}: {reason}")),
        (one, None) | (None, one) => one.clone(),
    }
}
