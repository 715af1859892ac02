//! Gates: what must hold before anything is written. An ordered list of predicates; the first that is closed is the reason.

pub mod approvals;
pub mod calendar;
pub mod gate;
pub mod schedule;

use super::environment::validate;
use super::history::lane::{Lane, is_of};
use super::history::order::newer;
use super::moments::{later, span};
use super::world::Project;
use crate::api::Meta;
use crate::api::{
    CachedRelease, Delivery, Environment, GateName, HOLDS, Promotion, PromotionKind, PromotionMode,
    PromotionPhase, Reason,
};
use approvals::{requester_may_promote, required_approvals, rules_are_in_force};
use calendar::{deadline_has_not_passed, is_due, is_not_frozen, window_is_open};
use gate::{Exclusion, Gate};
use jiff::Timestamp;

/// The gate that a promotion waits at, if it has written nothing and the gate is one to wait at for long.
pub fn waits_at(promotion: &Promotion) -> Option<Reason> {
    pending_reason(promotion).filter(Reason::is_holding)
}

/// What keeps a promotion from starting that has written nothing: something is missing or in the way.
pub fn blocked_by(promotion: &Promotion) -> Option<Reason> {
    pending_reason(promotion).filter(Reason::is_blocking)
}

fn pending_reason(promotion: &Promotion) -> Option<Reason> {
    let status = promotion.status.as_ref().filter(|status| status.phase == PromotionPhase::Pending)?;
    status.reason.as_deref().map(Reason::from)
}

/// When the gate opens that a pending promotion waits at.
pub fn opens_at(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    promotion: &Promotion,
    now: Timestamp,
) -> Option<Timestamp> {
    let overridden = promotion.spec.override_.as_ref().map(|said| said.gates.as_slice()).unwrap_or_default();
    match evaluate(project, environment, release, Requested::of(promotion), overridden, now) {
        Gate::Closed { gate, until, .. } if waits_at(promotion) == Some(gate.clone()) => until,
        Gate::Closed { .. } | Gate::Open | Gate::Never { .. } => None,
    }
}

/// Who asks for the promotion: automation obeys more gates than a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requested {
    /// Towpath itself.
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

/// Asks every gate but that of approvals, which needs what would be written, in the order in which people should hear of them.
/// A gate that is overridden counts as open.
pub fn evaluate(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    requested: Requested,
    overridden: &[GateName],
    now: Timestamp,
) -> Gate {
    let lane = Lane::of(project, environment, release.application());
    let gates: [&dyn Fn() -> Gate; 15] = [
        &|| is_a_stage(project, environment, release),
        &|| accepted(project, environment, now),
        &|| rules_are_in_force(project),
        &|| content_is_captured(release),
        &|| not_held(release),
        &|| not_superseded(project, &lane, release, requested),
        &|| not_put_here_before(&lane, release, requested),
        &|| deadline_has_not_passed(release, now),
        &|| verified_before(project, environment, release, now),
        &|| not_held_by_failure(&lane, requested),
        &|| mode_allows(environment, requested),
        &|| match requested {
            Requested::ByController => requester_may_promote(project, environment, release),
            Requested::ByPerson => Gate::Open,
        },
        &|| is_due(environment, release, now),
        &|| window_is_open(environment, now),
        &|| is_not_frozen(project, environment, release, now),
    ];
    let is_closed = |gate: &Gate| match gate {
        Gate::Open => false,
        Gate::Never { .. } => true,
        Gate::Closed { gate, .. } => !overridden.iter().any(|name| name.reason() == *gate),
    };
    gates.iter().map(|gate| gate()).find(is_closed).unwrap_or(Gate::Open)
}

/// `until` ends the way; an Observed environment holds only what was captured there.
fn is_a_stage(project: &Project, environment: &Environment, release: &CachedRelease) -> Gate {
    if let Some(until) = release.until() {
        if !project.environments.contains_key(until) {
            return Gate::closed(
                Reason::Environment,
                format!("spec.until names {until}, which does not exist in this project"),
            );
        }
        let beyond = environment.name() != until && validate::comes_after(project, environment.name(), until);
        if beyond {
            return Gate::Never {
                why: Exclusion::NotAStage,
                message: format!("spec.until ends the way of this release at {until}"),
            };
        }
    }
    let moments = release.change.iter().flat_map(|change| &change.not_before);
    let mut unknown = moments.filter(|entry| !project.environments.contains_key(&entry.environment));
    if let Some(entry) = unknown.next() {
        let name = &entry.environment;
        return Gate::closed(
            Reason::Environment,
            format!("spec.change.notBefore names {name}, which does not exist in this project"),
        );
    }
    let source = release.captured_from();
    if environment.spec.delivery == Delivery::Observed && source != Some(environment.name()) {
        return Gate::Never {
            why: Exclusion::NotAStage,
            message: "somebody else deploys here, and the release was not captured here".into(),
        };
    }
    if environment.spec.delivery == Delivery::Managed && source == Some(environment.name()) {
        return Gate::Never { why: Exclusion::NotAStage, message: "the release was captured here".into() };
    }
    Gate::Open
}

fn accepted(project: &Project, environment: &Environment, now: Timestamp) -> Gate {
    match validate::environment(project, environment, now) {
        None => Gate::Open,
        Some(fault) => {
            Gate::closed(Reason::Environment, format!("the environment cannot work yet: {}", fault.message))
        }
    }
}

fn content_is_captured(release: &CachedRelease) -> Gate {
    match release.content() {
        Some(_) => Gate::Open,
        None => Gate::closed(Reason::Content, "the content of the release has not been captured yet"),
    }
}

fn not_held(release: &CachedRelease) -> Gate {
    match release.hold {
        Some(true) => Gate::closed(
            Reason::Hold,
            "spec.hold is true; it opens when the field is set to false or removed",
        ),
        Some(false) | None => Gate::Open,
    }
}

/// An older release never follows a newer one by automation, whatever became of that: what failed must not bring back what
/// is older still.
fn not_superseded(project: &Project, lane: &Lane<'_>, release: &CachedRelease, requested: Requested) -> Gate {
    if requested == Requested::ByPerson {
        return Gate::Open;
    }
    let overtaking = lane
        .here()
        .filter(|promotion| {
            promotion.spec.kind == PromotionKind::Promote && promotion.spec.release != release.name()
        })
        .filter_map(|promotion| project.releases.get(&promotion.spec.release))
        .filter(|other| other.application() == release.application())
        .find(|other| newer(other, release).is_gt());
    match overtaking {
        Some(other) => Gate::Never {
            why: Exclusion::Superseded,
            message: format!("{} is newer and was promoted first", other.name()),
        },
        None => Gate::Open,
    }
}

/// What was put here once, however it ended, is not put here again by automation: the promotion that waited is no longer needed.
fn not_put_here_before(lane: &Lane<'_>, release: &CachedRelease, requested: Requested) -> Gate {
    match was_put_here(lane, release) {
        Some(before) if requested == Requested::ByController => Gate::Never {
            why: Exclusion::PromotedBefore,
            message: format!("{} put it here before; only a person offers it again", before.name()),
        },
        Some(_) | None => Gate::Open,
    }
}

/// The order: verified in every environment of `after`, for at least `soak`.
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
        let lane = Lane::of(project, before, release.application());
        let failed =
            || lane.of_release(release).next().is_some_and(|last| last.phase() == PromotionPhase::Failed);
        match lane.verified_at(release) {
            Some(_) if lane.was_rolled_back(release) => {
                return Gate::closed(
                    Reason::Order,
                    format!("it was taken back in {name}; it comes here only if it is verified there again"),
                );
            }
            Some(at) => latest = latest.max(Some(at)),
            None if failed() => {
                return Gate::closed(
                    Reason::Order,
                    format!("it failed in {name}; it comes here only if it is verified there after all"),
                );
            }
            None => return Gate::closed(Reason::Order, format!("waits until it is verified in {name}")),
        }
    }
    match (latest, environment.spec.soak) {
        (Some(verified), Some(soak)) if later(verified, span(soak)) > now => {
            let until = later(verified, span(soak));
            Gate::Closed {
                gate: Reason::Soak,
                message: format!("verified before at {verified}, soaks until {until}"),
                until: Some(until),
            }
        }
        (Some(_) | None, Some(_) | None) => Gate::Open,
    }
}

/// A failure that holds stops automation until a person asks.
fn not_held_by_failure(lane: &Lane<'_>, requested: Requested) -> Gate {
    let Some(current) = lane.current() else { return Gate::Open };
    let holds = current.status.as_ref().is_some_and(|status| {
        status.phase == PromotionPhase::Failed
            && status.conditions.iter().any(|c| c.type_ == HOLDS && c.status == "True")
    });
    if holds && requested == Requested::ByController {
        return Gate::closed(
            Reason::FailureHold,
            format!(
                "{} failed and holds this environment; a person opens it by creating a Promotion",
                current.spec.release
            ),
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

/// The newest release that automation could put here: captured, not overtaken, not tried here before; and what keeps it from
/// making a promotion.
pub fn candidate<'a>(
    project: &'a Project,
    environment: &Environment,
    lane: &Lane<'_>,
    now: Timestamp,
) -> Option<(&'a CachedRelease, Gate)> {
    let mut waiting = None;
    for release in crate::decide::history::order::releases_of(project, lane.application) {
        if was_tried(lane, release) {
            // What was tried here is not offered again; and nothing older than what went well may follow it.
            let went_well = lane.verified_at(release).is_some();
            if went_well || lane.pending.iter().any(|promotion| promotion.spec.release == release.name()) {
                return waiting;
            }
            continue;
        }
        match evaluate(project, environment, release, Requested::ByController, &[], now) {
            Gate::Never { .. } => {}
            Gate::Open => return Some((release.as_ref(), Gate::Open)),
            Gate::Closed { gate, .. }
                if gate.opens_by_itself() && may_be_approved(project, environment, release, now) =>
            {
                return Some((release.as_ref(), Gate::Open));
            }
            closed @ Gate::Closed { .. } => {
                // The newest that waits is the one to speak of; an older one that may go, goes.
                waiting.get_or_insert((release.as_ref(), closed));
            }
        }
    }
    waiting
}

/// Whether a promotion is made although its gates are closed: they open by themselves, and people may decide about it meanwhile.
fn may_be_approved(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    now: Timestamp,
) -> bool {
    required_approvals(environment, release).is_some()
        && evaluate(
            project,
            environment,
            release,
            Requested::ByController,
            &GateName::OPEN_BY_THEMSELVES,
            now,
        ) == Gate::Open
}

/// Whether automation or a person offered the release to this lane already, in the namespace as it is now.
fn was_tried(lane: &Lane<'_>, release: &CachedRelease) -> bool {
    let offered =
        |promotion: &&Promotion| is_of(promotion, release) && promotion.created() >= release.created();
    was_put_here(lane, release).is_some() || lane.pending.iter().any(offered)
}

/// The promotion that put the release here, in the namespace as it is now.
fn was_put_here<'a>(lane: &Lane<'a>, release: &CachedRelease) -> Option<&'a Promotion> {
    // A failure counts for a namespace that was created again, too: only a person offers a failed release anew.
    let failed = |promotion: &&Promotion| {
        is_of(promotion, release)
            && promotion.phase() == PromotionPhase::Failed
            && promotion
                .status
                .as_ref()
                .and_then(|status| status.reason.as_deref())
                .is_none_or(|reason| Reason::from(reason) != Reason::NamespaceDeleted)
    };
    let here = lane.here().find(|promotion| is_of(promotion, release));
    here.or_else(|| lane.revisions.iter().copied().find(failed))
}
