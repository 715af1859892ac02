//! All freezes and environments, and the published freezes.

use super::{ObserveError, project};
use crate::api::FREEZES;
use crate::decide::world::FreezesWorld;
use crate::process::Handles;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

/// Observes the freezes.
pub async fn observe(handles: &Handles) -> Result<FreezesWorld, ObserveError> {
    let projects = handles.stores.environments.namespaces();
    let projects =
        projects.iter().map(|name| project::frame(handles, name)).collect::<Result<Vec<_>, _>>()?;
    let maps: Api<ConfigMap> = Api::namespaced(handles.clients.operator(), &handles.own.namespace);
    let map = maps.get_opt(FREEZES).await.map_err(ObserveError::read(format!("ConfigMap {FREEZES}")))?;
    let version = map.as_ref().and_then(|map| map.metadata.resource_version.clone());
    let published = map.map(|map| map.data.unwrap_or_default());
    let is_foreign = |line: &str| !handles.settings.scope.serves(line.split('/').next().unwrap_or_default());
    let foreign = published.iter().flatten().filter(|(_, line)| is_foreign(line));
    let foreign = foreign.map(|(namespace, _)| namespace.clone()).collect();
    Ok(FreezesWorld { projects, published, version, foreign })
}
