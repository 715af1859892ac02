//! Status writes, against exactly the version that was decided about.

use super::ActError;
use crate::api::{
    ApprovalStatus, CheckProviderStatus, Condition, EnvironmentStatus, PromotionStatus, READY, Reason,
    RecallStatus, ReleaseStatus, RollbackPolicyStatus, mark,
};
use crate::cluster::Undecodable;
use crate::decide::decision::NoStatus;
use crate::process::{Handles, Metrics};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, ObjectMeta};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde_json::json;
use std::time::Duration;

/// The object that a decision is about, at the version that it was decided about.
pub struct Subject {
    /// Its kind.
    pub resource: ApiResource,
    /// Its name, namespace, UID and version.
    pub identity: ObjectMeta,
}

impl Subject {
    /// An object of kind `K`.
    pub fn of<K: Resource<DynamicType = ()>>(identity: ObjectMeta) -> Self {
        Self { resource: ApiResource::erase::<K>(&()), identity }
    }

    fn api(&self, handles: &Handles) -> Api<DynamicObject> {
        let client = handles.clients.operator();
        match self.identity.namespace.as_deref() {
            Some(namespace) => Api::namespaced_with(client, namespace, &self.resource),
            None => Api::all_with(client, &self.resource),
        }
    }

    fn name(&self) -> &str {
        self.identity.name.as_deref().unwrap_or_default()
    }

    fn namespace(&self) -> &str {
        self.identity.namespace.as_deref().unwrap_or_default()
    }
}

/// A status that Towpath writes.
pub trait Status: Serialize {
    /// The kind whose status it is.
    const KIND: &'static str;

    /// Counts what has ended, after the status was written.
    fn count(&self, _name: &str, _metrics: &Metrics) {}
}

impl Status for ReleaseStatus {
    const KIND: &'static str = "Release";
}
impl Status for EnvironmentStatus {
    const KIND: &'static str = "Environment";
}
impl Status for RollbackPolicyStatus {
    const KIND: &'static str = "RollbackPolicy";
}
impl Status for CheckProviderStatus {
    const KIND: &'static str = "CheckProvider";
}
impl Status for ApprovalStatus {
    const KIND: &'static str = "Approval";
}
impl Status for RecallStatus {
    const KIND: &'static str = "Recall";
}
impl Status for NoStatus {
    const KIND: &'static str = "ConfigMap";
}

impl Status for PromotionStatus {
    const KIND: &'static str = "Promotion";

    fn count(&self, name: &str, metrics: &Metrics) {
        if !self.phase.is_final() || name.starts_with(mark::DRY_RUN) {
            return;
        }
        let (start, end) = (self.started_at.as_ref(), self.finished_at.as_ref());
        let lasted =
            start.zip(end).and_then(|(start, end)| Duration::try_from(end.0.duration_since(start.0)).ok());
        match self.restores {
            Some(_) => metrics.rollback_ended(self.phase.as_str()),
            None => metrics.promotion_ended(self.phase.as_str(), lasted.unwrap_or_default()),
        }
    }
}

/// Reports on an object that it cannot be decoded, once per error. Only its conditions are changed.
pub async fn reject(
    handles: &Handles,
    subject: &Subject,
    fault: Option<Undecodable>,
) -> Result<(), ActError> {
    let Some(fault) = fault else { return Ok(()) };
    let (kind, name) = (subject.resource.kind.as_str(), subject.name());
    let key = (kind.to_owned(), subject.namespace().to_owned(), name.to_owned());
    if handles.caches.reported_undecodable.get(&key).as_deref() == Some(fault.error.as_str()) {
        return Ok(());
    }
    let now = handles.clock.now();
    let message = format!("this object cannot be decoded, and is ignored: {}", fault.error);
    let conditions = ["Accepted", READY].map(|type_| Condition {
        type_: type_.to_owned(),
        status: "False".to_owned(),
        reason: Reason::Undecodable.to_string(),
        message: message.clone(),
        observed_generation: None,
        last_transition_time: Time(now),
    });
    let patch = json!({ "status": { "conditions": conditions } });
    subject
        .api(handles)
        .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .map_err(ActError::write(format!("writing the status of {kind} {name}")))?;
    handles.caches.reported_undecodable.insert(key, fault.error);
    Ok(())
}

/// Writes the status of an object; returns the new version.
pub async fn write<S: Status>(
    handles: &Handles,
    subject: &Subject,
    version: Option<&str>,
    status: &S,
) -> Result<String, ActError> {
    let name = subject.name();
    let what = format!("writing the status of {} {name}", S::KIND);
    let unwritable = |error| ActError::write(what.clone())(kube::Error::SerdeError(error));
    let value = serde_json::to_value(status).map_err(unwritable)?;
    // A JSON patch replaces the status as a whole, fields that are gone included, and tests the version first.
    let mut operations = vec![];
    if let Some(version) = version {
        operations.push(json!({ "op": "test", "path": "/metadata/resourceVersion", "value": version }));
    }
    operations.push(json!({ "op": "add", "path": "/status", "value": value }));
    let patch: json_patch::Patch = serde_json::from_value(json!(operations)).map_err(unwritable)?;
    let written = subject
        .api(handles)
        .patch_status(name, &PatchParams::default(), &Patch::<()>::Json(patch))
        .await
        .map_err(ActError::write(what))?;
    let version = written.resource_version().unwrap_or_default();
    status.count(name, &handles.metrics);
    handles.versions.wrote(S::KIND, subject.namespace(), name, &version);
    Ok(version)
}
