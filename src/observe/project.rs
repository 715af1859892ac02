//! One project, or one application of it, from the caches.

use super::ObserveError;
use super::admission::admission;
use crate::api::{KeptRelease, Promotion};
use crate::cluster::{Undecodable, Watched};
use crate::decide::world::{Freeze, NamespaceFacts, Project};
use crate::process::Handles;
use jiff::Timestamp;
use kube::ResourceExt;
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

/// A project without its releases and promotions: environments, policies, freezes.
pub fn frame(handles: &Handles, name: &str) -> Result<Project, ObserveError> {
    with(handles, name, Vec::new(), Vec::new())
}

fn with(
    handles: &Handles,
    name: &str,
    releases: Vec<Arc<KeptRelease>>,
    promotions: Vec<Arc<Promotion>>,
) -> Result<Project, ObserveError> {
    let stores = &handles.stores;
    let mut project = Project {
        name: name.to_owned(),
        environments: fresh(handles, "Environment", stores.environments.list(name), name)?,
        releases: fresh(handles, "Release", releases, name)?,
        promotions: fresh(handles, "Promotion", promotions, name)?,
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
        project.targets.insert(target.clone(), owner_of(handles, target).into_iter().collect());
    }
    let approvals = stores.approvals.list(name).into_iter();
    project.approvals = approvals
        .filter(|approval| project.releases.contains_key(&approval.spec.release.name))
        .map(|approval| (approval.name_any(), approval))
        .collect();
    project.freezes = freezes(handles, name);
    project.admission = admission(handles);
    let lost = |kind: &'static str, found: Vec<Undecodable>| {
        found.into_iter().map(move |lost| ((kind.to_owned(), lost.name), lost.error))
    };
    project.undecodable.extend(lost("Environment", stores.environments.all_undecodable(name)));
    project.undecodable.extend(lost("Release", stores.releases.all_undecodable(name)));
    project.undecodable.extend(lost("Promotion", stores.promotions.all_undecodable(name)));
    Ok(project)
}

/// Of several environments with one target, the one that may have it: with consent before those without, then the oldest. Nobody
/// takes a target away from another by naming it.
fn owner_of(handles: &Handles, target: &str) -> Option<String> {
    handles.stores.targets().of(target).into_iter().min_by_key(|id| {
        let (project, name) = id.split_once('/').unwrap_or_default();
        let found = handles.stores.environments.get(project, name);
        let created = found.and_then(|environment| environment.metadata.creation_timestamp.clone());
        let consent = handles.caches.consents.get(&(project.to_owned(), name.to_owned()));
        let is_granted = consent.is_some_and(|consent| consent.missing.is_none());
        (!is_granted, created.map(|time| time.0), id.clone())
    })
}

/// One that cannot be read freezes everything until it can: there is no telling what it was meant for.
fn unread(kind: &str, lost: &Undecodable) -> Freeze {
    Freeze {
        name: format!("{kind} {}", lost.name),
        from: Timestamp::MIN,
        to: Timestamp::MAX,
        reason: format!("it cannot be read: {}", lost.error),
        environments: Vec::new(),
        passes: Vec::new(),
    }
}

/// The freezes of a project and of the cluster.
fn freezes(handles: &Handles, project: &str) -> Vec<Freeze> {
    let (stores, mut lost) = (&handles.stores, Vec::new());
    lost.extend(stores.freezes.all_undecodable(project).iter().map(|one| unread("ChangeFreeze", one)));
    let of_all = stores.cluster_freezes.undecodable_everywhere();
    lost.extend(of_all.iter().map(|one| unread("ClusterChangeFreeze", one)));
    let own = handles.stores.freezes.list(project).into_iter().map(|freeze| Freeze {
        name: format!("ChangeFreeze {}", freeze.name_any()),
        from: freeze.spec.from.0,
        to: freeze.spec.to.0,
        reason: freeze.spec.reason.clone(),
        environments: freeze.spec.environments.clone(),
        passes: freeze.spec.passes.clone(),
    });
    let of_all = handles.stores.cluster_freezes.list("").into_iter();
    let concerned = of_all.filter(|freeze| {
        freeze.spec.projects.is_empty() || freeze.spec.projects.iter().any(|name| name == project)
    });
    own.chain(concerned.map(|freeze| Freeze {
        name: format!("ClusterChangeFreeze {}", freeze.name_any()),
        from: freeze.spec.from.0,
        to: freeze.spec.to.0,
        reason: freeze.spec.reason.clone(),
        environments: Vec::new(),
        passes: freeze.spec.passes.clone(),
    }))
    .chain(lost)
    .collect()
}

fn fresh<K: Watched>(
    handles: &Handles,
    kind: &'static str,
    found: Vec<Arc<K>>,
    project: &str,
) -> Result<BTreeMap<String, Arc<K>>, ObserveError> {
    let mut objects = BTreeMap::new();
    for object in found {
        let name = object.place().1.to_owned();
        if handles.versions.is_stale(kind, project, &name, object.version()) {
            return Err(ObserveError::Stale { kind, name });
        }
        objects.insert(name, object);
    }
    Ok(objects)
}
