//! Creates objects with the rights of the user, who learns first if a right is missing.

use super::reader::Reader;
use super::writer::{JSON, MANAGER, require, send, user};
use crate::api::{Promotion, Release, UserInfo, mark};
use crate::view::right::{Right, Role};
use anyhow::{Context, anyhow, bail};
use http::Method;
use kube::core::NamespaceResourceScope;
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// An object that the plugin creates.
pub trait Created:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned
{
    /// What to do if the name is taken.
    const TAKEN: &'static str;

    /// The rights that it needs. The role for requesters has them.
    fn rights(&self) -> Vec<Right>;

    /// Who requests it: API servers before 1.36 do not fill it in.
    fn requested_by(&mut self, user: UserInfo);
}

impl Created for Release {
    const TAKEN: &'static str = "a Release is immutable: use another version, or another name with --name";

    fn rights(&self) -> Vec<Right> {
        vec![Right::to("create", "releases")]
    }

    fn requested_by(&mut self, user: UserInfo) {
        // A release that is created on hold is held by who creates it.
        if self.spec.hold == Some(true) {
            let annotations = self.metadata.annotations.get_or_insert_default();
            annotations.insert(mark::HELD_BY.to_owned(), user.username.clone());
        }
        self.spec.requested_by = Some(user);
    }
}

impl Created for Promotion {
    const TAKEN: &'static str = "try again";

    fn rights(&self) -> Vec<Right> {
        vec![Right::to("create", "promotions"), Right::on(&self.spec.environment, "promote")]
    }

    fn requested_by(&mut self, user: UserInfo) {
        self.spec.requested_by = Some(user);
    }
}

/// Creates an object in the namespace of the project.
pub async fn create<K: Created>(reader: &Reader, object: &K) -> anyhow::Result<K> {
    let project = &reader.project;
    let user = user(reader).await;
    let name = user.as_ref().map(|user| user.username.as_str()).unwrap_or_default();
    require(reader, &object.rights(), Role::Requester, name).await?;
    let mut object = object.clone();
    if let Some(user) = user {
        object.requested_by(user);
    }
    let kind = K::kind(&()).to_lowercase();
    let name = object.meta().name.clone().unwrap_or_default();
    // Strict: an older cluster must refuse a field that it does not know, rather than drop it.
    let path = format!("{}?fieldValidation=Strict&fieldManager={MANAGER}", K::url_path(&(), Some(project)));
    match send::<K>(reader, Method::POST, &path, JSON, &serde_json::to_value(&object)?).await {
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
        Err(error) => Err(anyhow::Error::new(error).context("cannot reach the cluster")),
    }
}

/// Deletes an object, if the user may. What cannot be deleted stays.
pub async fn delete_if_allowed<K: Created>(reader: &Reader, object: &K) {
    let api: Api<K> = Api::namespaced(reader.client().clone(), &reader.project);
    // The controller deletes it later.
    let _ = api.delete(&object.name_any(), &kube::api::DeleteParams::default()).await;
}
