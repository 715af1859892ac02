//! What left the history is removed: old promotions first, and Contents that nothing names any more.
//!
//! Never removed: the current revision, what runs, every revision that a rollback may go to, the first one, which holds the
//! baseline while nothing else was verified, and the last of the newest release that was tried.

use super::lane::Lane;
use super::order::newer;
use crate::api::Meta;
use crate::api::{ApplicationName, Promotion, PromotionKind, PromotionPhase};
use crate::decide::decision::{Action, Target};
use crate::decide::world::{EnvironmentWorld, Project};
use std::collections::{BTreeMap, BTreeSet};

/// Removals for one environment. Nothing goes while something cannot be read: it may be named there.
pub fn trim(world: &EnvironmentWorld, applications: &BTreeMap<ApplicationName, Project>) -> Vec<Action> {
    if !world.project.undecodable.is_empty() {
        return Vec::new();
    }
    let mut actions = Vec::new();
    let limit = usize::try_from(world.environment.spec.history_limit).unwrap_or(1).max(1);
    for (application, project) in applications {
        let lane = Lane::of(project, &world.environment, application);
        for promotion in
            surplus(project, &lane, limit).into_iter().chain(never_started(project, &lane, limit))
        {
            actions.push(Action::DeletePromotion {
                environment: world.environment.name().to_owned(),
                name: promotion.name().to_owned(),
                uid: promotion.uid().to_owned(),
            });
        }
    }
    if let (Some(contents), true) = (&world.contents, actions.is_empty()) {
        let named = named(world);
        let unnamed = contents.iter().filter(|name| !named.contains(name.as_str()));
        actions.extend(unnamed.map(|name| Action::DeleteContent { name: name.clone() }));
    }
    actions.extend(world.unnamed_copies.iter().map(|(key, uid)| Action::Delete {
        target: Target {
            project: world.project.name.clone(),
            environment: world.environment.name().into(),
            location: world.environment.location(),
        },
        key: key.clone(),
        uid: uid.clone(),
    }));
    actions
}

/// Promotions beyond the limit.
fn surplus<'a>(project: &Project, lane: &Lane<'a>, limit: usize) -> Vec<&'a Promotion> {
    let finished: Vec<&Promotion> =
        lane.revisions.iter().copied().filter(|promotion| promotion.phase().is_final()).collect();
    let Some(beyond) = finished.len().checked_sub(limit).filter(|beyond| *beyond > 0) else {
        return Vec::new();
    };
    let mut kept: BTreeSet<&str> = BTreeSet::new();
    kept.extend(lane.current().map(Meta::name));
    kept.extend(lane.first().map(Meta::name));
    // A gate that was overridden stays in the record for ever.
    kept.extend(
        finished
            .iter()
            .filter(|promotion| promotion.spec.override_.is_some())
            .map(|promotion| promotion.name()),
    );
    // Nothing older than the newest release that was tried here may follow by automation, and that one not again.
    let tried = lane.revisions.iter().filter(|promotion| promotion.spec.kind == PromotionKind::Promote);
    let newest = tried
        .filter_map(|promotion| Some((project.releases.get(&promotion.spec.release)?, promotion)))
        .max_by(|(a, _), (b, _)| newer(a, b));
    if let Some((release, _)) = newest {
        // With its rollback, or it would count as one that stayed.
        for kind in [PromotionKind::Promote, PromotionKind::Rollback] {
            let is_of_it = |promotion: &&&Promotion| {
                promotion.spec.release == release.name() && promotion.spec.kind == kind
            };
            kept.extend(lane.revisions.iter().rev().find(is_of_it).map(|promotion| promotion.name()));
        }
    }
    let verified = lane.here().rev().filter(|promotion| promotion.phase() == PromotionPhase::Verified);
    for promotion in verified.take(2) {
        kept.insert(promotion.name());
        kept.extend(lane.content_of(promotion).map(Meta::name));
        let restored = promotion
            .status
            .as_ref()
            .and_then(|status| status.restores)
            .and_then(|number| lane.revision(number));
        kept.extend(restored.map(Meta::name));
    }
    finished.into_iter().take(beyond).filter(|promotion| !kept.contains(promotion.name())).collect()
}

/// Promotions that ended before they began, beyond the limit: of releases that are gone, or that a newer one has overtaken here, so
/// that automation does not offer them again.
fn never_started<'a>(project: &Project, lane: &Lane<'a>, limit: usize) -> Vec<&'a Promotion> {
    let put_here = lane.here().filter(|promotion| promotion.spec.kind == PromotionKind::Promote);
    let releases = put_here.filter_map(|promotion| project.releases.get(&promotion.spec.release));
    let newest = releases.max_by(|a, b| newer(a, b));
    let is_past = |promotion: &&Promotion| match (project.releases.get(&promotion.spec.release), newest) {
        (None, _) => true,
        (Some(release), Some(newest)) => newer(newest, release).is_gt(),
        (Some(_), None) => false,
    };
    let ended = lane.pending.iter().copied().filter(|promotion| promotion.phase().is_final());
    let past: Vec<&Promotion> = ended.filter(is_past).collect();
    let beyond = past.len().saturating_sub(limit);
    past.into_iter().take(beyond).collect()
}

/// Contents that a release, a promotion or a baseline names.
fn named(world: &EnvironmentWorld) -> BTreeSet<&str> {
    let releases = world.project.releases.values().filter_map(|release| release.content());
    let promotions = world
        .project
        .promotions
        .values()
        .filter_map(|promotion| promotion.status.as_ref())
        .flat_map(|status| [status.content.as_deref(), status.baseline.as_deref()].into_iter().flatten());
    releases.chain(promotions).collect()
}
