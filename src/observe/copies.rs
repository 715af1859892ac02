//! Copies of ConfigMaps in a target namespace that no retained revision and no pod template refers to, and Jobs of tests whose promotion
//! is no longer part of the history.
//!
//! Searched only after history was trimmed: that is when a copy can lose its last reference.

use super::{ObserveError, contents, live};
use crate::api::{Environment, EnvironmentId, Meta, mark};
use crate::cluster::Identity;
use crate::content::object::copies::original_name;
use crate::content::object::references::all_config_maps;
use crate::content::object::templates::pod_templates;
use crate::content::ownership::is_of;
use crate::content::{Destination, ObjectKey, materialise};
use crate::decide::world::{Loaded, Project};
use crate::process::Handles;
use serde_json::Value;
use std::collections::BTreeSet;

/// Kinds whose templates may refer to a copy; a ReplicaSet does while its revision can be restored.
const READERS: [(&str, &str); 6] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
];

/// The copies that nothing refers to, and the Jobs of forgotten tests, with their UIDs.
pub async fn unreferenced(
    handles: &Handles,
    project: &Project,
    environment: &Environment,
) -> Result<Vec<(ObjectKey, String)>, ObserveError> {
    let (target, id) = (environment.location(), project.id(environment));
    let client = handles.clients.identity(&Identity::new(id.clone())?)?;
    let is_ours = |object: &Value| {
        let marked = object
            .pointer("/metadata/annotations")
            .and_then(|all| all.get(mark::OWNER))
            .and_then(Value::as_str);
        marked.is_some_and(|mark| is_of(&id, mark)) && original_name(object).is_some()
    };
    let Ok(maps) = live::list(handles, &client, &target, "v1", "ConfigMap").await? else {
        return Ok(Vec::new());
    };
    let with_uid = |object: &Value| {
        let uid = object.pointer("/metadata/uid")?.as_str()?.to_owned();
        Some((ObjectKey::of(object).ok()?, uid))
    };
    let copies: Vec<(ObjectKey, String)> =
        maps.iter().filter(|object| is_ours(object)).filter_map(with_uid).collect();
    let (mut named, mut forgotten) = (BTreeSet::new(), Vec::new());
    for (api_version, kind) in READERS {
        // Objects that cannot be listed may refer to any of them.
        let Ok(readers) = live::list(handles, &client, &target, api_version, kind).await? else {
            return Ok(Vec::new());
        };
        named.extend(all_config_maps(pod_templates(&readers)));
        let tests = readers.iter().filter(|object| is_forgotten(project, &id, object));
        forgotten.extend(tests.filter_map(with_uid));
    }
    for name in retained_contents(project, environment) {
        let Loaded::Here(content) = contents::load(handles, &project.name, Some(name)).await? else {
            // A Content that cannot be read may refer to any of them.
            return Ok(Vec::new());
        };
        let destination = Destination { namespace: &target.namespace, owner: "", run: "" };
        named.extend(
            materialise(&content, &destination)
                .unwrap_or_default()
                .iter()
                .map(|one| one.key.name().to_owned()),
        );
    }
    let unnamed = copies.into_iter().filter(|(key, _)| !named.contains(key.name()));
    Ok(unnamed.chain(forgotten).collect())
}

/// Whether an object is the Job of a test whose promotion does not exist any more.
fn is_forgotten(project: &Project, id: &EnvironmentId, object: &Value) -> bool {
    let mark = |name| object.pointer("/metadata/annotations")?.get(name)?.as_str();
    let is_ours = mark(mark::OWNER).is_some_and(|found| is_of(id, found));
    is_ours && mark(mark::PROMOTION).is_some_and(|name| !project.promotions.contains_key(name))
}

/// Contents of the revisions that the environment retains.
fn retained_contents(project: &Project, environment: &Environment) -> BTreeSet<String> {
    project
        .promotions
        .values()
        .filter(|promotion| promotion.spec.environment == environment.name())
        .filter_map(|promotion| promotion.status.as_ref()?.content.clone())
        .collect()
}
