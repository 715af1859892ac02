//! The world of a rollback policy.

use super::{ObserveError, project};
use crate::api::ProjectName;
use crate::decide::world::PolicyWorld;
use crate::process::Handles;

/// Observes a policy; `None` when it does not exist.
pub async fn observe(
    handles: &Handles,
    namespace: &ProjectName,
    name: &str,
) -> Result<Option<PolicyWorld>, ObserveError> {
    let Some(policy) = handles.stores.policies.get(namespace, name) else { return Ok(None) };
    let version = policy.metadata.resource_version.as_deref().unwrap_or_default();
    if handles.versions.is_stale("RollbackPolicy", namespace, name, version) {
        return Err(ObserveError::Stale { kind: "RollbackPolicy", name: name.to_owned() });
    }
    Ok(Some(PolicyWorld { project: project::frame(handles, namespace)?, policy }))
}
