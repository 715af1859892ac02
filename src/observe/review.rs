//! One SubjectAccessReview.

use super::ObserveError;
use crate::process::Handles;
use k8s_openapi::api::authorization::v1::{SubjectAccessReview, SubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;

/// Whether it is allowed. `what` names the question in an error.
pub async fn is_allowed(
    handles: &Handles,
    spec: SubjectAccessReviewSpec,
    what: impl Into<String>,
) -> Result<bool, ObserveError> {
    let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
    let api: Api<SubjectAccessReview> = Api::all(handles.clients.operator());
    let answer = api.create(&PostParams::default(), &review).await.map_err(ObserveError::read(what))?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
