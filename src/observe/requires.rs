//! The applications that a decision needs beside its own: those that a release requires, and those that require an application.

use super::ObserveError;
use super::project::promotions_of;
use crate::api::{ApplicationName, CachedRelease, Promotion, PromotionKind, PromotionPhase};
use crate::decide::world::Project;
use crate::process::Handles;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The most requirements that are followed to find a cycle.
const MOST: usize = 1000;

/// Loads what a promotion requires before it starts, or what requires the application of a rollback.
pub(super) fn of_promotion(
    handles: &Handles,
    project: &mut Project,
    promotion: &Promotion,
) -> Result<(), ObserveError> {
    if promotion.phase() != PromotionPhase::Pending {
        return Ok(());
    }
    let names = match promotion.spec.kind {
        PromotionKind::Promote => required(project.releases.values().map(AsRef::as_ref)),
        PromotionKind::Rollback => {
            let application = project.application_of(promotion).unwrap_or_default();
            handles.stores.requirements().dependants_of(&project.name, &application)
        }
    };
    load(handles, project, names)
}

/// Loads what the releases of an application require, and what the requirements of one release lead to.
pub(super) fn of_release(
    handles: &Handles,
    project: &mut Project,
    release: &CachedRelease,
) -> Result<(), ObserveError> {
    let mut open = release.requires();
    while let Some(required) = open.pop().filter(|_| project.requiring.len() < MOST) {
        let key = (required.application, required.version);
        if !project.requiring.contains_key(&key) {
            let next = handles.stores.requirements().of_release(&project.name, &key.0, &key.1);
            open.extend(next.clone());
            project.requiring.insert(key, next);
        }
    }
    load(handles, project, required([release].into_iter()))
}

fn required<'a>(releases: impl Iterator<Item = &'a CachedRelease>) -> BTreeSet<ApplicationName> {
    let with_any = releases.filter(|release| release.requires_any());
    with_any.flat_map(CachedRelease::requires).map(|required| required.application).collect()
}

fn load(
    handles: &Handles,
    project: &mut Project,
    names: BTreeSet<ApplicationName>,
) -> Result<(), ObserveError> {
    let mut others = std::collections::BTreeMap::new();
    for name in names {
        let promotions = promotions_of(handles, &project.name, &name)?;
        others.insert(name, promotions);
    }
    project.others = Arc::new(others);
    Ok(())
}
