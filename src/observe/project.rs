//! One project, from the caches.

use super::ObserveError;
use crate::api::{Environment, Promotion, Release};
use crate::context::{Handles, Store};
use crate::decide::world::{NamespaceFacts, Project};
use kube::{Resource, ResourceExt};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The project, unless the caches are older than what this process wrote into it.
pub fn project(handles: &Handles, name: &str) -> Result<Project, ObserveError> {
    let stores = &handles.stores;
    let mut project = Project {
        name: name.to_owned(),
        environments: fresh::<Environment>(handles, "Environment", &stores.environments, name)?,
        releases: fresh::<Release>(handles, "Release", &stores.releases, name)?,
        promotions: fresh::<Promotion>(handles, "Promotion", &stores.promotions, name)?,
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
    for lost in stores.environments.all_undecodable(name) {
        project.undecodable.push(("Environment".into(), lost.name.to_string(), lost.error.clone()));
    }
    Ok(project)
}

fn fresh<K: Resource<DynamicType = ()>>(
    handles: &Handles,
    kind: &'static str,
    store: &Store<K>,
    project: &str,
) -> Result<BTreeMap<String, Arc<K>>, ObserveError> {
    let mut objects = BTreeMap::new();
    for object in store.list(project) {
        let name = object.meta().name.clone().unwrap_or_default();
        let version = object.meta().resource_version.as_deref().unwrap_or_default();
        if handles.versions.is_stale(kind, project, &name, version) {
            return Err(ObserveError::Stale { kind, name });
        }
        objects.insert(name, object);
    }
    Ok(objects)
}
