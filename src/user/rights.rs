//! Asks the API server who the user is, and what the user may do.

use super::reader::Reader;
use crate::api::{GROUP, UserInfo, VERSION};
use crate::view::right::{Right, Role, missing};
use anyhow::bail;
use futures::future::join_all;
use http::Method;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use serde_json::{Value, json};

/// The content of a request.
pub const JSON: &str = "application/json";

/// Who the user is. None if the API server does not say: servers before 1.28 do not know the question.
pub async fn user(reader: &Reader) -> Option<UserInfo> {
    identified(reader).await.ok().flatten()
}

/// Who the user is, or why the API server does not answer, such as credentials that it does not accept.
pub async fn identified(reader: &Reader) -> Result<Option<UserInfo>, kube::Error> {
    let question = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let review: SelfSubjectReview = send(reader, Method::POST, path, JSON, &question).await?;
    let user = review.status.and_then(|status| status.user_info);
    Ok(user.map(|user| UserInfo {
        username: user.username.unwrap_or_default(),
        uid: user.uid.filter(|uid| !uid.is_empty()),
        groups: user.groups.unwrap_or_default(),
    }))
}

/// The rights that the user lacks. What the API server does not answer counts as a right: it judges later.
pub async fn lacking<'a>(reader: &Reader, rights: &'a [Right]) -> Vec<&'a Right> {
    let answers = join_all(rights.iter().map(|right| may(reader, right))).await;
    let is_lacking = |(_, may): &(&Right, Option<bool>)| *may == Some(false);
    rights.iter().zip(answers).filter(is_lacking).map(|(right, _)| right).collect()
}

/// Fails if the user lacks one of these rights.
pub async fn require(reader: &Reader, rights: &[Right], role: Role, user: &str) -> anyhow::Result<()> {
    let lacking = lacking(reader, rights).await;
    if !lacking.is_empty() {
        bail!("{}", missing(&lacking, role, &reader.project, user));
    }
    Ok(())
}

/// Whether the user has a right. None if the API server does not say.
pub async fn may(reader: &Reader, right: &Right) -> Option<bool> {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": { "resourceAttributes": {
            "group": GROUP, "version": VERSION, "resource": right.resource, "verb": right.verb,
            "namespace": reader.project, "name": right.name,
        } },
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let answer: Value = send(reader, Method::POST, path, JSON, &review).await.ok()?;
    answer["status"]["allowed"].as_bool()
}

/// The answer to a request of the user.
pub async fn send<T: serde::de::DeserializeOwned>(
    reader: &Reader,
    method: Method,
    path: &str,
    content: &str,
    body: &Value,
) -> Result<T, kube::Error> {
    let request = http::Request::builder().method(method).uri(path).header("Content-Type", content);
    let body = if body.is_null() {
        Vec::new()
    } else {
        serde_json::to_vec(body).map_err(kube::Error::SerdeError)?
    };
    let request = request.body(body).map_err(kube::Error::HttpError)?;
    reader.client().request(request).await
}
