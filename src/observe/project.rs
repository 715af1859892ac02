//! One project, or one application of it, from the caches.

use super::ObserveError;
use crate::api::{Environment, Promotion, Release};
use crate::context::{Handles, Undecodable};
use crate::decide::world::{NamespaceFacts, Project};
use kube::{Resource, ResourceExt};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The whole project, unless the caches are older than what this process wrote into it.
pub fn project(handles: &Handles, name: &str) -> Result<Project, ObserveError> {
    let stores = &handles.stores;
    with(handles, name, stores.releases.list(name), stores.promotions.list(name))
}

/// One application of a project; with the promotions of which nobody has said yet to which application they belong.
pub fn application(handles: &Handles, name: &str, application: &str) -> Result<Project, ObserveError> {
    let stores = &handles.stores;
    let mut promotions = stores.promotions.list_by(name, application);
    if !application.is_empty() {
        promotions.extend(stores.promotions.list_by(name, ""));
    }
    with(handles, name, stores.releases.list_by(name, application), promotions)
}

fn with(
    handles: &Handles,
    name: &str,
    releases: Vec<Arc<Release>>,
    promotions: Vec<Arc<Promotion>>,
) -> Result<Project, ObserveError> {
    let stores = &handles.stores;
    let mut project = Project {
        name: name.to_owned(),
        environments: fresh::<Environment>(handles, "Environment", stores.environments.list(name), name)?,
        releases: fresh::<Release>(handles, "Release", releases, name)?,
        promotions: fresh::<Promotion>(handles, "Promotion", promotions, name)?,
        ..Project::default()
    };
    for policy in stores.policies.list(name) {
        project.policies.insert(policy.name_any(), policy.spec.clone());
    }
    for environment in project.environments.values() {
        let target = &environment.spec.namespace;
        if let Some(namespace) = stores.namespaces.get("", target) {
            let facts = NamespaceFacts {
                uid: namespace.metadata.uid().to_owned(),
                terminating: namespace.metadata.is_going(),
            };
            project.namespaces.insert(target.clone(), facts);
        }
        project.targets.insert(target.clone(), stores.targets().of(target));
    }
    let lost = |kind: &'static str, found: Vec<Undecodable>| {
        found.into_iter().map(move |lost| ((kind.to_owned(), lost.name), lost.error))
    };
    project.undecodable.extend(lost("Environment", stores.environments.all_undecodable(name)));
    project.undecodable.extend(lost("Release", stores.releases.all_undecodable(name)));
    Ok(project)
}

fn fresh<K: Resource<DynamicType = ()>>(
    handles: &Handles,
    kind: &'static str,
    found: Vec<Arc<K>>,
    project: &str,
) -> Result<BTreeMap<String, Arc<K>>, ObserveError> {
    let mut objects = BTreeMap::new();
    for object in found {
        let name = object.meta().name.clone().unwrap_or_default();
        let version = object.meta().resource_version.as_deref().unwrap_or_default();
        if handles.versions.is_stale(kind, project, &name, version) {
            return Err(ObserveError::Stale { kind, name });
        }
        objects.insert(name, object);
    }
    Ok(objects)
}
