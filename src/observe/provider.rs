//! The world of a check provider.

use super::ObserveError;
use crate::api::ProjectName;
use crate::decide::world::ProviderWorld;
use crate::process::Handles;

/// Observes a provider; `None` when it does not exist, or serves no project of this process.
pub async fn observe(
    handles: &Handles,
    _: &ProjectName,
    name: &str,
) -> Result<Option<ProviderWorld>, ObserveError> {
    let Some(provider) = handles.stores.providers.get("", name) else { return Ok(None) };
    let projects = handles.settings.scope.projects.as_ref();
    if projects.is_some_and(|projects| !projects.iter().any(|project| provider.spec.serves(project))) {
        return Ok(None);
    }
    let version = provider.metadata.resource_version.as_deref().unwrap_or_default();
    if handles.versions.is_stale("CheckProvider", "", name, version) {
        return Err(ObserveError::Stale { kind: "CheckProvider", name: name.to_owned() });
    }
    let health = handles.providers.of(name);
    Ok(Some(ProviderWorld { provider, health }))
}
