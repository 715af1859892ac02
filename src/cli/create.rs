//! Creates objects with the rights of the user, who learns first if a right is missing.

use super::reader::Reader;
use crate::api::{Promotion, Release};
use anyhow::{Context, anyhow, bail};
use http::Request;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// An object that the plugin creates.
pub trait Created:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned
{
    /// The role that suffices to create it.
    const ROLE: &'static str;
    /// What to do if the name is taken.
    const TAKEN: &'static str;
}

impl Created for Release {
    const ROLE: &'static str = "towpath-requester";
    const TAKEN: &'static str = "a Release is immutable: use another version, or another name with --name";
}

impl Created for Promotion {
    const ROLE: &'static str = "towpath-requester";
    const TAKEN: &'static str = "try again";
}

/// Whether the user has a right. An error if it cannot be asked.
pub async fn may(reader: &Reader, attributes: ResourceAttributes) -> anyhow::Result<bool> {
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: attributes.namespace.clone().or_else(|| Some(reader.project.clone())),
                ..attributes
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let api: Api<SelfSubjectAccessReview> = Api::all(reader.client().clone());
    let answer = api.create(&PostParams::default(), &review).await.map_err(unreachable_cluster)?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// Creates an object in the namespace of the project.
pub async fn create<K: Created>(reader: &Reader, object: &K) -> anyhow::Result<K> {
    let (plural, project, role) = (K::plural(&()), &reader.project, K::ROLE);
    let right = ResourceAttributes {
        group: Some(K::group(&()).into_owned()),
        resource: Some(plural.clone().into_owned()),
        verb: Some("create".to_owned()),
        ..ResourceAttributes::default()
    };
    if !may(reader, right).await? {
        bail!(
            "you may not create {plural} in namespace {project}. Somebody who may bind roles there grants it with: \
             kubectl create rolebinding {role} --namespace {project} --clusterrole {role} --user YOUR-NAME"
        );
    }
    let kind = K::kind(&()).to_lowercase();
    let name = object.meta().name.clone().unwrap_or_default();
    // Strict: an older cluster must refuse a field that it does not know, rather than drop it.
    let path =
        format!("{}?fieldValidation=Strict&fieldManager=kubectl-towpath", K::url_path(&(), Some(project)));
    let request =
        Request::post(path).header("Content-Type", "application/json").body(serde_json::to_vec(object)?)?;
    match reader.client().request::<K>(request).await {
        Ok(created) => Ok(created),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            bail!("{kind} {name} already exists in namespace {project}; {}", K::TAKEN)
        }
        Err(kube::Error::Api(status)) if status.message.contains("strict decoding error") => bail!(
            "Towpath of this cluster is older than this program and does not know every field: {}",
            status.message.replace('\n', " ")
        ),
        Err(kube::Error::Api(status)) => Err(anyhow!("{}", status.message.replace('\n', " ")))
            .with_context(|| format!("the API server refuses {kind} {name}")),
        Err(error) => Err(unreachable_cluster(error)),
    }
}

/// Deletes an object, if the user may. What cannot be deleted stays.
pub async fn delete_if_allowed<K: Created>(reader: &Reader, object: &K) {
    let api: Api<K> = Api::namespaced(reader.client().clone(), &reader.project);
    // The controller deletes it later.
    let _ = api.delete(&object.name_any(), &kube::api::DeleteParams::default()).await;
}

fn unreachable_cluster(error: kube::Error) -> anyhow::Error {
    if let kube::Error::Api(status) = error {
        return anyhow!("{}", status.message.replace('\n', " "));
    }
    anyhow::Error::new(error).context("cannot reach the cluster")
}
