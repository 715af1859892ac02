//! Status writes, against exactly the version that was decided about.

use super::ActError;
use crate::api::{Approval, Condition, Environment, Promotion, PromotionStatus, READY, Release};
use crate::cluster::Undecodable;
use crate::decide::decision::Status;
use crate::process::Handles;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, ObjectMeta};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;
use std::time::Duration;

/// Kinds whose status Towpath writes.
pub trait WithStatus: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize
where
    Self: Resource<Scope = kube::core::NamespaceResourceScope>,
{
    /// The name of the kind in metrics and stores.
    const KIND: &'static str;
}

impl WithStatus for Release {
    const KIND: &'static str = "Release";
}
impl WithStatus for Environment {
    const KIND: &'static str = "Environment";
}
impl WithStatus for Approval {
    const KIND: &'static str = "Approval";
}
impl WithStatus for Promotion {
    const KIND: &'static str = "Promotion";
}

/// Tells an object that cannot be decoded, once per fault. Only its conditions are touched.
pub async fn reject<K: WithStatus>(
    handles: &Handles,
    namespace: &str,
    name: &str,
    fault: Option<Undecodable>,
) -> Result<(), ActError> {
    let Some(fault) = fault else { return Ok(()) };
    let key = (K::KIND.to_owned(), namespace.to_owned(), name.to_owned());
    if handles.rejected.get(&key).as_deref() == Some(fault.error.as_str()) {
        return Ok(());
    }
    let now = handles.clock.now();
    let message = format!("this object cannot be read, and is left alone: {}", fault.error);
    let conditions = ["Accepted", READY].map(|type_| Condition {
        type_: type_.to_owned(),
        status: "False".to_owned(),
        reason: "Undecodable".to_owned(),
        message: message.clone(),
        observed_generation: None,
        last_transition_time: Time(now),
    });
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(handles.clients.operator(), namespace, &resource);
    let patch = json!({ "status": { "conditions": conditions } });
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .map_err(ActError::write(format!("writing the status of {} {name}", K::KIND)))?;
    handles.rejected.put(key, fault.error);
    Ok(())
}

/// A promotion that has ended, for the metrics.
fn count(handles: &Handles, status: &PromotionStatus) {
    if !status.phase.is_final() {
        return;
    }
    let (start, end) = (status.started_at.as_ref(), status.finished_at.as_ref());
    let lasted =
        start.zip(end).and_then(|(start, end)| Duration::try_from(end.0.duration_since(start.0)).ok());
    match status.restores {
        Some(_) => handles.metrics.rollback_ended(status.phase.as_str()),
        None => handles.metrics.promotion_ended(status.phase.as_str(), lasted.unwrap_or_default()),
    }
}

/// Writes the status of an object of kind `K`; gives the new version.
pub async fn write<K: WithStatus>(
    handles: &Handles,
    object: &ObjectMeta,
    version: Option<&str>,
    status: &Status,
) -> Result<String, ActError> {
    let (namespace, name) =
        (object.namespace.clone().unwrap_or_default(), object.name.clone().unwrap_or_default());
    let what = format!("writing the status of {} {name}", K::KIND);
    let value = match status {
        Status::Release(status) => serde_json::to_value(status),
        Status::Environment(status) => serde_json::to_value(status),
        Status::Promotion(status) => serde_json::to_value(status),
        Status::Approval(status) => serde_json::to_value(status),
    };
    let value = value.map_err(|error| ActError::write(what.clone())(kube::Error::SerdeError(error)))?;
    // A JSON patch replaces the status as a whole, fields that are gone included, and tests the version first.
    let mut operations = vec![];
    if let Some(version) = version {
        operations.push(json!({ "op": "test", "path": "/metadata/resourceVersion", "value": version }));
    }
    operations.push(json!({ "op": "add", "path": "/status", "value": value }));
    let patch: json_patch::Patch = serde_json::from_value(json!(operations))
        .map_err(|error| ActError::write(what.clone())(kube::Error::SerdeError(error)))?;
    let api: Api<K> = Api::namespaced(handles.clients.operator(), &namespace);
    let written = api
        .patch_status(&name, &PatchParams::default(), &Patch::<()>::Json(patch))
        .await
        .map_err(ActError::write(what))?;
    let version = written.resource_version().unwrap_or_default();
    if let Status::Promotion(status) = status {
        count(handles, status);
    }
    handles.versions.wrote(K::KIND, &namespace, &name, &version);
    Ok(version)
}
