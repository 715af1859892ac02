//! The world of an environment.

use super::grant::{WHILE_SETTLED, WHILE_WRITING, grant};
use super::rights::{Questions, TO_OFFER, ask};
use super::{ObserveError, copies, drift, health, live, project};
use crate::api::{
    Approval, Content, Delivery, Environment, Location, ProjectName, PromotionMode, requesters as distinct,
};
use crate::cluster::Identity;
use crate::content::ObjectKey;
use crate::decide::needs::{compared, is_trimmed, is_watched};
use crate::decide::world::{EnvironmentWorld, Grant, Live, Project, Verb, Watched, Workload};
use crate::process::Handles;
use jiff::SignedDuration;
use kube::api::{ListParams, PartialObjectMeta};
use kube::{Api, ResourceExt};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Observes an environment; `None` when it does not exist.
pub async fn observe(
    handles: &Handles,
    namespace: &ProjectName,
    name: &str,
) -> Result<Option<EnvironmentWorld>, ObserveError> {
    let mut project = project::project(handles, namespace)?;
    let Some(environment) = project.environments.get(name).cloned() else { return Ok(None) };
    let id = project.id(&environment);
    let exists = project.namespace(&environment).is_some_and(|facts| !facts.terminating);
    let busy = project
        .promotions
        .values()
        .any(|promotion| promotion.spec.environment == name && !promotion.phase().is_final());
    let age = if busy { WHILE_WRITING } else { WHILE_SETTLED };
    if exists {
        let answer = grant(handles, namespace, &environment, age).await?;
        project.grants.insert(id.environment.clone(), answer);
        project::occupy(handles, &mut project, &environment).await?;
    }
    let is_granted = exists && *project.grant(&environment) == Grant::Granted;
    let drift = if is_granted { drift::drifts(handles, &project, &environment).await? } else { None };
    let questions = questions(&project, &environment);
    ask(handles, &mut project, questions, TO_OFFER).await?;
    // Contents are searched only once history was trimmed.
    let trimmed = handles.caches.trimmed.get(&id).is_some()
        && !busy
        && *project.grant(&environment) == Grant::Granted
        && is_trimmed(&project, &environment);
    let (mut contents, mut unnamed_copies) = (None, Vec::new());
    if trimmed {
        contents = Some(old_contents(handles, namespace).await?);
        if environment.spec.delivery == Delivery::Managed {
            unnamed_copies = copies::unreferenced(handles, &project, &environment).await?;
        }
    }
    let watched = Watched::default();
    let mut world = EnvironmentWorld { project, environment, contents, watched, unnamed_copies, drift };
    watch(handles, &mut world).await?;
    Ok(Some(world))
}

/// Adds what a verified release is judged by, if the rollback policy asks for it and the owner of the namespace consents.
async fn watch(handles: &Handles, world: &mut EnvironmentWorld) -> Result<(), ObserveError> {
    let (environment, now) = (Arc::clone(&world.environment), handles.clock.now());
    let id = world.project.id(&environment);
    if *world.project.grant(&environment) != Grant::Granted || !is_watched(&world.project, &environment, now)
    {
        return Ok(());
    }
    let target = environment.location();
    let recorded = environment.status.as_ref().map(|status| status.disruptions.as_slice());
    world.watched.workloads = health::workloads(handles, &target, recorded.unwrap_or_default());
    let keys = compared(world, now);
    if keys.is_empty() {
        return Ok(());
    }
    let client = handles.clients.identity(&Identity::new(id)?)?;
    for key in keys {
        let Some(workload) = world.watched.workloads.get(&key) else { continue };
        let live = as_of(handles, &client, &target, &key, workload).await?;
        world.watched.live.insert(key, live);
    }
    Ok(())
}

/// A live workload. It is read once per generation of its spec.
async fn as_of(
    handles: &Handles,
    client: &kube::Client,
    target: &Location,
    key: &ObjectKey,
    workload: &Workload,
) -> Result<Live, ObserveError> {
    let place = (target.clone(), key.clone());
    let of = (workload.uid.clone(), workload.generation);
    if let Some((_, live)) = handles.caches.suspected.get(&place).filter(|(known, _)| *known == of) {
        return Ok(live);
    }
    let live = live::read(handles, client, target, [key.clone()]).await?.remove(key);
    let live = live.unwrap_or(Live::Absent);
    let metadata = live.present().map(|object| &object["metadata"]);
    if metadata.is_some_and(|it| it["uid"] == *of.0 && it["generation"] == of.1) {
        handles.caches.suspected.insert(place, (of, live.clone()));
    }
    Ok(live)
}

/// Requesters of releases that automation could promote here, requesters who declare a type of change, and approvers of Emergency changes
/// whose approval is due.
fn questions(project: &Project, environment: &Environment) -> Questions {
    let name = environment.environment_name();
    let automatic = environment.spec.promotion == PromotionMode::Automatic;
    let releases = project.releases.values().filter(|_| automatic).map(Arc::as_ref);
    let requesters = distinct(releases).into_iter().map(|user| (Verb::Promote, name.clone(), user));
    let declaring = project.releases.values().map(Arc::as_ref).filter(|release| release.declares_a_type());
    let declarers = distinct(declaring).into_iter().map(|user| (Verb::Declare, name.clone(), user));
    let is_due = |approval: &&Arc<Approval>| {
        project.promotions.values().any(|promotion| {
            promotion.spec.environment == name
                && promotion.spec.release == approval.spec.release.name
                && promotion
                    .status
                    .as_ref()
                    .and_then(|status| status.approvals.as_ref())
                    .is_some_and(|report| report.due.is_some())
        })
    };
    let approvers = project
        .approvals
        .values()
        .filter(is_due)
        .filter_map(|approval| Some((Verb::Approve, name.clone(), approval.spec.approver.clone()?)));
    requesters.chain(declarers).chain(approvers).collect()
}

/// Names of the Contents of a project, without recent ones, which nothing may refer to yet.
async fn old_contents(handles: &Handles, project: &ProjectName) -> Result<BTreeSet<String>, ObserveError> {
    let api: Api<Content> = Api::namespaced(handles.clients.operator(), project);
    let list = api.list_metadata(&ListParams::default()).await.map_err(ObserveError::read("Contents"))?;
    let young = handles.clock.now().checked_sub(SignedDuration::from_mins(10)).unwrap_or_default();
    let is_old = |content: &&PartialObjectMeta<Content>| {
        content.creation_timestamp().is_some_and(|created| created.0 < young)
    };
    Ok(list.items.iter().filter(is_old).map(ResourceExt::name_any).collect())
}
