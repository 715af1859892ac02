//! One project, or one application of it, from the caches.

use super::ObserveError;
use super::admission::admission;
use super::grant::{WHILE_WRITING, grant};
use crate::api::{
    ApplicationName, CachedRelease, Environment, EnvironmentId, Location, ProjectName, Promotion,
};
use crate::cluster::{Undecodable, Watched};
use crate::decide::needs::{Contender, occupant};
use crate::decide::world::{NamespaceFacts, Objects, Project};
use crate::process::Handles;
use std::sync::Arc;

/// The whole project; an error if the view is older than an own write.
pub fn project(handles: &Handles, name: &ProjectName) -> Result<Project, ObserveError> {
    let stores = &handles.stores;
    with(handles, name, stores.releases.list(name), stores.promotions.list(name))
}

/// One application of a project, and the promotions whose application is unknown.
pub fn application(
    handles: &Handles,
    name: &ProjectName,
    application: &ApplicationName,
) -> Result<Project, ObserveError> {
    let stores = &handles.stores;
    let mut promotions = stores.promotions.list_by(name, application);
    if !application.is_empty() {
        promotions.extend(stores.promotions.list_by(name, ""));
    }
    with(handles, name, stores.releases.list_by(name, application), promotions)
}

/// The promotions of another application, without dry runs.
pub(super) fn promotions_of(
    handles: &Handles,
    name: &ProjectName,
    application: &ApplicationName,
) -> Result<Vec<Arc<Promotion>>, ObserveError> {
    let mut promotions =
        fresh(handles, "Promotion", handles.stores.promotions.list_by(name, application), name)?;
    promotions.retain(|promotion| !promotion.spec.dry_run);
    Ok(promotions)
}

/// A project without its releases and promotions: environments, policies, freezes.
pub fn frame(handles: &Handles, name: &ProjectName) -> Result<Project, ObserveError> {
    with(handles, name, Vec::new(), Vec::new())
}

fn with(
    handles: &Handles,
    name: &ProjectName,
    releases: Vec<Arc<CachedRelease>>,
    promotions: Vec<Arc<Promotion>>,
) -> Result<Project, ObserveError> {
    let stores = &handles.stores;
    let mut undecodable = Vec::new();
    let mut lost = |kind: &'static str, found: Vec<Undecodable>| {
        undecodable.extend(found.into_iter().map(|lost| (kind, lost.name, lost.error)));
    };
    lost("Environment", stores.environments.all_undecodable(name));
    lost("Release", stores.releases.all_undecodable(name));
    lost("Promotion", stores.promotions.all_undecodable(name));
    lost("Recall", stores.recalls.all_undecodable(name));
    lost("ChangeFreeze", stores.freezes.all_undecodable(name));
    lost("ClusterChangeFreeze", stores.cluster_freezes.undecodable_everywhere());
    let mut project = Project::from_objects(Objects {
        name: name.clone(),
        environments: fresh(handles, "Environment", stores.environments.list(name), name)?,
        policies: stores.policies.list(name),
        providers: stores.providers.list(""),
        channels: stores.channels.is_ready().then(|| stores.channels.list("")),
        releases: fresh(handles, "Release", releases, name)?,
        promotions: fresh(handles, "Promotion", promotions, name)?,
        approvals: stores.approvals.list(name),
        recalls: stores.recalls.list(name),
        reviews: stores.reviews.list(name),
        freezes: stores.freezes.list(name),
        cluster_freezes: stores.cluster_freezes.list(""),
        undecodable,
    });
    for environment in project.environments.values() {
        let target = environment.location();
        if let Some(namespace) = stores.namespaces.get("", &environment.spec.namespace) {
            let facts = NamespaceFacts {
                uid: namespace.metadata.uid().to_owned(),
                terminating: namespace.metadata.is_terminating(),
            };
            project.namespaces.insert(target.clone(), facts);
        }
        let occupant = occupant_of(handles, &target);
        project.targets.insert(target, occupant.into_iter().collect());
    }
    project.admission = admission(handles);
    Ok(project)
}

/// Asks for the consent of every other environment that names the target of this one, and determines which of them occupies it. The
/// consent of this environment was asked for before.
pub async fn occupy(
    handles: &Handles,
    project: &mut Project,
    environment: &Environment,
) -> Result<(), ObserveError> {
    let target = environment.location();
    let own = project.id(environment);
    for id in handles.stores.targets().of(&target).into_iter().filter(|id| *id != own) {
        if let Some(other) = handles.stores.environments.get(&id.project, &id.environment) {
            grant(handles, &id.project, &other, WHILE_WRITING).await?;
        }
    }
    let occupant = occupant_of(handles, &target);
    project.targets.insert(target, occupant.into_iter().collect());
    Ok(())
}

/// The environment that occupies a target namespace, as far as consent is known.
fn occupant_of(handles: &Handles, target: &Location) -> Option<EnvironmentId> {
    let stores = &handles.stores;
    let namespace = stores.namespaces.get("", &target.namespace)?;
    let uid = namespace.metadata.uid();
    let contenders = stores.targets().of(target);
    let is_contended = contenders.len() > 1;
    let contender = |id: EnvironmentId| {
        let found = stores.environments.get(&id.project, &id.environment);
        let consent = handles.caches.consents.get(&id);
        let ran_here = |promotion: &Arc<Promotion>| {
            let status = promotion.status.as_ref().filter(|status| status.revision.is_some());
            promotion.spec.environment == id.environment
                && status.is_some_and(|status| status.namespace_uid.as_deref() == Some(uid))
        };
        Contender {
            has_consent: consent
                .is_some_and(|consent| consent.missing.is_none() && consent.namespace_uid == uid),
            has_revision: is_contended && stores.promotions.list(&id.project).iter().any(ran_here),
            created: found
                .and_then(|environment| environment.metadata.creation_timestamp.clone())
                .map(|time| time.0),
            id,
        }
    };
    occupant(contenders.into_iter().map(contender))
}

/// The objects, unless one of them is older than what this process wrote.
fn fresh<K: Watched>(
    handles: &Handles,
    kind: &'static str,
    found: Vec<Arc<K>>,
    project: &ProjectName,
) -> Result<Vec<Arc<K>>, ObserveError> {
    let stale = found
        .iter()
        .find(|object| handles.versions.is_stale(kind, project, object.key().1, object.version()));
    match stale {
        Some(object) => Err(ObserveError::Stale { kind, name: object.key().1.to_owned() }),
        None => Ok(found),
    }
}
