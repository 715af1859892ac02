//! What has to be observed before a promotion can be decided about: which Contents, and which live objects.

use super::Scene;
use super::start::{rollback_content, rollback_revision, undone};
use crate::api::{Change, Environment, Keep, Promotion, PromotionKind};
use crate::content::object::kinds::DEFAULT_KINDS;
use crate::content::{ObjectKey, render};
use crate::decide::history::lane::{Lane, application_of, revision_of};
use crate::decide::world::{Loaded, Project, PromotionWorld};
use std::collections::BTreeSet;

/// Names of the Contents that a promotion needs: what it writes, and what that replaces.
pub fn contents(project: &Project, promotion: &Promotion) -> (Option<String>, Option<String>) {
    let Some(environment) = project.environments.get(&promotion.spec.environment) else {
        return (None, None);
    };
    let Some(application) = application_of(project, promotion) else {
        return (None, None);
    };
    let lane = Lane::of(project, environment, application);
    let status = promotion.status.as_ref();
    let replaced = match status.and_then(|status| status.replaces) {
        Some(number) => lane.revision(number),
        None if revision_of(promotion).is_some() => None,
        None => lane.current(),
    };
    let replaced = replaced.and_then(|promotion| promotion.status.as_ref()?.content.clone());
    if let Some(content) = status.and_then(|status| status.content.clone()) {
        return (Some(content), replaced);
    }
    let wanted = match promotion.spec.kind {
        PromotionKind::Promote => project
            .releases
            .get(&promotion.spec.release)
            .and_then(|release| Some(release.content()?.to_owned())),
        PromotionKind::Rollback => rollback_content(&lane, rollback_revision(&lane, promotion)),
    };
    (wanted, replaced)
}

/// Objects that have to be looked at live: all of them before the start, afterwards those of the plan.
pub fn live_objects(world: &PromotionWorld) -> BTreeSet<ObjectKey> {
    let project = &world.project;
    let Some(environment) = project.environments.get(&world.promotion.spec.environment) else {
        return BTreeSet::new();
    };
    let Some(application) = application_of(project, &world.promotion) else { return BTreeSet::new() };
    let scene = Scene {
        world,
        environment,
        application,
        release: None,
        policy: crate::api::RollbackPolicySpec::default(),
        lane: Lane::of(project, environment, application),
        now: jiff::Timestamp::UNIX_EPOCH,
    };
    if revision_of(&world.promotion).is_some() {
        let status = scene.status();
        return changed_keys(status.changes.iter()).collect();
    }
    let mut keys = BTreeSet::new();
    // What is replaced was rendered when it was written; only a release's own content still has to be.
    for (loaded, is_raw) in [(&world.content, !scene.is_rollback()), (&world.replaced, false)] {
        let Loaded::Here(content) = loaded else { continue };
        let rendered = match is_raw {
            false => Ok(content.clone()),
            true => render(content, &environment.spec),
        };
        let wanted = rendered.and_then(|rendered| scene.desired(&rendered)).unwrap_or_default();
        keys.extend(wanted.into_iter().filter(|wanted| wanted.hook.is_none()).map(|wanted| wanted.key));
    }
    if scene.is_rollback() {
        // What came after the target is taken back; what was there with it or before is none of this.
        let target = rollback_revision(&scene.lane, &world.promotion).unwrap_or(0);
        let (_, undone) = undone(&scene.lane, target);
        let statuses = undone.filter_map(|promotion| promotion.status.as_ref());
        keys.extend(changed_keys(statuses.flat_map(|status| &status.changes)));
    }
    keys.extend(environment.spec.keeps.iter().filter_map(|keep| key_of_keep(environment, keep)));
    keys
}

fn changed_keys<'a>(changes: impl Iterator<Item = &'a Change> + 'a) -> impl Iterator<Item = ObjectKey> + 'a {
    changes.filter_map(|change| ObjectKey::new(&change.api_version, &change.kind, &change.name).ok())
}

/// The key of a kept object, whose version the environment or the default kinds tell.
fn key_of_keep(environment: &Environment, keep: &Keep) -> Option<ObjectKey> {
    let default = DEFAULT_KINDS.iter().find(|kind| kind.kind == keep.kind).map(|kind| kind.api_version);
    let further = environment
        .spec
        .kinds
        .iter()
        .find(|kind| kind.kind == keep.kind)
        .map(|kind| kind.api_version.as_str());
    ObjectKey::new(default.or(further)?, &keep.kind, &keep.name).ok()
}
