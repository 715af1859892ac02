//! The world of an environment.

use super::grant::{WHILE_SETTLED, WHILE_WRITING, grant};
use super::{ObserveError, project};
use crate::api::Content;
use crate::context::Handles;
use crate::decide::lane::phase_of;
use crate::decide::world::{EnvironmentWorld, Grant};
use jiff::SignedDuration;
use kube::api::{ListParams, PartialObjectMeta};
use kube::{Api, ResourceExt};

/// What there is to know about an environment; none when it does not exist.
pub async fn observe(
    handles: &Handles,
    namespace: &str,
    name: &str,
) -> Result<Option<EnvironmentWorld>, ObserveError> {
    let project = project::project(handles, namespace)?;
    let Some(environment) = project.environments.get(name).cloned() else { return Ok(None) };
    let exists = project.namespaces.get(&environment.spec.namespace).is_some_and(|facts| !facts.terminating);
    let busy = project
        .promotions
        .values()
        .any(|promotion| promotion.spec.environment == name && !phase_of(promotion).is_final());
    let age = if busy { WHILE_WRITING } else { WHILE_SETTLED };
    let grant = match exists {
        true => grant(handles, namespace, &environment, age).await?,
        false => Grant::NotAsked,
    };
    // Contents are looked through only when there is more history than may be kept, which trimming ends.
    let limit = usize::try_from(environment.spec.history_limit).unwrap_or(usize::MAX);
    let finished = project
        .promotions
        .values()
        .filter(|promotion| promotion.spec.environment == name && phase_of(promotion).is_final())
        .count();
    let trimmed = handles.trimmed.get(&(namespace.to_owned(), name.to_owned())).unwrap_or(false);
    let contents = match trimmed && finished <= limit && !busy {
        true => {
            handles.trimmed.forget(&(namespace.to_owned(), name.to_owned()));
            let api: Api<Content> = Api::namespaced(handles.clients.operator(), namespace);
            let list =
                api.list_metadata(&ListParams::default()).await.map_err(ObserveError::read("Contents"))?;
            // One that was made a moment ago is not named by anything yet.
            let young = handles.clock.now().checked_sub(SignedDuration::from_mins(10)).unwrap_or_default();
            let is_old = |content: &&PartialObjectMeta<Content>| {
                content.creation_timestamp().is_some_and(|created| created.0 < young)
            };
            Some(list.items.iter().filter(is_old).map(ResourceExt::name_any).collect())
        }
        false => None,
    };
    Ok(Some(EnvironmentWorld { project, environment, grant, contents }))
}
