//! All freezes and environments, and the published freezes.

use super::grant::{WHILE_SETTLED, grant};
use super::{ObserveError, project};
use crate::api::{FREEZES, NamespaceName};
use crate::decide::world::FreezesWorld;
use crate::process::Handles;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Observes the freezes.
pub async fn observe(handles: &Handles) -> Result<FreezesWorld, ObserveError> {
    let names = handles.stores.projects();
    let mut projects =
        names.iter().map(|name| project::frame(handles, name)).collect::<Result<Vec<_>, _>>()?;
    // Only an environment with consent freezes its target, and after a start of the process no consent is known.
    for project in projects.iter_mut().filter(|project| !project.freezes.is_empty()) {
        for environment in project.environments.values().map(Arc::clone).collect::<Vec<_>>() {
            if project.namespace(&environment).is_some_and(|facts| !facts.terminating) {
                grant(handles, &project.name, &environment, WHILE_SETTLED).await?;
                project::occupy(handles, project, &environment).await?;
            }
        }
    }
    let maps: Api<ConfigMap> = Api::namespaced(handles.clients.operator(), &handles.own.namespace);
    let map = maps.get_opt(FREEZES).await.map_err(ObserveError::read(format!("ConfigMap {FREEZES}")))?;
    let version = map.as_ref().and_then(|map| map.metadata.resource_version.clone());
    let published: Option<BTreeMap<NamespaceName, String>> = map.map(|map| {
        let data = map.data.unwrap_or_default();
        data.into_iter().map(|(namespace, line)| (namespace.into(), line)).collect()
    });
    let is_foreign = |line: &str| !handles.settings.scope.serves(line.split('/').next().unwrap_or_default());
    let foreign = published.iter().flatten().filter(|(_, line)| is_foreign(line));
    let foreign = foreign.map(|(namespace, _)| namespace.clone()).collect();
    Ok(FreezesWorld { projects, published, version, foreign })
}
