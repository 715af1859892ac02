//! The world of a recall.

use super::{ObserveError, project};
use crate::api::ProjectName;
use crate::decide::needs::recall_names;
use crate::decide::world::RecallWorld;
use crate::process::Handles;

/// Observes a recall; `None` when it does not exist.
pub async fn observe(
    handles: &Handles,
    namespace: &ProjectName,
    name: &str,
) -> Result<Option<RecallWorld>, ObserveError> {
    let stores = &handles.stores;
    let Some(recall) = stores.recalls.get(namespace, name) else { return Ok(None) };
    let version = recall.metadata.resource_version.as_deref().unwrap_or_default();
    if handles.versions.is_stale("Recall", namespace, name, version) {
        return Err(ObserveError::Stale { kind: "Recall", name: name.to_owned() });
    }
    let mut project = project::application(handles, namespace, &recall.spec.application)?;
    // A promotion of another application may have the name of a rollback.
    for names in recall_names(&project, &recall) {
        for name in names {
            let Some(other) = stores.promotions.get(namespace, &name) else { break };
            project.promotions.entry(name).or_insert(other);
        }
    }
    Ok(Some(RecallWorld { project, recall }))
}
