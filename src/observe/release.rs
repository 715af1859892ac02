//! The world of a release.

use super::grant::{WHILE_SETTLED, grant};
use super::rights::{Questions, TO_OFFER, ask};
use super::{ObserveError, capture, project, requires};
use crate::api::{CachedRelease, Environment, ProjectName, PromotionMode, Reason, ReleasePhase};
use crate::decide::needs;
use crate::decide::world::{Capture, Project, ReleaseWorld, Verb};
use crate::process::Handles;
use std::sync::Arc;

/// Observes a release; `None` when it does not exist.
pub async fn observe(
    handles: &Handles,
    namespace: &ProjectName,
    name: &str,
) -> Result<Option<ReleaseWorld>, ObserveError> {
    let Some(release) = handles.stores.releases.get(namespace, name) else { return Ok(None) };
    let mut project = project::application(handles, namespace, &release.application_name())?;
    let Some(release) = project.releases.get(name).cloned() else { return Ok(None) };
    requires::of_release(handles, &mut project, &release)?;
    let questions = questions(&project, &release);
    ask(handles, &mut project, questions, TO_OFFER).await?;
    // The consent of environments is reported in a release that waits for nothing else.
    let waiting: Vec<Arc<Environment>> =
        needs::consent(&project, &release, handles.clock.now()).into_iter().map(Arc::clone).collect();
    for environment in waiting {
        let answer = grant(handles, namespace, &environment, WHILE_SETTLED).await?;
        project.grants.insert(environment.environment_name(), answer);
    }
    let capture = match release.uncaptured().filter(|_| !release.deleting) {
        None => Capture::NotNeeded,
        Some(uncaptured) => match given_up(&release) {
            Some(message) => Capture::Refused { reason: Reason::CaptureDeadlineExceeded, message },
            None => capture::capture(handles, &project, &release, &uncaptured).await?,
        },
    };
    Ok(Some(ReleaseWorld { project, release, capture }))
}

/// The message of a release whose capture was given up: what settles later is not what was released.
fn given_up(release: &CachedRelease) -> Option<String> {
    let status = release.status().filter(|_| release.phase() == ReleasePhase::Invalid)?;
    let reason = Reason::CaptureDeadlineExceeded;
    let is_final = status.conditions.iter().any(|condition| condition.reason == reason.as_str());
    status.message.filter(|_| is_final)
}

/// Whether its requester may promote it to the environments with automatic promotion, and declare its type of change.
fn questions(project: &Project, release: &CachedRelease) -> Questions {
    let automatic = project
        .environments
        .iter()
        .filter(|(_, environment)| environment.spec.promotion == PromotionMode::Automatic);
    let Some(requester) = release.requested_by() else { return Questions::new() };
    let promotes = automatic.map(|(name, _)| (Verb::Promote, name.clone(), requester.clone()));
    let everywhere = project.environments.keys().filter(|_| release.declares_a_type());
    let declares = everywhere.map(|name| (Verb::Declare, name.clone(), requester.clone()));
    promotes.chain(declares).collect()
}
