//! The world of a release.

use super::rights::{Questions, TO_OFFER, ask};
use super::{ObserveError, capture, project};
use crate::api::{KeptRelease, PromotionMode};
use crate::decide::world::{Capture, Project, ReleaseWorld, Verb};
use crate::process::Handles;

/// What there is to know about a release; none when it does not exist.
pub async fn observe(
    handles: &Handles,
    namespace: &str,
    name: &str,
) -> Result<Option<ReleaseWorld>, ObserveError> {
    let Some(release) = handles.stores.releases.get(namespace, name) else { return Ok(None) };
    let mut project = project::application(handles, namespace, release.application())?;
    let Some(release) = project.releases.get(name).cloned() else { return Ok(None) };
    let questions = questions(&project, &release);
    ask(handles, &mut project, questions, TO_OFFER).await?;
    let capture = match release.uncaptured().filter(|_| !release.deleting) {
        None => Capture::NotNeeded,
        Some(uncaptured) => capture::capture(handles, &project, &uncaptured).await?,
    };
    Ok(Some(ReleaseWorld { project, release, capture }))
}

/// Where automation might put it, its requester has to have the right to.
fn questions(project: &Project, release: &KeptRelease) -> Questions {
    let automatic = project
        .environments
        .iter()
        .filter(|(_, environment)| environment.spec.promotion == PromotionMode::Automatic);
    let Some(requester) = release.requested_by() else { return Questions::new() };
    automatic.map(|(name, _)| (Verb::Promote, name.clone(), requester.clone())).collect()
}
