//! Gates of time: `notBefore`, deadline, windows, freezes. None of them applies to rollbacks.

use super::declared::declared;
use super::gate::Gate;
use super::schedule::{Opening, opening};
use crate::api::{CachedRelease, ChangeType, Environment, Meta, Reason};
use crate::decide::world::{Freeze, Project};
use jiff::Timestamp;

/// Whether a freeze is in force in an environment.
pub fn is_frozen(freeze: &Freeze, environment: &Environment, now: Timestamp) -> bool {
    concerns(freeze, environment) && freeze.from <= now && now < freeze.to
}

/// Of the freezes in force that a change of this type does not pass, the one that ends last. The gate opens when it ends.
pub fn freeze_in_force<'a>(
    project: &'a Project,
    environment: &Environment,
    change: Option<ChangeType>,
    now: Timestamp,
) -> Option<&'a Freeze> {
    let passes = |freeze: &Freeze| change.is_some_and(|change| freeze.passes.contains(&change));
    let in_force = project.freezes.iter().filter(|freeze| is_frozen(freeze, environment, now));
    in_force.filter(|freeze| !passes(freeze)).max_by_key(|freeze| freeze.to)
}

fn concerns(freeze: &Freeze, environment: &Environment) -> bool {
    freeze.environments.is_empty() || freeze.environments.iter().any(|name| name == environment.name())
}

/// The deadline of a release, if it is in the future.
pub fn deadline(release: &CachedRelease, now: Timestamp) -> Option<Timestamp> {
    let deadline = release.change.as_ref()?.deadline.as_ref()?.0;
    (deadline > now).then_some(deadline)
}

/// A release that has not started by its deadline is abandoned.
pub(in crate::decide) fn deadline_has_not_passed(release: &CachedRelease, now: Timestamp) -> Gate {
    match release.change.as_ref().and_then(|change| change.deadline.as_ref()) {
        Some(deadline) if deadline.0 <= now => {
            Gate::closed(Reason::Deadline, format!("abandoned: spec.change.deadline was {}", deadline.0))
        }
        Some(_) | None => Gate::Open,
    }
}

/// The earliest start that the release names for this environment.
pub(in crate::decide) fn is_due(environment: &Environment, release: &CachedRelease, now: Timestamp) -> Gate {
    let entries = release.change.iter().flat_map(|change| &change.not_before);
    let at = entries.filter(|entry| entry.environment == environment.name()).map(|entry| entry.at.0).max();
    match at {
        Some(at) if now < at => Gate::Closed {
            gate: Reason::NotBefore,
            message: format!("spec.change.notBefore is {at}"),
            until: Some(at),
        },
        Some(_) | None => Gate::Open,
    }
}

/// The windows of the environment allow a start now.
pub(in crate::decide) fn window_is_open(environment: &Environment, now: Timestamp) -> Gate {
    match opening(&environment.spec.windows, now) {
        Opening::Open { .. } => Gate::Open,
        Opening::Closed { reason, until } => Gate::Closed { gate: Reason::Window, message: reason, until },
    }
}

/// No freeze is in force, or changes of this type pass every freeze in force.
pub(in crate::decide) fn is_not_frozen(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    now: Timestamp,
) -> Gate {
    let change = declared(project, environment, release);
    match freeze_in_force(project, environment, Some(change.counts_as), now) {
        None => Gate::Open,
        Some(freeze) => {
            let passing = match freeze.passes.as_slice() {
                [] => "only rollbacks pass".to_owned(),
                types => format!(
                    "rollbacks and {} changes pass",
                    types.iter().map(|passes| passes.as_str()).collect::<Vec<_>>().join(" and ")
                ),
            };
            let message =
                format!("{} is in force until {}: {}; {passing}", freeze.name, freeze.to, freeze.reason);
            let would_pass = freeze.passes.contains(&change.declared);
            Gate::Closed {
                gate: Reason::Freeze,
                message: change.explain(message, would_pass),
                until: Some(freeze.to),
            }
        }
    }
}

/// The next time at which a freeze of an environment starts or ends.
pub fn next_freeze(project: &Project, environment: &Environment, now: Timestamp) -> Option<Timestamp> {
    let times = project
        .freezes
        .iter()
        .filter(|freeze| concerns(freeze, environment))
        .flat_map(|freeze| [freeze.from, freeze.to]);
    times.filter(|at| *at > now).min()
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
