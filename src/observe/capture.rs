//! Captures the content of a release from its source: what runs in an environment, inline manifests, or a ConfigMap with manifests.

use super::grant::{WHILE_WRITING, grant};
use super::settling::{Obstacle, failure, wait};
use super::{ObserveError, health, live, pins};
use crate::api::{
    ApplicationName, CachedRelease, ConfigMapSource, Environment, EnvironmentSource, Reason, Uncaptured,
};
use crate::cluster::Identity;
use crate::cluster::slim::Pod;
use crate::content::capture::images::{pin, replace_images};
use crate::content::object::kinds;
use crate::content::{ContentError, Digested, ObjectKey, ObjectSet, manifests, normalise, select};
use crate::decide::needs::consent_message;
use crate::decide::world::{Capture, Grant, Project, Workload};
use crate::process::Handles;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a source gave, or why there is nothing to store yet.
type Read<T> = Result<T, Capture>;

/// Reads the source of a release whose content is not known yet, and makes the content ready to be stored.
pub async fn capture(
    handles: &Handles,
    project: &Project,
    release: &CachedRelease,
    wanted: &Uncaptured,
) -> Result<Capture, ObserveError> {
    let source = &wanted.source;
    let read = match (&source.environment, &source.manifests, &source.config_map_ref) {
        (Some(environment), _, _) => from_environment(handles, project, release, environment).await?,
        (None, Some(objects), _) => parsed(project, manifests::inline(objects)),
        (None, None, Some(reference)) => {
            from_config_map(handles, project, reference).await?.and_then(|objects| parsed(project, objects))
        }
        (None, None, None) => Err(refused(
            Reason::InvalidSource,
            "spec.source names no source: name exactly one of environment, manifests, configMapRef",
        )),
    };
    let capture = read.and_then(|(content, pods)| {
        let content = replace_images(&content, &wanted.images).map_err(invalid)?;
        finish(&release.application_name(), &content, &pods)
    });
    Ok(capture.unwrap_or_else(|stopped| stopped))
}

fn refused(reason: Reason, message: &str) -> Capture {
    Capture::Refused { reason, message: message.to_owned() }
}

fn invalid(error: ContentError) -> Capture {
    refused(Reason::InvalidContent, &error.to_string())
}

/// Manifests may hold the kinds that any environment of the project lists; each environment checks its own list.
fn parsed(
    project: &Project,
    objects: Result<Vec<serde_json::Value>, ContentError>,
) -> Read<(ObjectSet, Vec<Arc<Pod>>)> {
    let kinds: Vec<_> =
        project.environments.values().flat_map(|environment| environment.spec.kinds.clone()).collect();
    let content = objects.and_then(|objects| ObjectSet::new(objects, &kinds, None)).map_err(invalid)?;
    Ok((content, Vec::new()))
}

/// Pins the images whose digests the pods report, and computes digest and data, once.
fn finish(application: &ApplicationName, content: &ObjectSet, pods: &[Arc<Pod>]) -> Read<Capture> {
    let images = pins::pins(content, pods);
    let known: BTreeMap<String, String> =
        images.iter().filter_map(|image| Some((image.image.clone(), image.pinned.clone()?))).collect();
    let content = pin(content, &known);
    if content.is_empty() {
        return Err(refused(Reason::NothingCaptured, "the source holds no object that a release can hold"));
    }
    let content = Digested::of(content).map_err(invalid)?;
    match content.seal(application) {
        Ok(sealed) => Ok(Capture::Taken { sealed, images }),
        Err(error) => Err(refused(Reason::TooLarge, &error.to_string())),
    }
}

async fn from_config_map(
    handles: &Handles,
    project: &Project,
    reference: &ConfigMapSource,
) -> Result<Read<Result<Vec<serde_json::Value>, ContentError>>, ObserveError> {
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
    release: &CachedRelease,
    source: &EnvironmentSource,
) -> Result<Read<(ObjectSet, Vec<Arc<Pod>>)>, ObserveError> {
    let Some(environment) = project.environments.get(&source.name) else {
        return Ok(Err(Capture::Waiting {
            reason: Reason::UnknownEnvironment,
            message: format!(
                "spec.source.environment names {}, which does not exist in this project",
                source.name
            ),
        }));
    };
    match project.namespace(environment) {
        Some(facts) if !facts.terminating => {}
        Some(_) | None => {
            return Ok(Err(Capture::Waiting {
                reason: Reason::NamespaceMissing,
                message: format!(
                    "the namespace {} of {} does not exist",
                    environment.spec.namespace, source.name
                ),
            }));
        }
    }
    if let Grant::Missing(missing) = grant(handles, &project.name, environment, WHILE_WRITING).await? {
        let message = consent_message(environment, &missing);
        return Ok(Err(Capture::Waiting { reason: Reason::NotGranted, message }));
    }
    list(handles, project, environment, release, source).await
}

/// The objects of an environment, once none of its workloads is rolling out.
async fn list(
    handles: &Handles,
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    source: &EnvironmentSource,
) -> Result<Read<(ObjectSet, Vec<Arc<Pod>>)>, ObserveError> {
    let target = environment.location();
    let workloads = health::workloads(handles, &target, &[]);
    let client = handles.clients.identity(&Identity::new(project.id(environment))?)?;
    let kinds = kinds::capture_kinds(&environment.spec.kinds);
    let lists = kinds.iter().map(|kind| live::list(handles, &client, &target, &kind.api_version, &kind.kind));
    let lists: Result<Vec<_>, String> = futures::future::try_join_all(lists).await?.into_iter().collect();
    let objects: Vec<_> = match lists {
        Ok(lists) => lists.into_iter().flatten().collect(),
        Err(message) => {
            return Ok(Err(wait(handles, project, environment, release, Obstacle::Unreadable(message))));
        }
    };
    let selected = select(objects, &source.selector);
    let content = normalise(selected)
        .and_then(|objects| ObjectSet::new(objects, &environment.spec.kinds, Some(&target.namespace)));
    let content = match content {
        Ok(content) => content,
        Err(error) => return Ok(Err(invalid(error))),
    };
    let unsettled: Vec<&ObjectKey> =
        content.keys().filter(|key| !is_settled(key, workloads.get(key))).collect();
    if let Some(first) = unsettled.first() {
        let failing = unsettled.iter().find_map(|key| Some((*key, failure(workloads.get(key)?)?)));
        let obstacle = match failing {
            Some((key, failure)) => Obstacle::Failing(key.clone(), failure),
            None => Obstacle::RollingOut((*first).clone()),
        };
        return Ok(Err(wait(handles, project, environment, release, obstacle)));
    }
    Ok(Ok((content, handles.stores.pods.list(&target.namespace))))
}

/// Whether a workload is rolled out, as far as the watches show. They are independent: right after a namespace became a target they
/// may lack a workload that the API server lists, or the pods that a Deployment counts, and with them the digests of its images.
fn is_settled(key: &ObjectKey, workload: Option<&Workload>) -> bool {
    let Some(workload) = workload else {
        return !matches!(key.kind(), "Deployment" | "StatefulSet" | "DaemonSet");
    };
    // Pods of a StatefulSet below its partition belong to an older template, so they are not counted.
    let ready = workload.pods.iter().filter(|pod| pod.ready).count();
    let has_pods = !matches!(key.kind(), "Deployment" | "DaemonSet")
        || i32::try_from(ready).unwrap_or(i32::MAX) >= workload.desired;
    workload.observed
        && workload.updated >= workload.desired
        && workload.total <= workload.updated
        && workload.available >= workload.desired
        && has_pods
}
