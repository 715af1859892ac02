//! The world of a promotion: contents, live objects, what the dry-run said, and health.

use super::grant::{WHILE_WRITING, grant};
use super::rights::{Questions, TO_START, ask};
use super::{ObserveError, contents, custom, health, live, project, requires, standstill, test_runs};
use crate::api::{Delivery, Environment, ProjectName, Promotion, PromotionKind, PromotionPhase};
use crate::cluster::{Identity, application_of};
use crate::content::ObjectKey;

use crate::decide::needs::{
    contents as wanted_contents, date_schedules, live_objects, plans, regression, rollback_names,
};
use crate::decide::world::{Grant, Loaded, Plans, Project, PromotionWorld, Tests, Verb};
use crate::process::Handles;
use kube::ResourceExt;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Observes a promotion; `None` when it does not exist or has ended.
pub async fn observe(
    handles: &Handles,
    namespace: &ProjectName,
    name: &str,
) -> Result<Option<PromotionWorld>, ObserveError> {
    let Some(promotion) = handles.stores.promotions.get(namespace, name) else { return Ok(None) };
    let project = of_application(handles, namespace, &promotion)?;
    let Some(promotion) = project.promotion(name).cloned() else { return Ok(None) };
    if promotion.phase().is_final() {
        return Ok(None);
    }
    let mut project = project;
    requires::of_promotion(handles, &mut project, &promotion)?;
    let questions = questions(&project, &promotion);
    ask(handles, &mut project, questions, TO_START).await?;
    let environment = project.environments.get(&promotion.spec.environment).cloned();
    let exists = environment
        .as_ref()
        .and_then(|environment| project.namespace(environment))
        .is_some_and(|facts| !facts.terminating);
    let (Some(environment), true) = (environment, exists) else {
        return Ok(Some(world(handles, project, promotion)));
    };
    let granted = grant(handles, namespace, &environment, WHILE_WRITING).await?;
    let (wanted, replaced) = wanted_contents(&project, &promotion);
    let content = contents::load(handles, namespace, wanted).await?;
    let replaced = contents::load(handles, namespace, replaced).await?;
    let tested = contents::load(handles, namespace, regression(&project, &promotion)).await?;
    let (id, target) = (project.id(&environment), environment.location());
    let mut seen = world(handles, project, promotion);
    seen.tests.regression = tested;
    seen.project.grants.insert(id.environment.clone(), granted);
    project::occupy(handles, &mut seen.project, &environment).await?;
    seen.content = content;
    seen.replaced = replaced;
    seen.plans = plans(&seen);
    // Contents are own objects; nothing in the target is read without consent.
    if *seen.project.grant(&environment) != Grant::Granted {
        return Ok(Some(seen));
    }
    let recorded = seen.promotion.status.as_ref().map(|status| status.disruptions.as_slice());
    seen.workloads = health::workloads(handles, &target, recorded.unwrap_or_default());
    if let Some(Ok(plan)) = &seen.plans.content {
        health::compare(&mut seen.workloads, &plan.objects);
    }
    if environment.spec.delivery == Delivery::Managed {
        let client = handles.clients.identity(&Identity::new(id)?)?;
        if seen.promotion.phase().is_running() {
            standstill::explain(handles, &client, &target, &mut seen).await;
            seen.customs = custom::customs(handles, &client, &target, &seen).await?;
        }
        // Some tests run before the start.
        test_runs::add(handles, &client, &target, &mut seen).await;
    }
    seen.live = read_live(handles, &seen.project, &seen, &environment).await?;
    date_schedules(&mut seen);
    Ok(Some(seen))
}

/// The application of a promotion, and any promotion that already has the name of its rollback.
fn of_application(
    handles: &Handles,
    namespace: &ProjectName,
    promotion: &Promotion,
) -> Result<Project, ObserveError> {
    let stores = &handles.stores;
    let project = match (application_of(promotion), stores.releases.get(namespace, &promotion.spec.release)) {
        ("", Some(release)) => project::application(handles, namespace, &release.application_name()),
        (application, _) => project::application(handles, namespace, &application.into()),
    };
    let mut project = project?;
    for name in rollback_names(promotion) {
        let Some(other) = stores.promotions.get(namespace, &name) else { break };
        project.promotions.entry(name).or_insert(other);
    }
    Ok(project)
}

/// Before it starts: whether its requester may promote, its approvers may approve, and the requester of the release may declare the type
/// of change that it names.
fn questions(project: &Project, promotion: &Promotion) -> Questions {
    let spec = &promotion.spec;
    if promotion.phase() != PromotionPhase::Pending || spec.kind == PromotionKind::Rollback {
        return Questions::new();
    }
    let environment = || spec.environment.clone();
    let release = project.releases.get(&spec.release);
    let requester = release.filter(|_| promotion.is_automatic()).and_then(|release| release.requested_by());
    let declarer =
        release.filter(|release| release.declares_a_type()).and_then(|release| release.requested_by());
    // It may have been requested while no admission policy checked it.
    let person = promotion.requester().cloned();
    let overrides = person.clone().filter(|_| spec.override_.is_some());
    let approvals = project.approvals.values().filter(|approval| {
        approval.spec.release.name == spec.release && approval.spec.environment.name == spec.environment
    });
    // A dry run waits for no approval.
    let approvals = approvals.filter(|_| !spec.dry_run);
    let approvers = approvals.filter_map(|approval| approval.spec.approver.clone());
    requester
        .into_iter()
        .chain(person)
        .map(|user| (Verb::Promote, environment(), user))
        .chain(overrides.map(|user| (Verb::Override, environment(), user)))
        .chain(declarer.map(|user| (Verb::Declare, environment(), user)))
        .chain(approvers.map(|user| (Verb::Approve, environment(), user)))
        .collect()
}

/// The world from the watches and the memory.
fn world(handles: &Handles, project: Project, promotion: Arc<Promotion>) -> PromotionWorld {
    let known = handles.memory.of(&promotion.uid().unwrap_or_default());
    PromotionWorld {
        project,
        content: Loaded::NotAsked,
        replaced: Loaded::NotAsked,
        plans: Plans::default(),
        live: BTreeMap::new(),
        tried: known.trial,
        written: known.written,
        refused: known.refused,
        generations: known.generations,
        comparing: known.comparing,
        passed: known.passed,
        failed: known.failed,
        rolled_out: known.rolled_out,
        measured: known.measured,
        workloads: BTreeMap::new(),
        customs: BTreeMap::new(),
        tests: Tests { logs: known.logs, ..Tests::default() },
        epoch: handles.fence.epoch().unwrap_or_default(),
        promotion,
    }
}

/// Reads the live objects that the decision needs.
async fn read_live(
    handles: &Handles,
    project: &Project,
    seen: &PromotionWorld,
    environment: &Environment,
) -> Result<BTreeMap<ObjectKey, crate::decide::world::Live>, ObserveError> {
    let keys = live_objects(seen, handles.clock.now());
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let client = handles.clients.identity(&Identity::new(project.id(environment))?)?;
    live::read(handles, &client, &environment.location(), keys).await
}
