//! Reads a whole project: what the views that run the controller's own rules need.
//!
//! Invariant: one request per kind, whatever the number of objects.

use super::reader::{Reader, suggestion};
use crate::api::{
    Approval, CachedRelease, ChangeFreeze, CheckProvider, ClusterChangeFreeze, Environment, Promotion,
    Recall, Release, RollbackPolicy,
};
use crate::decide::world::{Objects, Project};
use anyhow::Context;
use kube::Resource;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

/// A project, and whether the kinds of the cluster could be read.
pub struct Everything {
    /// The project, with the facts that the controller reported.
    pub project: Project,
    /// False if ClusterChangeFreezes or CheckProviders may not be read: the reports of the controller stand for them.
    pub is_whole: bool,
}

impl Everything {
    /// A release, or an error with the nearest name.
    pub fn release(&self, name: &str) -> anyhow::Result<&CachedRelease> {
        let releases = &self.project.releases;
        let found = releases.get(name).map(AsRef::as_ref);
        found.with_context(|| missing("release", name, &self.project.name, releases.keys()))
    }
}

/// The sentence for a name that does not exist, with the nearest one that does.
pub fn missing(kind: &str, name: &str, project: &str, names: impl Iterator<Item = impl ToString>) -> String {
    let names: Vec<String> = names.map(|name| name.to_string()).collect();
    format!("namespace {project} has no {kind} {name}{}", suggestion(name, &names))
}

/// The objects of a kind.
struct Listed<K> {
    found: Vec<Arc<K>>,
    /// Name and error of those that cannot be decoded.
    undecodable: Vec<(String, String)>,
}

impl Reader {
    /// The whole project. The kinds of the cluster are left out if the user may not read them.
    pub async fn everything(&self) -> anyhow::Result<Everything> {
        let (environments, promotions, releases, approvals, policies, recalls, freezes, of_cluster) = tokio::try_join!(
            self.listed::<Environment>(),
            self.listed::<Promotion>(),
            self.listed::<Release>(),
            self.listed::<Approval>(),
            self.listed::<RollbackPolicy>(),
            self.listed::<Recall>(),
            self.listed::<ChangeFreeze>(),
            self.of_cluster(),
        )?;
        let is_whole = of_cluster.is_some();
        let (cluster_freezes, providers) = of_cluster.unwrap_or_default();
        let mut undecodable = Vec::new();
        let mut lost = |kind: &'static str, found: &[(String, String)]| {
            undecodable.extend(found.iter().map(|(name, error)| (kind, name.clone(), error.clone())));
        };
        lost("Environment", &environments.undecodable);
        lost("Release", &releases.undecodable);
        lost("Promotion", &promotions.undecodable);
        lost("Recall", &recalls.undecodable);
        lost("ChangeFreeze", &freezes.undecodable);
        lost("ClusterChangeFreeze", &cluster_freezes.undecodable);
        let without_checks = |policy: Arc<RollbackPolicy>| {
            let mut policy = Arc::unwrap_or_clone(policy);
            policy.spec.checks.clear();
            Arc::new(policy)
        };
        let policies = policies.found.into_iter();
        let project = Project::from_objects(Objects {
            name: self.project.as_str().into(),
            environments: environments.found,
            // Without the providers, the checks of a policy cannot be validated.
            policies: if is_whole { policies.collect() } else { policies.map(without_checks).collect() },
            providers: providers.found,
            releases: releases
                .found
                .into_iter()
                .map(|it| Arc::new(Arc::unwrap_or_clone(it).into()))
                .collect(),
            promotions: promotions.found,
            approvals: approvals.found,
            recalls: recalls.found,
            freezes: freezes.found,
            cluster_freezes: cluster_freezes.found,
            undecodable,
        });
        Ok(Everything { project: project.with_reported(), is_whole })
    }

    /// The freezes and providers of the cluster. None if the user may not read them.
    async fn of_cluster(&self) -> anyhow::Result<Option<OfCluster>> {
        match tokio::try_join!(self.decoded(None), self.decoded(None)) {
            Ok(found) => Ok(Some(found)),
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
            Err(error) => Err(self.explained::<ClusterChangeFreeze>(error)),
        }
    }

    async fn listed<K>(&self) -> anyhow::Result<Listed<K>>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let listed = self.decoded(Some(&self.project)).await;
        listed.map_err(|error| self.explained::<K>(error))
    }

    async fn decoded<K>(&self, namespace: Option<&str>) -> Result<Listed<K>, kube::Error>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let text = self.text(&K::url_path(&(), namespace)).await?;
        if let Ok(list) = serde_json::from_str::<List<K>>(&text) {
            let found = list.items.into_iter().map(Arc::new).collect();
            return Ok(Listed { found, undecodable: Vec::new() });
        }
        let list: List<Value> = serde_json::from_str(&text).map_err(kube::Error::SerdeError)?;
        let mut listed = Listed::default();
        for item in list.items {
            let name = item["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            match serde_json::from_value(item) {
                Ok(object) => listed.found.push(Arc::new(object)),
                Err(error) => listed.undecodable.push((name, error.to_string())),
            }
        }
        Ok(listed)
    }
}

/// The part of a list that is used.
#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

type OfCluster = (Listed<ClusterChangeFreeze>, Listed<CheckProvider>);

impl<K> Default for Listed<K> {
    fn default() -> Self {
        Self { found: Vec::new(), undecodable: Vec::new() }
    }
}
