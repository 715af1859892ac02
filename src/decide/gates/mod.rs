//! Gates: what must hold before anything is written. They are an ordered list of predicates ([`rules`]), and the first closed gate is
//! the reason.

pub mod approvals;
pub mod calendar;
mod candidate;
pub mod declared;
pub mod gate;
mod opening;
pub mod recalls;
mod reviews;
mod rules;
pub mod schedule;

use super::environment::validate;
use super::history::lane::{Lane, has_failed, is_of_content};
use super::history::order::promotes_newer;
use super::history::versions;
use super::moments::{later, span};
use super::world::Project;
use crate::api::{
    CachedRelease, Delivery, Environment, HOLDS, Meta, Promotion, PromotionMode, PromotionPhase, Reason,
    ReleasePhase, TestResult,
};
pub use candidate::candidate;
use candidate::written_by;
use gate::{Exclusion, Gate};
use jiff::Timestamp;
pub use rules::{Listed, evaluate, list, opens_after};

/// The gate of release management that a promotion waits at. None if the promotion has started, or runs tests before its start.
pub fn waits_at(promotion: &Promotion) -> Option<Reason> {
    pending_reason(promotion).filter(|reason| reason.is_holding() && !runs_tests(promotion))
}

/// Whether a promotion that has not started waits only for tests that run. That is work in progress: no action is needed, and its own status
/// names the tests. A test without a result is a closed gate.
pub fn runs_tests(promotion: &Promotion) -> bool {
    let is_evidence = pending_reason(promotion) == Some(Reason::Evidence);
    let status = promotion.status.as_ref().filter(|status| is_evidence && status.refused_since.is_none());
    status.is_some_and(|status| status.tests.iter().any(|test| test.result == TestResult::Running))
}

/// Why a promotion that has not started cannot start, if something has to be fixed, created or to end first.
pub fn blocked_by(promotion: &Promotion) -> Option<Reason> {
    pending_reason(promotion).filter(Reason::is_blocking)
}

fn pending_reason(promotion: &Promotion) -> Option<Reason> {
    let status = promotion.status.as_ref().filter(|status| status.phase == PromotionPhase::Pending)?;
    status.reason.as_deref().map(Reason::from)
}

/// When the gate that a pending promotion waits at opens without a change.
pub fn opens_at(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    promotion: &Promotion,
    now: Timestamp,
) -> Option<Timestamp> {
    let overridden =
        promotion.spec.override_.as_ref().map(|override_| override_.gates.as_slice()).unwrap_or_default();
    match evaluate(project, environment, release, Requested::of(promotion), overridden, now) {
        Gate::Closed { gate, until, .. } if waits_at(promotion) == Some(gate.clone()) => until,
        Gate::Closed { .. } | Gate::Open | Gate::Never { .. } => None,
    }
}

/// Who requested a promotion. More gates apply to the controller than to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// The controller, in an Automatic environment.
    ByController,
    /// A person created a Promotion.
    ByPerson,
}

impl Requested {
    /// Who requested a promotion.
    pub fn of(promotion: &Promotion) -> Self {
        if promotion.is_automatic() { Self::ByController } else { Self::ByPerson }
    }
}

/// `spec.until` ends the path of a release, and an Observed environment only has releases that were captured there.
fn is_a_stage(project: &Project, environment: &Environment, release: &CachedRelease) -> Gate {
    if let Some(until) = release.until() {
        if !project.environments.contains_key(&until) {
            return Gate::closed(
                Reason::Environment,
                format!("spec.until names {until}, which does not exist in this project"),
            );
        }
        let beyond = environment.name() != until && validate::comes_after(project, environment, &until);
        if beyond {
            return Gate::Never {
                why: Exclusion::NotAStage,
                message: format!("spec.until ends the path of this release at {until}"),
            };
        }
    }
    let entries = release.change.iter().flat_map(|change| &change.not_before);
    let mut unknown = entries.filter(|entry| !project.environments.contains_key(&entry.environment));
    if let Some(entry) = unknown.next() {
        let name = &entry.environment;
        return Gate::closed(
            Reason::Environment,
            format!("spec.change.notBefore names {name}, which does not exist in this project"),
        );
    }
    let source = release.captured_from();
    if environment.spec.delivery == Delivery::Observed && source.as_deref() != Some(environment.name()) {
        return Gate::Never {
            why: Exclusion::NotAStage,
            message: "another tool deploys to this environment, and the release was not captured here".into(),
        };
    }
    if environment.spec.delivery == Delivery::Managed && source.as_deref() == Some(environment.name()) {
        return Gate::Never { why: Exclusion::NotAStage, message: "the release was captured here".into() };
    }
    Gate::Open
}

fn accepted(project: &Project, environment: &Environment, now: Timestamp) -> Gate {
    match validate::environment(project, environment, now) {
        None => Gate::Open,
        Some(fault) => {
            Gate::closed(Reason::Environment, format!("the environment has a fault: {}", fault.message))
        }
    }
}

fn content_is_captured(release: &CachedRelease) -> Gate {
    match release.content() {
        Some(_) => Gate::Open,
        None if release.phase() == ReleasePhase::Invalid => {
            let why = release.status().and_then(|status| status.message).unwrap_or_default();
            Gate::closed(Reason::InvalidSource, format!("the release is Invalid: {why}"))
        }
        None => Gate::closed(Reason::Content, "the content of the release has not been captured yet"),
    }
}

fn not_held(release: &CachedRelease) -> Gate {
    match release.hold {
        Some(true) => {
            Gate::closed(Reason::Hold, "spec.hold is true; set it to false or remove it to continue")
        }
        Some(false) | None => Gate::Open,
    }
}

/// The controller never promotes an older release after a newer one, regardless of the outcome: a failed 1.2.0 must not cause the promotion
/// of 1.0.0.
fn not_superseded(project: &Project, lane: &Lane<'_>, release: &CachedRelease, requested: Requested) -> Gate {
    if requested == Requested::ByPerson {
        return Gate::Open;
    }
    match lane.here().find(|promotion| promotes_newer(project, promotion, release)) {
        Some(newer) => Gate::Never {
            why: Exclusion::Superseded,
            message: format!("{} is newer and was promoted first", newer.spec.release),
        },
        None => Gate::Open,
    }
}

/// The controller promotes a release to an environment only once, regardless of the outcome. A pending promotion of it is then cancelled.
fn not_promoted_before(lane: &Lane<'_>, release: &CachedRelease, requested: Requested) -> Gate {
    match written_by(lane, release) {
        Some(before) if requested == Requested::ByController => Gate::Never {
            why: Exclusion::PromotedBefore,
            message: format!(
                "{} promoted it here before; create a Promotion to promote it again",
                before.name()
            ),
        },
        Some(_) | None => Gate::Open,
    }
}

/// The history holds no other content under the version of the release.
fn version_has_one_content(project: &Project, release: &CachedRelease) -> Gate {
    let Some(digest) = release.digest() else { return Gate::Open };
    match versions::other_content(project, release, digest) {
        Some(found) => Gate::closed(Reason::VersionTaken, versions::refusal(release, digest, found)),
        None => Gate::Open,
    }
}

/// The release is verified in every environment of `spec.after`, for at least `spec.soak`.
fn verified_before(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    now: Timestamp,
) -> Gate {
    let mut latest = None;
    for name in &environment.spec.after {
        let Some(before) = project.environments.get(name) else {
            return Gate::closed(
                Reason::Order,
                format!("spec.after names {name}, which does not exist in this project"),
            );
        };
        let lane = Lane::of(project, before, &release.application_name());
        let failed = || lane.latest(release).is_some_and(|last| last.phase() == PromotionPhase::Failed);
        match lane.verified_at(release) {
            Some(_) if lane.was_rolled_back(release) => {
                return Gate::closed(
                    Reason::Order,
                    format!("it was rolled back in {name} and must be verified there again first"),
                );
            }
            Some(at) => latest = latest.max(Some(at)),
            None if failed() => {
                return Gate::closed(
                    Reason::Order,
                    format!("it failed in {name} and must be verified there first"),
                );
            }
            None if release.captured_from().as_deref() == Some(name.as_str())
                && before.spec.delivery == Delivery::Managed =>
            {
                return Gate::closed(
                    Reason::Order,
                    format!(
                        "it was captured in {name} and is never promoted there, so it is not verified there: promote the release that runs \
                         in {name}"
                    ),
                );
            }
            None => return Gate::closed(Reason::Order, format!("it is not verified in {name} yet")),
        }
    }
    match (latest, environment.spec.soak) {
        (Some(verified), Some(soak)) if later(verified, span(soak)) > now => {
            let until = later(verified, span(soak));
            Gate::Closed {
                gate: Reason::Soak,
                message: format!("verified at {verified}, soaks until {until}"),
                until: Some(until),
            }
        }
        (Some(_) | None, Some(_) | None) => Gate::Open,
    }
}

/// The controller does not promote content that failed or was rolled back here under the name of another release.
fn content_has_not_failed(lane: &Lane<'_>, release: &CachedRelease, requested: Requested) -> Gate {
    let last = lane.revisions.iter().rev().find(|promotion| is_of_content(promotion, release));
    let Some(last) = last.filter(|_| requested == Requested::ByController) else { return Gate::Open };
    let is_reason = |reason: &Reason| {
        last.status.as_ref().is_some_and(|status| status.reason.as_deref() == Some(reason.as_str()))
    };
    // It failed a test of an earlier version, and the new release says that such tests no longer apply.
    let drops_tests = release.change.as_ref().is_some_and(|change| !change.drops.is_empty());
    if drops_tests && is_reason(&Reason::RegressionFailed) {
        return Gate::Open;
    }
    let what = match last.phase() == PromotionPhase::Failed && has_failed(last) {
        true => "failed",
        false if lane.is_rolled_back(last) => "was rolled back",
        false => return Gate::Open,
    };
    Gate::closed(
        Reason::FailureHold,
        format!(
            "the same content {what} here as {} ({}); create a Promotion to promote it again, or a Release with other content",
            last.spec.release,
            last.name()
        ),
    )
}

/// After a failure that holds the environment, only a person can start the next promotion.
fn not_held_by_failure(lane: &Lane<'_>, requested: Requested) -> Gate {
    let Some(current) = lane.current() else { return Gate::Open };
    let holds = current.status.as_ref().is_some_and(|status| {
        status.phase.has_failed() && status.conditions.iter().any(|c| c.type_ == HOLDS && c.status == "True")
    });
    if holds && requested == Requested::ByController {
        let (reason, what) = match current.phase() {
            PromotionPhase::Inconclusive => (Reason::EvidenceHold, "is inconclusive"),
            PromotionPhase::Pending
            | PromotionPhase::Promoting
            | PromotionPhase::Observing
            | PromotionPhase::Verified
            | PromotionPhase::Failed
            | PromotionPhase::Superseded
            | PromotionPhase::Cancelled
            | PromotionPhase::Compared => (Reason::FailureHold, "failed"),
        };
        let release = &current.spec.release;
        return Gate::closed(
            reason,
            format!("{release} {what} and holds this environment; create a Promotion to continue"),
        );
    }
    Gate::Open
}

fn mode_allows(environment: &Environment, requested: Requested) -> Gate {
    match (environment.spec.promotion, requested) {
        (PromotionMode::Automatic, _) | (PromotionMode::Manual, Requested::ByPerson) => Gate::Open,
        (PromotionMode::Manual, Requested::ByController) => Gate::closed(
            Reason::Manual,
            format!("the environment {} is Manual; create a Promotion for it", environment.name()),
        ),
    }
}
