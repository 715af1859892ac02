//! The world of a release.

use super::rights::{Questions, TO_OFFER, ask};
use super::{ObserveError, capture, project};
use crate::api::{PromotionMode, Release};
use crate::context::Handles;
use crate::decide::world::{Capture, Project, ReleaseWorld, Verb};

/// What there is to know about a release; none when it does not exist.
pub async fn observe(
    handles: &Handles,
    namespace: &str,
    name: &str,
) -> Result<Option<ReleaseWorld>, ObserveError> {
    let Some(release) = handles.stores.releases.get(namespace, name) else { return Ok(None) };
    let mut project = project::application(handles, namespace, &release.spec.application)?;
    let Some(release) = project.releases.get(name).cloned() else { return Ok(None) };
    let questions = questions(&project, &release);
    ask(handles, &mut project, questions, TO_OFFER).await?;
    let is_captured = release.status.as_ref().is_some_and(|status| status.content.is_some());
    let capture = match is_captured || release.metadata.deletion_timestamp.is_some() {
        true => Capture::NotNeeded,
        false => capture::capture(handles, &project, &release).await?,
    };
    Ok(Some(ReleaseWorld { project, release, capture }))
}

/// Where automation might put it, its requester has to have the right to.
fn questions(project: &Project, release: &Release) -> Questions {
    let automatic = project
        .environments
        .iter()
        .filter(|(_, environment)| environment.spec.promotion == PromotionMode::Automatic);
    let asked = automatic
        .filter_map(|(name, _)| Some((Verb::Promote, name.clone(), release.spec.requested_by.clone()?)));
    asked.collect()
}
