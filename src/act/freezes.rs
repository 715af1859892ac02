//! The one ConfigMap that the controller writes as itself: which target namespaces are frozen now.

use super::ActError;
use crate::api::FREEZES;
use crate::process::Handles;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;
use kube::core::ObjectMeta;
use std::collections::BTreeMap;

/// Says which namespaces are frozen, in place of exactly the version that was looked at: what a person wrote while the controller
/// was away goes.
pub async fn publish_freezes(
    handles: &Handles,
    frozen: BTreeMap<String, String>,
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
        data: Some(frozen),
        ..ConfigMap::default()
    };
    let answer = match version {
        Some(_) => api.replace(FREEZES, &PostParams::default(), &map).await,
        None => api.create(&PostParams::default(), &map).await,
    };
    answer.map(drop).map_err(ActError::write(format!("writing ConfigMap {FREEZES} in {namespace}")))
}
