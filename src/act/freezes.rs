//! The ConfigMap of frozen target namespaces, the only one that the controller writes with its own identity.

use super::ActError;
use crate::api::{FREEZES, NamespaceName};
use crate::process::Handles;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;
use kube::core::ObjectMeta;
use std::collections::BTreeMap;

/// Publishes which namespaces are frozen. Replaces the observed version, also if a user edited it while the controller was down.
pub async fn publish_freezes(
    handles: &Handles,
    frozen: BTreeMap<NamespaceName, String>,
    version: Option<String>,
) -> Result<(), ActError> {
    let namespace = &handles.own.namespace;
    let api: Api<ConfigMap> = Api::namespaced(handles.clients.operator(), namespace);
    let map = ConfigMap {
        metadata: ObjectMeta {
            name: Some(FREEZES.to_owned()),
            namespace: Some(namespace.clone()),
            resource_version: version.clone(),
            ..ObjectMeta::default()
        },
        data: Some(frozen.into_iter().map(|(namespace, line)| (namespace.to_string(), line)).collect()),
        ..ConfigMap::default()
    };
    let answer = match version {
        Some(_) => api.replace(FREEZES, &PostParams::default(), &map).await,
        None => api.create(&PostParams::default(), &map).await,
    };
    answer.map(drop).map_err(ActError::write(format!("writing ConfigMap {FREEZES} in {namespace}")))
}
