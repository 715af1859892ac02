//! Deletes promotions beyond the history limit first, then Contents that nothing references. Dry runs are no part of the history: each is
//! deleted an hour after it ended, and earlier when there are more than twenty of them.
//!
//! Invariant: these promotions are not deleted: the current revision, the newest two verified revisions of different content that is not
//! recalled, the newest one of them with the content of another release than the last, the revisions that their content comes from, the first revision, which holds the baseline, every promotion with an override, the last
//! promotion of the newest promoted release, and the last rollback of each release of which a promotion stays.

use super::lane::Lane;
use super::order::newer;
use crate::api::{ApplicationName, Environment, Meta, Promotion, PromotionKind, ReleaseName};
use crate::decide::decision::{Action, Target};
use crate::decide::moments::later;
use crate::decide::world::{EnvironmentWorld, Project};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// How long a dry run stays after it ended.
const DRY_RUN_STAYS: SignedDuration = SignedDuration::from_hours(1);
/// Dry runs of one environment that have ended.
const MOST_DRY_RUNS: usize = 20;

/// Deletions of dry runs of one environment, and when the next one is due.
pub fn dry_runs(world: &EnvironmentWorld, now: Timestamp) -> (Vec<Action>, Option<Timestamp>) {
    let name = world.environment.name();
    let here = world.project.dry_runs.values().filter(|it| it.spec.environment == name && !it.deleting());
    let mut ended: Vec<&Promotion> = here.map(AsRef::as_ref).filter(|it| it.phase().is_final()).collect();
    let end = |it: &Promotion| {
        let finished = it.status.as_ref().and_then(|status| status.finished_at.as_ref());
        finished.map_or_else(|| it.created(), |time| time.0)
    };
    ended.sort_by(|a, b| (end(b), b.name()).cmp(&(end(a), a.name())));
    let is_due =
        |(nth, it): &(usize, &Promotion)| *nth >= MOST_DRY_RUNS || later(end(it), DRY_RUN_STAYS) <= now;
    let (due, left): (Vec<_>, Vec<_>) = ended.into_iter().enumerate().partition(is_due);
    let next = left.into_iter().map(|(_, it)| later(end(it), DRY_RUN_STAYS)).min();
    (due.into_iter().map(|(_, it)| deletion(&world.environment, it)).collect(), next)
}

fn deletion(environment: &Environment, promotion: &Promotion) -> Action {
    Action::DeletePromotion {
        environment: environment.environment_name(),
        name: promotion.name().to_owned(),
        uid: promotion.uid().to_owned(),
    }
}

/// Deletions for one environment. None while an object cannot be decoded, because it may hold a reference.
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
            actions.push(deletion(&world.environment, promotion));
        }
    }
    if let (Some(contents), true) = (&world.contents, actions.is_empty()) {
        let referenced = referenced(world);
        let unreferenced = contents.iter().filter(|name| !referenced.contains(name.as_str()));
        actions.extend(unreferenced.map(|name| Action::DeleteContent { name: name.clone() }));
    }
    actions.extend(world.unnamed_copies.iter().map(|(key, uid)| Action::Delete {
        target: Target {
            environment: world.project.id(&world.environment),
            location: world.environment.location(),
        },
        key: key.clone(),
        uid: uid.clone(),
    }));
    actions
}

/// Whether no promotion of an environment is beyond its limit. More of them may stay than the limit says: see the invariant.
pub fn is_trimmed(project: &Project, environment: &Environment) -> bool {
    let limit = usize::try_from(environment.spec.history_limit).unwrap_or(1).max(1);
    project.by_application().iter().all(|(application, project)| {
        let lane = Lane::of(project, environment, application);
        surplus(project, &lane, limit).is_empty() && never_started(project, &lane, limit).is_empty()
    })
}

/// Promotions beyond the limit.
fn surplus<'a>(project: &Project, lane: &Lane<'a>, limit: usize) -> Vec<&'a Promotion> {
    let finished: Vec<&Promotion> =
        lane.revisions.iter().copied().filter(|promotion| promotion.phase().is_final()).collect();
    let Some(beyond) = finished.len().checked_sub(limit).filter(|beyond| *beyond > 0) else {
        return Vec::new();
    };
    let mut retained: BTreeSet<&str> = BTreeSet::new();
    retained.extend(lane.current().map(Meta::name));
    retained.extend(lane.first().map(Meta::name));
    // Overrides stay in the record permanently.
    retained.extend(
        finished
            .iter()
            .filter(|promotion| promotion.spec.override_.is_some())
            .map(|promotion| promotion.name()),
    );
    // The controller promotes neither this release again nor an older one, and it reads both from this promotion.
    let promoted = lane.revisions.iter().filter(|promotion| promotion.spec.kind == PromotionKind::Promote);
    let newest = promoted
        .filter_map(|promotion| Some((project.releases.get(&promotion.spec.release)?, promotion)))
        .max_by(|(a, _), (b, _)| newer(a, b));
    if let Some((release, _)) = newest {
        let is_of_it = |promotion: &&&Promotion| {
            promotion.spec.release == release.name() && promotion.spec.kind == PromotionKind::Promote
        };
        retained.extend(lane.revisions.iter().rev().find(is_of_it).map(|promotion| promotion.name()));
    }
    // Approvals that were given before a rollback do not count again.
    for approval in project.approvals.values().filter(|one| one.spec.environment.name == lane.environment) {
        let release = project.releases.get(&approval.spec.release.name);
        retained.extend(release.and_then(|release| lane.rolled_back_by(release)).map(Meta::name));
    }
    // A recall finds what runs by the revision that it comes from.
    for promotion in newest_verified(lane).take(2).chain(other_release(lane)).chain(lane.current()) {
        retained.insert(promotion.name());
        retained.extend(lane.content_of(promotion).map(Meta::name));
        let restored = promotion
            .status
            .as_ref()
            .and_then(|status| status.restores)
            .and_then(|number| lane.revision(number));
        retained.extend(restored.map(Meta::name));
    }
    let is_deleted = |nth: usize, promotion: &Promotion| nth < beyond && !retained.contains(promotion.name());
    let stays = finished.iter().enumerate().filter(|(nth, promotion)| !is_deleted(*nth, promotion));
    let stays = stays.filter(|(_, promotion)| promotion.spec.kind == PromotionKind::Promote);
    let releases: BTreeSet<&ReleaseName> = stays.map(|(_, promotion)| &promotion.spec.release).collect();
    let rollbacks: BTreeSet<&str> =
        releases.into_iter().filter_map(|release| last_rollback(lane, release)).map(Meta::name).collect();
    let surplus = finished.iter().enumerate().filter(|(nth, promotion)| is_deleted(*nth, promotion));
    surplus.map(|(_, promotion)| *promotion).filter(|it| !rollbacks.contains(it.name())).collect()
}

/// The last rollback of a release. Without it, a release whose promotion stays would count as not rolled back.
fn last_rollback<'a>(lane: &Lane<'a>, release: &ReleaseName) -> Option<&'a Promotion> {
    let is_of_it = |it: &&Promotion| it.spec.release == *release && it.spec.kind == PromotionKind::Rollback;
    lane.revisions.iter().rev().copied().find(is_of_it)
}

/// The newest verified revision of each content that is not recalled, newest first. The same content verified twice is one rollback target.
fn newest_verified<'a, 'b>(lane: &'b Lane<'a>) -> impl Iterator<Item = &'a Promotion> + use<'a, 'b> {
    let mut seen = BTreeSet::new();
    lane.verified_targets().filter(move |promotion| {
        let digest = promotion.status.as_ref().and_then(|status| status.digest.as_deref());
        seen.insert(digest.unwrap_or(promotion.name()))
    })
}

/// The newest verified revision with the content of another release than the newest verified one: what a person's rollback of that release
/// restores. Other overrides make other content of the same release, and other releases may have the same content.
fn other_release<'a>(lane: &Lane<'a>) -> Option<&'a Promotion> {
    let release = |promotion: &'a Promotion| {
        let name = || lane.content_of(promotion).map(|origin| origin.spec.release.as_str());
        lane.release_digest(promotion).or_else(name)
    };
    let newest = release(lane.last_verified()?);
    lane.verified_targets().find(|promotion| release(promotion) != newest)
}

/// Promotions beyond the limit that ended before they started, if the controller cannot create them again: their release was deleted, or
/// a newer one was promoted here.
fn never_started<'a>(project: &Project, lane: &Lane<'a>, limit: usize) -> Vec<&'a Promotion> {
    let promoted = lane.here().filter(|promotion| promotion.spec.kind == PromotionKind::Promote);
    let releases = promoted.filter_map(|promotion| project.releases.get(&promotion.spec.release));
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

/// Contents that a release, a promotion or a baseline references.
fn referenced(world: &EnvironmentWorld) -> BTreeSet<&str> {
    let releases = world.project.releases.values().filter_map(|release| release.content());
    let promotions = world
        .project
        .promotions
        .values()
        .filter_map(|promotion| promotion.status.as_ref())
        .flat_map(|status| [status.content.as_deref(), status.baseline.as_deref()].into_iter().flatten());
    releases.chain(promotions).collect()
}
