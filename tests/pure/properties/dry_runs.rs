//! Dry runs over arbitrary worlds: they write nothing, and nothing else is decided by them.

use super::facts::content;
use super::worlds::{Choices, now};
use super::{hold, over_worlds};
use serde_json::json;
use std::fmt::Debug;
use std::sync::Arc;
use towpath::api::{Delivery, EnvironmentName, Meta, Promotion, PromotionKind, PromotionPhase, UserInfo};
use towpath::decide::decision::{Action, Decision};
use towpath::decide::needs::plans;
use towpath::decide::world::{Grant, Loaded, NamespaceFacts, Objects, Project, PromotionWorld, Trial, Verb};
use towpath::decide::{environment, promotion, release};

fn as_dry_run(promotion: &Promotion) -> Promotion {
    let mut promotion = promotion.clone();
    promotion.metadata.name = promotion.metadata.name.map(|name| format!("dry-run.{name}"));
    promotion.metadata.uid = promotion.metadata.uid.map(|uid| format!("{uid}-dry-run"));
    promotion.spec.dry_run = true;
    promotion
}

/// The project with a dry run beside each of its promotions, in whatever state that one is.
fn with_dry_runs(project: &Project) -> Project {
    let dry_runs = project.promotions.values().map(|promotion| Arc::new(as_dry_run(promotion)));
    let dry_runs = dry_runs.map(|promotion| (promotion.metadata.name.clone().unwrap(), promotion)).collect();
    Project { dry_runs, ..project.clone() }
}

/// What is decided, without the deletions of dry runs and without the time at which they are due.
fn decided<S: Debug>(mut decision: Decision<S>) -> String {
    decision.actions.retain(
        |action| !matches!(action, Action::DeletePromotion { name, .. } if name.starts_with("dry-run.")),
    );
    decision.wake_at = None;
    format!("{decision:?}")
}

#[test]
fn a_project_keeps_dry_runs_apart_from_promotions() {
    over_worlds(|_, environments, _| {
        for world in environments {
            let promotions = world.project.promotions.values().cloned();
            let dry_runs = world.project.promotions.values().map(|promotion| Arc::new(as_dry_run(promotion)));
            let both = Objects { promotions: promotions.chain(dry_runs).collect(), ..Objects::default() };
            let project = Project::from_objects(both);
            hold(project.promotions == world.project.promotions, || format!("{:?}", project.promotions))?;
            hold(project.dry_runs.len() == project.promotions.len(), || format!("{:?}", project.dry_runs))?;
        }
        Ok(())
    });
}

#[test]
fn no_dry_run_changes_another_decision() {
    over_worlds(|releases, environments, promotions| {
        for world in releases {
            let mut next = world.clone();
            next.project = with_dry_runs(&world.project);
            let (one, other) = (release::decide(world, now()), release::decide(&next, now()));
            hold(format!("{one:?}") == format!("{other:?}"), || format!("{one:?}\n{other:?}\n{world:#?}"))?;
        }
        for world in environments {
            let mut next = world.clone();
            next.project = with_dry_runs(&world.project);
            let (one, other) =
                (decided(environment::decide(world, now())), decided(environment::decide(&next, now())));
            hold(one == other, || format!("{one}\n{other}\n{world:#?}"))?;
        }
        for world in promotions {
            let mut next = world.clone();
            next.project = with_dry_runs(&world.project);
            next.plans = plans(&next);
            let (one, other) = (promotion::decide(world, now()), promotion::decide(&next, now()));
            hold(format!("{one:?}") == format!("{other:?}"), || format!("{one:?}\n{other:?}\n{world:#?}"))?;
        }
        Ok(())
    });
}

/// The world of a promotion, as if it were a dry run that has not ended.
fn dry(world: &PromotionWorld) -> PromotionWorld {
    let mut next = world.clone();
    let mut promotion = as_dry_run(&world.promotion);
    promotion.spec.kind = PromotionKind::Promote;
    promotion.spec.to_revision = None;
    promotion.spec.override_ = None;
    promotion.status = None;
    let promotion = Arc::new(promotion);
    let name = promotion.metadata.name.clone().unwrap();
    next.project.dry_runs.insert(name, Arc::clone(&promotion));
    next.promotion = promotion;
    tried(next)
}

/// The same, if its objects were tried.
fn tried(mut next: PromotionWorld) -> PromotionWorld {
    next.plans = plans(&next);
    if let (Some(Ok(plan)), Some(tried)) = (&next.plans.content, &mut next.tried) {
        tried.digest = plan.digest().to_owned();
    }
    next
}

/// The same with all that a comparison needs: a release with a content, a managed environment with consent, a requester who may promote, and
/// answers of the API server. None if the project has no release or no environment.
fn complete(world: &PromotionWorld) -> Option<PromotionWorld> {
    let mut next = world.clone();
    let release = next.project.releases.values().find(|release| !release.deleting())?.name().to_owned();
    let environment = Arc::make_mut(next.project.environments.values_mut().next()?);
    environment.spec.delivery = Delivery::Managed;
    environment.metadata.deletion_timestamp = None;
    let (place, location) = (EnvironmentName::from(environment.name()), environment.location());
    let facts = NamespaceFacts { uid: "here".into(), terminating: false };
    next.project.namespaces.insert(location, facts);
    next.project.grants.insert(place.clone(), Grant::Granted);
    next.project.undecodable.clear();
    let user: UserInfo = serde_json::from_value(json!({ "username": "alice", "groups": [] })).unwrap();
    next.project.rights.insert((Verb::Promote, place.clone(), user.clone()), true);
    let promotion = Arc::make_mut(&mut next.promotion);
    promotion.metadata.deletion_timestamp = None;
    promotion.spec.release = release.as_str().into();
    promotion.spec.environment = place;
    promotion.spec.application = None;
    promotion.spec.requested_by = Some(user);
    next.content = Loaded::Here(Arc::new(content(&mut Choices([].iter()))));
    next.tried.get_or_insert_with(Trial::default);
    Some(tried(next))
}

#[test]
fn a_dry_run_writes_nothing_and_has_no_revision() {
    use std::cell::Cell;
    let (compared, ended) = (Cell::new(0), Cell::new(0));
    over_worlds(|_, _, promotions| {
        for world in promotions.iter().map(dry).flat_map(|world| [complete(&world), Some(world)]).flatten() {
            let decision = promotion::decide(&world, now());
            let tries = |action: &Action| matches!(action, Action::Preflight { .. });
            let is_harmless = decision.records.is_empty() && decision.actions.iter().all(tries);
            hold(is_harmless, || format!("{decision:#?}\n{world:#?}"))?;
            for status in decision.memory.iter().chain(&decision.report) {
                let has_a_place = status.revision.is_some()
                    || status.content.is_some()
                    || status.baseline.is_some()
                    || status.started_at.is_some()
                    || status.phase.is_running()
                    || status.changes.iter().any(|change| change.had.is_some());
                hold(!has_a_place, || format!("{status:#?}\n{world:#?}"))?;
                let may_be = [
                    PromotionPhase::Pending,
                    PromotionPhase::Compared,
                    PromotionPhase::Failed,
                    PromotionPhase::Cancelled,
                ];
                hold(may_be.contains(&status.phase), || format!("{status:#?}\n{world:#?}"))?;
                hold(status.phase.is_final() == status.finished_at.is_some(), || format!("{status:#?}"))?;
                let count = |cell: &Cell<i32>| cell.set(cell.get() + 1);
                match status.phase {
                    PromotionPhase::Compared => count(&compared),
                    phase if phase.is_final() => count(&ended),
                    _ => {}
                }
            }
        }
        Ok(())
    });
    assert!(
        compared.get() > 0 && ended.get() > 0,
        "{} were compared, {} ended otherwise",
        compared.get(),
        ended.get()
    );
}
