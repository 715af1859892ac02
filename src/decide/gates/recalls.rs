//! Recalls as gates: recalled content is not promoted, and recalled content that cannot be rolled back holds its lane.

use super::Requested;
use super::gate::Gate;
use crate::api::{CachedRelease, Delivery, Environment, GateName, Meta, Promotion, Reason};
use crate::decide::history::lane::Lane;
use crate::decide::history::recalled::is_overridden;
use crate::decide::history::target::irreversible_release;
use crate::decide::recall::{Disposition, disposition, no_target_left, why};
use crate::decide::world::Project;

/// The content of the release is not recalled.
pub(super) fn not_recalled(project: &Project, lane: &Lane<'_>, release: &CachedRelease) -> Gate {
    // A recall that cannot be decoded may name any content.
    if let Some(((_, name), error)) = project.undecodable.iter().find(|((kind, _), _)| kind == "Recall") {
        return Gate::closed(Reason::Recall, format!("Recall {name} cannot be decoded: {error}"));
    }
    match release.digest().and_then(|digest| lane.recall_of(digest)) {
        None => Gate::Open,
        Some(recall) => {
            let message = format!("{}; the gate opens when the Recall is deleted", why(recall));
            Gate::closed(Reason::Recall, message)
        }
    }
}

/// The gates that a promotion overrides. It overrides only recalls that existed when it was created.
pub fn known_overrides(
    project: &Project,
    lane: &Lane<'_>,
    release: &CachedRelease,
    promotion: &Promotion,
    overridden: &[GateName],
) -> Vec<GateName> {
    let digest = release.digest().unwrap_or_default();
    let mut recalls = lane.recalls.iter().filter(|recall| recall.names(digest));
    let is_undecodable = project.undecodable.keys().any(|(kind, _)| kind == "Recall");
    let counts = !is_undecodable && recalls.all(|recall| is_overridden(promotion, recall));
    overridden.iter().copied().filter(|gate| *gate != GateName::Recall || counts).collect()
}

/// Recalled content runs here and cannot be rolled back: only a person can start the next promotion.
pub(super) fn not_held_by_recall(
    project: &Project,
    environment: &Environment,
    lane: &Lane<'_>,
    requested: Requested,
) -> Gate {
    if requested == Requested::ByPerson || environment.spec.delivery == Delivery::Observed {
        return Gate::Open;
    }
    match staying(project, environment, lane) {
        Some(message) => {
            Gate::closed(Reason::FailureHold, format!("{message}; create a Promotion to continue"))
        }
        None => Gate::Open,
    }
}

/// That recalled content runs in an environment until a person or another tool acts, and what they can do.
pub fn staying(project: &Project, environment: &Environment, lane: &Lane<'_>) -> Option<String> {
    let current = lane.current()?;
    let recall = lane.recalled_by(current)?;
    let origin = lane.content_of(current)?;
    let release = &origin.spec.release;
    let follows = match disposition(environment, lane, recall) {
        Disposition::Observed => "another tool deploys here: roll back with that tool".to_owned(),
        Disposition::Irreversible { promotion, to } => irreversible_release(promotion, to),
        Disposition::NoTarget => no_target_left(project, lane, release),
        Disposition::Refused(rollback) => {
            let message = rollback.status.as_ref().and_then(|status| status.message.clone());
            format!("{} did not start: {}", rollback.name(), message.unwrap_or_default())
        }
        Disposition::NotHere
        | Disposition::Ends(_)
        | Disposition::Pending(_)
        | Disposition::RollBack { .. } => return None,
    };
    Some(format!("{release} runs here and is {}; {follows}", why(recall)))
}

#[cfg(test)]
#[path = "recalls_tests.rs"]
mod tests;
