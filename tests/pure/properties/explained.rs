//! `explain` and the controller agree: the state and the time of a release in an environment are those of the line that the controller
//! reports.

use super::worlds::now;
use super::{hold, over_worlds};
use std::sync::Arc;
use towpath::api::ReleaseStatus;
use towpath::decide::release;
use towpath::decide::world::{Capture, ReleaseWorld};
use towpath::view::explain::explain;

/// The world after the controller has reported, and what it reported. None if it reports no stages: a release whose content is refused or
/// not there yet, and one that is being deleted or is about to be rolled back.
fn reported(world: &ReleaseWorld) -> Option<(ReleaseWorld, ReleaseStatus)> {
    let project = world.project.part(&world.release.application_name());
    let world = ReleaseWorld { project, capture: Capture::NotNeeded, ..world.clone() };
    let status = release::decide(&world, now()).report?;
    status.summary.as_ref()?;
    let mut next = world.clone();
    next.release = Arc::new(next.release.with_status(&status));
    next.project.releases.insert(world.release.release_name(), Arc::clone(&next.release));
    Some((next, status))
}

#[test]
fn a_release_is_explained_as_the_controller_reports_it() {
    let compared = std::cell::Cell::new(0_usize);
    over_worlds(|releases, _, _| {
        for world in releases {
            // A person reads the objects before the report, and those after it.
            for (seen, status) in reported(world).into_iter().flat_map(|(next, status)| {
                let before = ReleaseWorld { project: world.project.clone(), ..world.clone() };
                [(before, status.clone()), (next, status)]
            }) {
                for line in &status.environments {
                    let told = explain(&seen.project, &seen.release, &line.name, true, now());
                    let Some(told) = told else { return Err(format!("{} is not explained", line.name)) };
                    let until = told.until.map(|at| at.as_second());
                    let opens = line.until.as_ref().map(|at| at.0.as_second());
                    hold(told.state == line.state && until == opens, || {
                        format!("{told:#?}\n{line:#?}\n{seen:#?}")
                    })?;
                    compared.set(compared.get() + 1);
                }
            }
        }
        Ok(())
    });
    assert!(compared.get() > 100, "only {} lines were compared", compared.get());
}
