//! What a release requires of other applications: a gate, cycles, and the rollbacks of dependants.
//!
//! Invariant: what a promotion required is read from its own record, so it outlives the release.

mod dependants;

pub use dependants::{Dependant, dependants, is_of_requirement};

use super::gates::gate::Gate;
use super::history::lane::Lane;
use super::history::versions::is_at_least;
use super::world::Project;
use crate::api::{
    ApplicationName, CachedRelease, Environment, Meta, Promotion, PromotionPhase, Reason, Requirement,
};
use std::collections::BTreeSet;

/// What runs there of every required application is verified, and is the required version or a newer one.
pub(super) fn are_met(project: &Project, environment: &Environment, release: &CachedRelease) -> Gate {
    if !release.requires_any() {
        return Gate::Open;
    }
    let unmet = |required: &Requirement| {
        let missing = missing(project, environment, required)?;
        let Requirement { application, version } = required;
        Some(format!(
            "it requires {application} {version} or a newer version in {}: {missing}",
            environment.name()
        ))
    };
    match release.requires().iter().find_map(unmet) {
        Some(message) => Gate::closed(Reason::Requires, message),
        None => Gate::Open,
    }
}

/// Why a requirement is not met.
fn missing(project: &Project, environment: &Environment, required: &Requirement) -> Option<String> {
    let lane = Lane::of_other(project, environment, &required.application);
    let Some(current) = lane.current() else { return Some("no release of it was promoted there".to_owned()) };
    if current.phase() != PromotionPhase::Verified {
        return Some(format!("{} is {}", current.name(), current.phase().as_str()));
    }
    match version(&lane, current) {
        None => Some("what runs there is no release".to_owned()),
        Some(version) if meets(project, &version, required) => None,
        Some(version) => Some(format!("{version} runs there")),
    }
}

/// The version of the release that a promotion wrote or restored.
fn version<'a>(lane: &Lane<'a>, promotion: &'a Promotion) -> Option<String> {
    lane.content_of(promotion)?.status.as_ref()?.version.clone()
}

fn meets(project: &Project, version: &str, required: &Requirement) -> bool {
    let promotions = project.others.get(&required.application).into_iter().flatten();
    let own = project.promotions.values();
    let of_it = own.filter(|it| project.is_of(it, &required.application));
    is_at_least(version, &required.version, promotions.chain(of_it).map(AsRef::as_ref))
}

/// The cycle that a release is part of: each release on it waits for the next one.
pub fn cycle(project: &Project, release: &CachedRelease) -> Option<String> {
    let mut seen = BTreeSet::new();
    let start = format!("{} {}", release.application(), release.version());
    let mut stack: Vec<(Requirement, Vec<String>)> =
        release.requires().into_iter().map(|required| (required, vec![start.clone()])).collect();
    while let Some((required, mut path)) = stack.pop() {
        let Requirement { application, version } = &required;
        path.push(format!("{application} {version}"));
        // An older version of the application than this release does not wait for it.
        if *application == release.application()
            && is_at_least(version, release.version(), std::iter::empty())
        {
            return Some(format!(
                "spec.requires forms a cycle: {}; create a Release that does not require one of them",
                path.join(" requires ")
            ));
        }
        let key: (ApplicationName, String) = (application.clone(), version.clone());
        if seen.insert(key.clone()) {
            let next = project.requiring.get(&key).into_iter().flatten();
            stack.extend(next.map(|required| (required.clone(), path.clone())));
        }
    }
    None
}
