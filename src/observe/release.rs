//! The world of a release.

use super::{ObserveError, capture, project};
use crate::context::Handles;
use crate::decide::world::{Capture, ReleaseWorld};

/// What there is to know about a release; none when it does not exist.
pub async fn observe(
    handles: &Handles,
    namespace: &str,
    name: &str,
) -> Result<Option<ReleaseWorld>, ObserveError> {
    let Some(release) = handles.stores.releases.get(namespace, name) else { return Ok(None) };
    let project = project::application(handles, namespace, &release.spec.application)?;
    let Some(release) = project.releases.get(name).cloned() else { return Ok(None) };
    let is_captured = release.status.as_ref().is_some_and(|status| status.content.is_some());
    let capture = match is_captured || release.metadata.deletion_timestamp.is_some() {
        true => Capture::NotNeeded,
        false => capture::capture(handles, &project, &release).await?,
    };
    Ok(Some(ReleaseWorld { project, release, capture }))
}
