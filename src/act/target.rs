//! Writes into a target namespace, as the derived identity of the environment.

use super::ActError;
use crate::api::FIELD_MANAGER;
use crate::cluster::Identity;
use crate::content::ObjectKey;
use crate::decide::decision::Target;
use crate::process::Handles;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{
    DeleteParams, DynamicObject, PartialObjectMeta, Patch, PatchParams, Preconditions, PropagationPolicy,
};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The dynamic client of a kind in a target namespace.
pub(super) async fn api(
    handles: &Handles,
    client: kube::Client,
    target: &Target,
    key: &ObjectKey,
) -> Result<Api<DynamicObject>, ActError> {
    let found = handles.resources.find(&client, key.api_version(), key.kind()).await;
    let resource = found.map_err(ActError::write(format!("looking up {}", key.kind())))?;
    let resource =
        resource.ok_or_else(|| ActError::UnknownKind(format!("{} {}", key.api_version(), key.kind())))?;
    Ok(Api::namespaced_with(client, &target.location.namespace, &resource))
}

/// The identity of the environment.
pub(super) fn identity(target: &Target) -> Result<Identity, ActError> {
    Ok(Identity::new(target.environment.clone())?)
}

/// Server-side apply, never forced. If the API server rejects the first body itself, the second one is applied, if there is one.
pub async fn apply(
    handles: &Handles,
    promotion: &str,
    target: &Target,
    key: &ObjectKey,
    object: Value,
    otherwise: Option<Value>,
) -> Result<(), ActError> {
    let client = handles.clients.identity(&identity(target)?)?;
    let api = api(handles, client, target, key).await?;
    let params = PatchParams::apply(FIELD_MANAGER);
    let mut answer = api.patch(key.name(), &params, &Patch::Apply(object)).await;
    if let (Err(kube::Error::Api(status)), Some(otherwise)) = (&answer, otherwise)
        && matches!(classify(status), Rejection::Permanent)
    {
        answer = api.patch(key.name(), &params, &Patch::Apply(otherwise)).await;
    }
    if let Err(kube::Error::Api(status)) = &answer {
        rejected(handles, promotion, target, key, status);
    }
    let written =
        answer.map_err(ActError::write(format!("applying {key} in {}", target.location.namespace)))?;
    // Health reads workloads from a watch, which may be older than this write.
    if let Some(kind) =
        ["Deployment", "StatefulSet", "DaemonSet", "Job"].into_iter().find(|kind| *kind == key.kind())
    {
        let version = written.metadata.resource_version.clone().unwrap_or_default();
        handles.versions.wrote(kind, &target.location.namespace, key.name(), &version);
    }
    handles.caches.customs.remove(&(target.location.clone(), key.clone()));
    if let Some(generation) = written.metadata.generation {
        handles.memory.unchanged(promotion, BTreeMap::from([(key.clone(), generation)]));
    }
    handles.memory.wrote(promotion, key.clone());
    Ok(())
}

/// Remembers why a write was rejected, if a retry gives the same answer.
fn rejected(
    handles: &Handles,
    promotion: &str,
    target: &Target,
    key: &ObjectKey,
    status: &kube::core::Status,
) {
    match classify(status) {
        Rejection::MissingRight => forget_consent(handles, target),
        Rejection::Permanent => handles.memory.refused(promotion, key.clone(), status.message.clone()),
        Rejection::Transient => {}
    }
}

fn forget_consent(handles: &Handles, target: &Target) {
    handles.caches.consents.remove(&target.environment);
}

/// Deletes the object with this UID and creates it again. After a crash between the two, the object is missing and is created.
pub async fn replace(
    handles: &Handles,
    promotion: &str,
    target: &Target,
    key: &ObjectKey,
    uid: &str,
    object: Value,
) -> Result<(), ActError> {
    let client = handles.clients.identity(&identity(target)?)?;
    let api = api(handles, client, target, key).await?;
    if let Err(error) = remove(&api, key.name(), &with_uid(uid)).await {
        if let kube::Error::Api(status) = &error {
            rejected(handles, promotion, target, key, status);
        }
        return Err(ActError::write(format!("replacing {key} in {}", target.location.namespace))(error));
    }
    apply(handles, promotion, target, key, object, None).await
}

/// Takes over the fields of other managers; the patch tests the resourceVersion.
pub async fn adopt(
    handles: &Handles,
    target: &Target,
    key: &ObjectKey,
    patch: Value,
) -> Result<(), ActError> {
    let what = format!("taking over {key} in {}", target.location.namespace);
    let client = handles.clients.identity(&identity(target)?)?;
    let api = api(handles, client, target, key).await?;
    let patch: json_patch::Patch = serde_json::from_value(patch)
        .map_err(|error| ActError::write(what.clone())(kube::Error::SerdeError(error)))?;
    api.patch(key.name(), &PatchParams::default(), &Patch::<()>::Json(patch))
        .await
        .map_err(ActError::write(what))?;
    Ok(())
}

/// Deletes the object with this UID, and its dependents in the background.
pub async fn delete(
    handles: &Handles,
    promotion: &str,
    target: &Target,
    key: &ObjectKey,
    uid: &str,
) -> Result<(), ActError> {
    let client = handles.clients.identity(&identity(target)?)?;
    let api = api(handles, client, target, key).await?;
    match remove(&api, key.name(), &with_uid(uid)).await {
        Ok(Removed::Gone) => handles.memory.wrote(promotion, key.clone()),
        // It is read again until it is gone.
        Ok(Removed::Leaving) => handles.memory.accepted(promotion, key),
        Err(error) => {
            if let kube::Error::Api(status) = &error {
                rejected(handles, promotion, target, key, status);
            }
            return Err(ActError::write(format!("deleting {key} in {}", target.location.namespace))(error));
        }
    }
    Ok(())
}

/// Deletes the Job with this UID, which stays until its pods are gone.
pub async fn stop(
    handles: &Handles,
    promotion: &str,
    target: &Target,
    key: &ObjectKey,
    uid: &str,
) -> Result<(), ActError> {
    let client = handles.clients.identity(&identity(target)?)?;
    let api = api(handles, client, target, key).await?;
    let params = DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..with_uid(uid) };
    remove(&api, key.name(), &params)
        .await
        .map(drop)
        .map_err(ActError::write(format!("stopping {key} in {}", target.location.namespace)))?;
    handles.memory.wrote(promotion, key.clone());
    Ok(())
}

/// Suspends the Job with this UID. Its controller deletes its pods.
pub async fn suspend(
    handles: &Handles,
    promotion: &str,
    target: &Target,
    key: &ObjectKey,
    uid: &str,
) -> Result<(), ActError> {
    let client = handles.clients.identity(&identity(target)?)?;
    let api = api(handles, client, target, key).await?;
    // The API server refuses a patch with another UID, and there is nothing to suspend when the Job is gone.
    let patch = json!({ "metadata": { "uid": uid }, "spec": { "suspend": true } });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch(key.name(), &params, &Patch::Merge(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
        Err(error) => {
            if let kube::Error::Api(status) = &error {
                rejected(handles, promotion, target, key, status);
            }
            Err(ActError::write(format!("suspending {key} in {}", target.location.namespace))(error))
        }
    }
}

/// Deletes the pod with this UID.
pub async fn delete_pod(handles: &Handles, target: &Target, name: &str, uid: &str) -> Result<(), ActError> {
    // Decodes only the metadata of the answer: decoding a whole Pod would take half a mebibyte of code.
    let api: Api<PartialObjectMeta<Pod>> =
        Api::namespaced(handles.clients.identity(&identity(target)?)?, &target.location.namespace);
    remove(&api, name, &with_uid(uid))
        .await
        .map(drop)
        .map_err(ActError::write(format!("deleting pod {name} in {}", target.location.namespace)))
}

/// What a deletion did.
enum Removed {
    /// The object is gone, or ends in its own time.
    Gone,
    /// A finalizer keeps the object.
    Leaving,
}

/// Deletes an object. One that is gone already, or that was created again with another UID, is no error.
async fn remove<K>(api: &Api<K>, name: &str, params: &DeleteParams) -> kube::Result<Removed>
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug + ResourceExt,
{
    match api.delete(name, params).await {
        Ok(answer) => {
            let object = answer.left();
            let is_kept = |object: K| !object.finalizers().is_empty();
            Ok(if object.is_some_and(is_kept) { Removed::Leaving } else { Removed::Gone })
        }
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(Removed::Gone),
        Err(error) => Err(error),
    }
}

/// How the API server rejected a write.
enum Rejection {
    /// Consent may have been withdrawn; it is checked again.
    MissingRight,
    /// Quota, admission, schema, or a field of another manager: a retry gives the same answer.
    Permanent,
    /// A version conflict, too many requests, or a server error.
    Transient,
}

fn classify(status: &kube::core::Status) -> Rejection {
    let has_cause = |reason: &str| {
        status.details.iter().flat_map(|details| &details.causes).any(|cause| cause.reason == reason)
    };
    match status.code {
        // The authorizer names verb and resource; quota, admission and Pod Security answer 403 as well.
        403 if status.message.contains(" cannot ") && status.message.contains(" resource ") => {
            Rejection::MissingRight
        }
        400 | 403 | 422 => Rejection::Permanent,
        409 if has_cause("FieldManagerConflict") => Rejection::Permanent,
        _ => Rejection::Transient,
    }
}

fn with_uid(uid: &str) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions { uid: Some(uid.to_owned()), resource_version: None }),
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    }
}
