//! The order of releases.

use crate::api::{CachedRelease, Meta};
use crate::decide::world::Project;
use std::cmp::Ordering;
use std::sync::Arc;

/// The order of releases: creation, then semantic version, then name.
pub fn newer(a: &CachedRelease, b: &CachedRelease) -> Ordering {
    a.created()
        .cmp(&b.created())
        .then_with(|| match (semver::Version::parse(a.version()), semver::Version::parse(b.version())) {
            (Ok(left), Ok(right)) => left.cmp(&right),
            (Ok(_), Err(_)) => Ordering::Greater,
            (Err(_), Ok(_)) => Ordering::Less,
            (Err(_), Err(_)) => Ordering::Equal,
        })
        .then_with(|| a.name().cmp(b.name()))
}

/// The releases of one application, newest first, without those that are being deleted.
pub fn releases_of<'a>(project: &'a Project, application: &str) -> Vec<&'a Arc<CachedRelease>> {
    let mut releases: Vec<_> = project
        .releases
        .values()
        .filter(|release| release.application() == application && !release.deleting())
        .collect();
    releases.sort_by(|a, b| newer(b, a));
    releases
}
