//! Loads Contents. They are immutable, so one that is in use is read once.

use super::ObserveError;
use crate::api::{Content, ProjectName};
use crate::content::Digested;
use crate::decide::world::Loaded;
use crate::process::Handles;
use kube::Api;
use std::sync::Arc;

/// Loads a Content by name, and verifies its digest.
pub async fn load(
    handles: &Handles,
    project: &ProjectName,
    name: Option<String>,
) -> Result<Loaded, ObserveError> {
    let Some(name) = name else { return Ok(Loaded::NotAsked) };
    let key = (project.clone(), name.clone());
    if let Some(known) = handles.caches.contents.get(&key) {
        return Ok(Loaded::Here(known));
    }
    let api: Api<Content> = Api::namespaced(handles.clients.operator(), project);
    match api.get_opt(&name).await.map_err(ObserveError::read(format!("Content {name}")))? {
        None => Ok(Loaded::Missing(name)),
        Some(stored) => match Digested::open(&stored.spec) {
            Ok(content) => {
                let content = Arc::new(content);
                handles.caches.contents.insert_weighing(key, Arc::clone(&content), stored.spec.data.len());
                Ok(Loaded::Here(content))
            }
            Err(error) => Ok(Loaded::Broken(format!("Content {name}: {error}"))),
        },
    }
}
