//! Which release the controller promotes next to an environment, and what it promoted there before.

use super::approvals::required_approvals;
use super::gate::Gate;
use super::{Requested, evaluate};
use crate::api::{CachedRelease, Environment, GateName, Meta, Promotion, Reason};
use crate::decide::history::lane::{Lane, has_failed, is_of};
use crate::decide::history::order::releases_of;
use crate::decide::world::Project;
use jiff::Timestamp;

/// The newest release that the controller may promote here: captured, not superseded, not promoted here before. If none may be promoted
/// now, the newest one that waits, with its closed gate.
pub fn candidate<'a>(
    project: &'a Project,
    environment: &Environment,
    lane: &Lane<'_>,
    now: Timestamp,
) -> Option<(&'a CachedRelease, Gate)> {
    let mut waiting = None;
    for release in releases_of(project, &lane.application) {
        if has_promotion(lane, release) {
            // A release that was promoted here is not promoted again, and no release older than a verified one is.
            let is_verified = lane.verified_at(release).is_some();
            if is_verified || lane.pending.iter().any(|promotion| promotion.spec.release == release.name()) {
                return waiting;
            }
            continue;
        }
        match evaluate(project, environment, release, Requested::ByController, &[], now) {
            // The release itself reports that it can never be promoted.
            Gate::Never { .. } | Gate::Closed { gate: Reason::InvalidSource | Reason::VersionTaken, .. } => {}
            Gate::Open => return Some((release.as_ref(), Gate::Open)),
            Gate::Closed { gate, .. }
                if gate.opens_by_itself() && may_be_approved(project, environment, release, now) =>
            {
                return Some((release.as_ref(), Gate::Open));
            }
            closed @ Gate::Closed { .. } => {
                // The newest waiting release is reported. An older one whose gates are open is promoted.
                waiting.get_or_insert((release.as_ref(), closed));
            }
        }
    }
    waiting
}

/// Whether to create a promotion before its gates open, so that users can approve it: only gates that open with time are closed.
fn may_be_approved(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    now: Timestamp,
) -> bool {
    let gates = GateName::ALL.into_iter();
    let open_later: Vec<GateName> = gates.filter(|gate| gate.reason().opens_by_itself()).collect();
    required_approvals(project, environment, release).is_some()
        && evaluate(project, environment, release, Requested::ByController, &open_later, now) == Gate::Open
}

/// Whether the release has a promotion in this lane already, in the namespace that exists now.
fn has_promotion(lane: &Lane<'_>, release: &CachedRelease) -> bool {
    let is_later =
        |promotion: &&Promotion| is_of(promotion, release) && promotion.created() >= release.created();
    written_by(lane, release).is_some() || lane.pending.iter().any(is_later)
}

/// The promotion that wrote the release to the namespace that exists now.
pub(super) fn written_by<'a>(lane: &Lane<'a>, release: &CachedRelease) -> Option<&'a Promotion> {
    // A failure also counts for a recreated namespace: the controller does not promote a failed release again.
    let failed = |promotion: &&Promotion| is_of(promotion, release) && has_failed(promotion);
    let here = lane.here().find(|promotion| is_of(promotion, release));
    here.or_else(|| lane.revisions.iter().copied().find(failed))
}
