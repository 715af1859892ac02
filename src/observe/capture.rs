//! What a source gives: a capture of what runs, inline manifests, or a ConfigMap with manifests.

use super::grant::{WHILE_WRITING, grant};
use super::{ObserveError, health, live, pins};
use crate::api::{ConfigMapSource, Environment, EnvironmentSource, ImageOverride, Reason, Uncaptured};
use crate::cluster::Identity;
use crate::content::capture::images::{pin, replace_images};
use crate::content::object::kinds;
use crate::content::{ContentError, ObjectSet, manifests};
use crate::content::{normalise, select};
use crate::decide::world::{Capture, Grant, Project, Workload};
use crate::process::Handles;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads the source of a release whose content is not known yet.
pub async fn capture(
    handles: &Handles,
    project: &Project,
    wanted: &Uncaptured,
) -> Result<Capture, ObserveError> {
    let source = &wanted.source;
    let taken = match (&source.environment, &source.manifests, &source.config_map_ref) {
        (Some(environment), _, _) => {
            return from_environment(handles, project, &wanted.images, environment).await;
        }
        (None, Some(objects), _) => manifests::inline(objects),
        (None, None, Some(reference)) => match from_config_map(handles, project, reference).await? {
            Ok(objects) => objects,
            Err(waiting) => return Ok(waiting),
        },
        (None, None, None) => return Ok(refused(Reason::InvalidSource, "spec.source names nothing")),
    };
    let kinds: Vec<_> =
        project.environments.values().flat_map(|environment| environment.spec.kinds.clone()).collect();
    let content = taken
        .and_then(|objects| ObjectSet::new(objects, &kinds, None))
        .and_then(|content| replace_images(&content, &wanted.images));
    Ok(match content {
        Ok(content) => finished(content, &[]),
        Err(error) => refused(Reason::InvalidContent, &error.to_string()),
    })
}

fn refused(reason: Reason, message: &str) -> Capture {
    Capture::Refused { reason, message: message.to_owned() }
}

/// Pinned where the pods tell; refused when it is too large to keep.
fn finished(content: ObjectSet, pods: &[Arc<crate::cluster::slim::Pod>]) -> Capture {
    let images = pins::pins(&content, pods);
    let known: BTreeMap<String, String> =
        images.iter().filter_map(|image| Some((image.image.clone(), image.pinned.clone()?))).collect();
    let content = pin(&content, &known);
    if content.is_empty() {
        return refused(Reason::NothingCaptured, "the source holds no object that a release can hold");
    }
    match content.encode() {
        Ok(_) => Capture::Taken { content, images },
        Err(error) => refused(Reason::TooLarge, &error.to_string()),
    }
}

async fn from_config_map(
    handles: &Handles,
    project: &Project,
    reference: &ConfigMapSource,
) -> Result<Result<Result<Vec<serde_json::Value>, ContentError>, Capture>, ObserveError> {
    let api: Api<ConfigMap> = Api::namespaced(handles.clients.operator(), &project.name);
    match api.get_opt(&reference.name).await {
        Ok(Some(map)) => Ok(Ok(manifests::parse(&map.data.unwrap_or_default()))),
        Ok(None) => Ok(Err(Capture::Waiting {
            reason: Reason::SourceMissing,
            message: format!("spec.source.configMapRef names {}, which does not exist", reference.name),
        })),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Err(Capture::Waiting {
            reason: Reason::SourceMissing,
            message: format!(
                "spec.source.configMapRef names {}, which Towpath may not read; to grant it: kubectl create rolebinding \
                 towpath-source --namespace {} --clusterrole towpath-source --serviceaccount {}:towpath",
                reference.name, project.name, handles.settings.lease_namespace
            ),
        })),
        Err(error) => Err(ObserveError::read(format!("ConfigMap {}", reference.name))(error)),
    }
}

async fn from_environment(
    handles: &Handles,
    project: &Project,
    images: &[ImageOverride],
    source: &EnvironmentSource,
) -> Result<Capture, ObserveError> {
    let Some(environment) = project.environments.get(&source.name) else {
        return Ok(Capture::Waiting {
            reason: Reason::UnknownEnvironment,
            message: format!(
                "spec.source.environment names {}, which does not exist in this project",
                source.name
            ),
        });
    };
    match project.namespaces.get(&environment.spec.namespace) {
        Some(facts) if !facts.terminating => {}
        Some(_) | None => {
            return Ok(Capture::Waiting {
                reason: Reason::NamespaceMissing,
                message: format!(
                    "the namespace {} of {} does not exist",
                    environment.spec.namespace, source.name
                ),
            });
        }
    }
    if let Grant::Missing(message) = grant(handles, &project.name, environment, WHILE_WRITING).await? {
        return Ok(Capture::Waiting { reason: Reason::NotGranted, message });
    }
    take(handles, project, images, environment, source).await
}

async fn take(
    handles: &Handles,
    project: &Project,
    images: &[ImageOverride],
    environment: &Environment,
    source: &EnvironmentSource,
) -> Result<Capture, ObserveError> {
    let namespace = environment.spec.namespace.as_str();
    let facts = health::workloads(handles, namespace);
    let client = handles.clients.identity(&Identity::new(&project.name, &environment.name_any())?)?;
    let kinds = kinds::capture_kinds(&environment.spec.kinds);
    let lists =
        kinds.iter().map(|kind| live::list(handles, &client, namespace, &kind.api_version, &kind.kind));
    let objects: Vec<_> = futures::future::try_join_all(lists).await?.into_iter().flatten().collect();
    let selected = select(objects, &source.selector);
    let content = normalise(selected)
        .and_then(|objects| ObjectSet::new(objects, &environment.spec.kinds, Some(namespace)));
    let content = match content {
        Ok(content) => content,
        Err(error) => return Ok(refused(Reason::InvalidContent, &error.to_string())),
    };
    let unsettled = content.keys().find_map(|key| {
        let workload = facts.get(key)?;
        (!is_settled(workload)).then(|| key.to_string())
    });
    if let Some(key) = unsettled {
        return Ok(Capture::Waiting {
            reason: Reason::Unsettled,
            message: format!("{key} in {} is still rolling out; captured when it has settled", source.name),
        });
    }
    match replace_images(&content, images) {
        Ok(content) => Ok(finished(content, &handles.stores.pods.list(namespace))),
        Err(error) => Ok(refused(Reason::InvalidContent, &error.to_string())),
    }
}

fn is_settled(workload: &Workload) -> bool {
    workload.observed
        && workload.updated >= workload.desired
        && workload.total <= workload.updated
        && workload.available >= workload.desired
}
