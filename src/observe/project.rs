//! One project, or one application of it, from the caches.

use super::ObserveError;
use super::admission::admission;
use crate::api::{CachedRelease, EnvironmentId, Location, Promotion};
use crate::cluster::{Undecodable, Watched};
use crate::decide::world::{NamespaceFacts, Objects, Project};
use crate::process::Handles;
use std::sync::Arc;

/// The whole project; an error if the view is older than an own write.
pub fn project(handles: &Handles, name: &str) -> Result<Project, ObserveError> {
    let stores = &handles.stores;
    with(handles, name, stores.releases.list(name), stores.promotions.list(name))
}

/// One application of a project, and the promotions whose application is unknown.
pub fn application(handles: &Handles, name: &str, application: &str) -> Result<Project, ObserveError> {
    let stores = &handles.stores;
    let mut promotions = stores.promotions.list_by(name, application);
    if !application.is_empty() {
        promotions.extend(stores.promotions.list_by(name, ""));
    }
    with(handles, name, stores.releases.list_by(name, application), promotions)
}

/// A project without its releases and promotions: environments, policies, freezes.
pub fn frame(handles: &Handles, name: &str) -> Result<Project, ObserveError> {
    with(handles, name, Vec::new(), Vec::new())
}

fn with(
    handles: &Handles,
    name: &str,
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
    lost("ChangeFreeze", stores.freezes.all_undecodable(name));
    lost("ClusterChangeFreeze", stores.cluster_freezes.undecodable_everywhere());
    let mut project = Project::from_objects(Objects {
        name: name.into(),
        environments: fresh(handles, "Environment", stores.environments.list(name), name)?,
        policies: stores.policies.list(name),
        releases: fresh(handles, "Release", releases, name)?,
        promotions: fresh(handles, "Promotion", promotions, name)?,
        approvals: stores.approvals.list(name),
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
        let owner = owner_of(handles, &target);
        project.targets.insert(target, owner.into_iter().collect());
    }
    project.admission = admission(handles);
    Ok(project)
}

/// The environment that owns a target namespace when several name it: one with consent before one without, then the oldest. An
/// environment cannot take the target of another by naming it.
fn owner_of(handles: &Handles, target: &Location) -> Option<EnvironmentId> {
    handles.stores.targets().of(target).into_iter().min_by_key(|id| {
        let found = handles.stores.environments.get(&id.project, &id.environment);
        let created = found.and_then(|environment| environment.metadata.creation_timestamp.clone());
        let consent = handles.caches.consents.get(&(id.project.to_string(), id.environment.to_string()));
        let is_granted = consent.is_some_and(|consent| consent.missing.is_none());
        (!is_granted, created.map(|time| time.0), id.clone())
    })
}

/// The objects, unless one of them is older than what this process wrote.
fn fresh<K: Watched>(
    handles: &Handles,
    kind: &'static str,
    found: Vec<Arc<K>>,
    project: &str,
) -> Result<Vec<Arc<K>>, ObserveError> {
    let stale = found
        .iter()
        .find(|object| handles.versions.is_stale(kind, project, object.key().1, object.version()));
    match stale {
        Some(object) => Err(ObserveError::Stale { kind, name: object.key().1.to_owned() }),
        None => Ok(found),
    }
}
