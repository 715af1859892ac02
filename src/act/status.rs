//! Status writes, against exactly the version that was decided about.

use super::ActError;
use crate::api::{
    ApprovalStatus, ChannelStatus, CheckProviderStatus, Condition, EnvironmentStatus, PromotionStatus, READY,
    Reason, RecallStatus, ReleaseStatus, RollbackPolicyStatus,
};
use crate::cluster::Undecodable;
use crate::decide::decision::NoStatus;
use crate::process::Handles;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, ObjectMeta};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};

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

    /// The fields that the API server drops when they are absent. Empty: the status is replaced as a whole. Otherwise it is merged, and
    /// what it does not name stays: the record, which the process does not cache.
    const OPTIONAL: &'static [&'static str] = &[];
}

impl Status for ReleaseStatus {
    const KIND: &'static str = "Release";
    const OPTIONAL: &'static [&'static str] = &[
        "digest",
        "content",
        "images",
        "environments",
        "summary",
        "planning",
        "message",
        "interventions",
        "review",
        "conditions",
    ];
}
impl Status for EnvironmentStatus {
    const KIND: &'static str = "Environment";
    const OPTIONAL: &'static [&'static str] = &[
        "controllerVersion",
        "applications",
        "summary",
        "message",
        "missingConsent",
        "drift",
        "disruptions",
        "conditions",
    ];
}
impl Status for RollbackPolicyStatus {
    const KIND: &'static str = "RollbackPolicy";
}
impl Status for ChannelStatus {
    const KIND: &'static str = "Channel";
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
impl Status for PromotionStatus {
    const KIND: &'static str = "Promotion";
}
impl Status for NoStatus {
    const KIND: &'static str = "ConfigMap";
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
    let patch = match S::OPTIONAL.is_empty() {
        true => Patch::Json(replacing(version, value).map_err(unwritable)?),
        false => Patch::Merge(merging(version, value, S::OPTIONAL)),
    };
    let written = subject
        .api(handles)
        .patch_status(name, &PatchParams::default(), &patch)
        .await
        .map_err(ActError::write(what))?;
    let version = written.resource_version().unwrap_or_default();
    handles.versions.wrote(S::KIND, subject.namespace(), name, &version);
    Ok(version)
}

/// Replaces the status as a whole, fields that are gone included, and tests the version first.
fn replacing(version: Option<&str>, status: Value) -> Result<json_patch::Patch, serde_json::Error> {
    let mut operations = vec![];
    if let Some(version) = version {
        operations.push(json!({ "op": "test", "path": "/metadata/resourceVersion", "value": version }));
    }
    operations.push(json!({ "op": "add", "path": "/status", "value": status }));
    serde_json::from_value(json!(operations))
}

/// Replaces every field of the status but those that are neither in it nor in `optional`. The API server refuses another version.
fn merging(version: Option<&str>, mut status: Value, optional: &[&str]) -> Value {
    if let Some(fields) = status.as_object_mut() {
        for field in optional {
            match fields.get_mut(*field) {
                None => drop(fields.insert((*field).to_owned(), Value::Null)),
                // An object in a status is merged. `review` serialises all its fields.
                Some(Value::Object(consent)) if *field == "missingConsent" => {
                    for field in ["clusterRole", "resources"] {
                        consent.entry(field).or_insert(Value::Null);
                    }
                }
                Some(_) => {}
            }
        }
    }
    match version {
        Some(version) => json!({ "metadata": { "resourceVersion": version }, "status": status }),
        None => json!({ "status": status }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Environment, MissingConsent, Release};
    use kube::CustomResourceExt;
    use std::collections::BTreeSet;

    /// A field that is neither required nor named would keep its old value when it is gone.
    #[test]
    fn a_merged_status_leaves_nothing_but_the_record() {
        fn others<S: Status>(crd: &impl Serialize) -> Vec<String> {
            let crd = serde_json::to_value(crd).unwrap();
            let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
            let fields: BTreeSet<String> =
                schema["properties"].as_object().unwrap().keys().cloned().collect();
            let always = ["observedGeneration", "phase"];
            let named: BTreeSet<String> =
                S::OPTIONAL.iter().chain(&always).map(|field| (*field).to_owned()).collect();
            fields.difference(&named).cloned().collect()
        }
        assert_eq!(others::<ReleaseStatus>(&Release::crd()), ["record", "recordDropped"]);
        assert_eq!(others::<EnvironmentStatus>(&Environment::crd()), ["record", "recordDropped"]);
    }

    #[test]
    fn a_merged_status_removes_what_is_gone() {
        let missing = MissingConsent { cluster_role: Some("towpath-target".into()), resources: Vec::new() };
        let status = EnvironmentStatus { missing_consent: Some(missing), ..EnvironmentStatus::default() };
        let patch = merging(Some("7"), serde_json::to_value(&status).unwrap(), EnvironmentStatus::OPTIONAL);
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        assert_eq!(patch["status"]["summary"], Value::Null);
        assert!(patch["status"].get("summary").is_some() && patch["status"].get("record").is_none());
        assert_eq!(
            patch["status"]["missingConsent"],
            json!({ "clusterRole": "towpath-target", "resources": null })
        );
    }
}
