//! The world of an approval.

use super::rights::{Questions, TO_START, ask};
use super::{ObserveError, project};
use crate::api::ProjectName;
use crate::decide::world::{ApprovalWorld, Verb};
use crate::process::Handles;

/// Observes an approval; `None` when it does not exist.
pub async fn observe(
    handles: &Handles,
    namespace: &ProjectName,
    name: &str,
) -> Result<Option<ApprovalWorld>, ObserveError> {
    let Some(approval) = handles.stores.approvals.get(namespace, name) else { return Ok(None) };
    let version = approval.metadata.resource_version.as_deref().unwrap_or_default();
    if handles.versions.is_stale("Approval", namespace, name, version) {
        return Err(ObserveError::Stale { kind: "Approval", name: name.to_owned() });
    }
    let release = handles.stores.releases.get(namespace, &approval.spec.release.name);
    let declaring = release.as_ref().filter(|release| release.declares_a_type());
    let declarer = declaring.and_then(|release| release.requested_by());
    let application = release.map(|release| release.application_name()).unwrap_or_default();
    let mut project = project::application(handles, namespace, &application)?;
    let approver = approval.spec.approver.clone();
    let environment = approval.spec.environment.name.clone();
    let approves = approver.map(|approver| (Verb::Approve, environment.clone(), approver));
    let declares = declarer.map(|requester| (Verb::Declare, environment, requester));
    let questions: Questions = approves.into_iter().chain(declares).collect();
    ask(handles, &mut project, questions, TO_START).await?;
    Ok(Some(ApprovalWorld { project, approval }))
}
