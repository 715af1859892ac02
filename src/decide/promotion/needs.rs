//! What must be observed before the decision about a promotion: its Contents, and, once they are rendered, live objects.

use super::as_written;
use super::dropped::left_behind;
use super::hooks;
use super::removals::due_after_window;
use super::schedules::with_a_bad_run;
use super::test_runs;
use crate::api::{
    ChangeAction, Delivery, Environment, ObjectChange, ObjectRef, Promotion, PromotionKind, PromotionPhase,
};
use crate::content::object::defaults::DEFAULT_KINDS;
use crate::content::ownership::owner;
use crate::content::plan::order::hook;
use crate::content::{Destination, ObjectKey, Plan, materialise};
use crate::decide::history::lane::Lane;
use crate::decide::history::target::{restores_baseline, reverted, rollback_content, rollback_revision};
use crate::decide::world::{Loaded, Plans, Project, PromotionWorld};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// The names of the Contents of a promotion: the one that it writes, and the one that it replaces.
pub fn contents(project: &Project, promotion: &Promotion) -> (Option<String>, Option<String>) {
    let Some(environment) = project.environments.get(&promotion.spec.environment) else {
        return (None, None);
    };
    let Some(application) = project.application_of(promotion) else {
        return (None, None);
    };
    let lane = Lane::of(project, environment, &application);
    let status = promotion.status.as_ref();
    let replaced = match status.and_then(|status| status.replaces) {
        Some(number) => lane.revision(number),
        None if promotion.revision().is_some() => None,
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

/// The name of the Content whose tests have to pass beside those of the promotion.
pub fn regression(project: &Project, promotion: &Promotion) -> Option<String> {
    let environment = project.environments.get(&promotion.spec.environment)?;
    let lane = Lane::of(project, environment, &project.application_of(promotion)?);
    test_runs::regression_source(&lane, environment, promotion)?.status.as_ref()?.content.clone()
}

/// Renders the contents of a promotion. The result is used both to find the live objects and for the decision.
pub fn plans(world: &PromotionWorld) -> Plans {
    let (project, promotion) = (&world.project, world.promotion.as_ref());
    let environment = project.environments.get(&promotion.spec.environment);
    let (Some(environment), Some(application)) = (environment, project.application_of(promotion)) else {
        return Plans::default();
    };
    let lane = Lane::of(project, environment, &application);
    let started = promotion.revision();
    let owner = owner(&project.id(environment), &application);
    let run = started.unwrap_or_else(|| lane.next_revision()).to_string();
    let to = Destination { namespace: &environment.spec.namespace, owner: &owner, run: &run };
    let baseline = restores_baseline(&lane, promotion);
    let is_pending = promotion.phase() == PromotionPhase::Pending;
    // The replaced content and the content that a rollback restores were already rendered when they were written.
    let is_raw = is_pending && promotion.spec.kind == PromotionKind::Promote;
    let plan = |loaded: &Loaded, is_raw: bool| match loaded {
        Loaded::NotAsked | Loaded::Missing(_) | Loaded::Broken(_) => None,
        Loaded::Here(content) if baseline => Some(Ok(Plan::of_baseline(content, to.namespace))),
        Loaded::Here(content) if is_raw => Some(Plan::of_release(content, &environment.spec, &to)),
        Loaded::Here(content) => Some(Plan::of_revision(content, &to)),
    };
    let replaced = if is_pending { plan(&world.replaced, false) } else { None };
    let earlier = match promotion.status.as_ref().and_then(|status| status.replaces) {
        None if started.is_none() => lane.current().and_then(Promotion::revision),
        replaces => replaces,
    };
    let earlier_hooks = earlier.map(|number| hooks_of(&world.replaced, &to, number)).unwrap_or_default();
    let regression = test_runs::of_regression(&world.tests.regression, &to);
    Plans { content: plan(&world.content, is_raw), replaced, regression, earlier_hooks }
}

/// The Jobs that are hooks of a revision.
fn hooks_of(content: &Loaded, to: &Destination<'_>, revision: i64) -> BTreeSet<ObjectKey> {
    let Loaded::Here(content) = content else { return BTreeSet::new() };
    let is_hook =
        |(key, object): (&ObjectKey, &serde_json::Value)| hook(key, object).is_ok_and(|hook| hook.is_some());
    if !content.objects().iter().any(is_hook) {
        return BTreeSet::new();
    }
    let run = revision.to_string();
    let to = Destination { run: &run, ..*to };
    let objects = materialise(content, &to).unwrap_or_default();
    objects.into_iter().filter(|item| item.hook.is_some()).map(|item| item.key).collect()
}

/// The objects that must be read live, while there is something to compare or to write: until everything is rolled out, what this
/// process has not written itself, and the workloads that changed since it did; in the observe window, the workloads that changed since, and, when it has ended, what was written and what is deleted then.
pub fn live_objects(world: &PromotionWorld, now: Timestamp) -> BTreeSet<ObjectKey> {
    let environment = world.project.environments.get(&world.promotion.spec.environment);
    let is_observed = environment.is_none_or(|environment| environment.spec.delivery == Delivery::Observed);
    if is_observed || test_runs::are_running(world) {
        return BTreeSet::new();
    }
    let stored = world.promotion.status.as_ref().and_then(|status| status.rolled_out_at.as_ref());
    match stored.is_some() || world.rolled_out.is_some() {
        true => {
            let after_window = &due_after_window(world, now) | &as_written::due_after_window(world, now);
            &(&changed_workloads(world) | &after_window) | &with_a_bad_run(world)
        }
        false => {
            let objects = objects_to_write(world).into_iter().filter(|key| !world.written.contains(key));
            let changed = changed_workloads(world).into_iter().filter(|key| world.written.contains(key));
            objects.chain(changed).chain(hooks::unseen(world).cloned()).chain(with_a_bad_run(world)).collect()
        }
    }
}

/// All objects before the start, then those that the promotion changes.
fn objects_to_write(world: &PromotionWorld) -> BTreeSet<ObjectKey> {
    let (project, promotion) = (&world.project, world.promotion.as_ref());
    let environment = project.environments.get(&promotion.spec.environment);
    let (Some(environment), Some(application)) = (environment, project.application_of(promotion)) else {
        return BTreeSet::new();
    };
    if promotion.revision().is_some() {
        let changes = promotion.status.iter().flat_map(|status| &status.changes);
        return changed_keys(changes.filter(|change| change.action != ChangeAction::Keep)).collect();
    }
    let plans = [&world.plans.content, &world.plans.replaced].into_iter().flatten().flatten();
    let mut keys: BTreeSet<ObjectKey> = plans.flat_map(Plan::keys).cloned().collect();
    let lane = Lane::of(project, environment, &application);
    keys.extend(lane.current().map(left_behind).unwrap_or_default());
    if promotion.spec.kind == PromotionKind::Rollback {
        // A rollback also reverts the objects that later revisions than its target changed.
        let target = rollback_revision(&lane, promotion).unwrap_or(0);
        let (_, reverted) = reverted(&lane, target);
        let statuses = reverted.filter_map(|promotion| promotion.status.as_ref());
        keys.extend(changed_keys(statuses.flat_map(|status| &status.changes)));
    }
    keys.extend(environment.spec.keeps.iter().filter_map(|keep| key_of_keep(environment, keep)));
    keys
}

/// The workloads of the promotion whose spec has a generation that was not compared with what was written. An autoscaler raises it
/// too, so only the live object shows what changed.
fn changed_workloads(world: &PromotionWorld) -> BTreeSet<ObjectKey> {
    let changes = world.promotion.status.iter().flat_map(|status| &status.changes);
    changed_keys(changes)
        .filter(|key| {
            let generation = world.workloads.get(key).map(|workload| workload.generation);
            key.kind() != "Job" && generation > Some(world.generations.get(key).copied().unwrap_or(0))
        })
        .collect()
}

fn changed_keys<'a>(
    changes: impl Iterator<Item = &'a ObjectChange> + 'a,
) -> impl Iterator<Item = ObjectKey> + 'a {
    changes.filter_map(ObjectKey::of_change)
}

/// The key of an object in `spec.keeps`. Its API version is that of the default kinds or of `spec.kinds`.
fn key_of_keep(environment: &Environment, keep: &ObjectRef) -> Option<ObjectKey> {
    let default = DEFAULT_KINDS.iter().filter(|kind| kind.kind == keep.kind).map(|kind| kind.api_version);
    let further = environment.spec.kinds.iter().filter(|kind| kind.kind == keep.kind);
    let versions = default.chain(further.map(|kind| kind.api_version.as_str()));
    let mut keys = versions.filter_map(|version| ObjectKey::new(version, &keep.kind, &keep.name).ok());
    keys.find(|key| key.is_named_by(keep))
}
