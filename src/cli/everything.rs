//! Reads a whole project: what the views that run the controller's own rules need.
//!
//! Invariant: one request per kind, whatever the number of objects.

use super::reader::{Listed, Reader, cached, suggestion};
use crate::api::{
    Approval, CachedRelease, ChangeFreeze, CheckProvider, ClusterChangeFreeze, Environment, Promotion,
    Recall, Release, Review, RollbackPolicy, mark,
};
use crate::decide::world::{Objects, Project};
use crate::view::waiting::{Hold, Holds};
use anyhow::Context;
use kube::Resource;
use std::sync::Arc;

/// A project, and whether the kinds of the cluster could be read.
pub struct Everything {
    /// The project, with the facts that the controller reported.
    pub project: Project,
    /// Who holds which release.
    pub holds: Holds,
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

impl Reader {
    /// The whole project. The kinds of the cluster are left out if the user may not read them.
    pub async fn everything(&self) -> anyhow::Result<Everything> {
        let (environments, promotions, releases, approvals, policies, recalls, reviews, freezes, of_cluster) =
            tokio::try_join!(
                self.selected::<Environment>(""),
                self.selected::<Promotion>(""),
                self.selected::<Release>(""),
                self.selected::<Approval>(""),
                self.selected::<RollbackPolicy>(""),
                self.selected::<Recall>(""),
                self.selected::<Review>(""),
                self.selected::<ChangeFreeze>(""),
                self.of_cluster(),
            )?;
        let is_whole = of_cluster.is_some();
        let (cluster_freezes, providers) = of_cluster.map_or_else(
            || (Listed::default(), Vec::new()),
            |(freezes, providers)| (freezes, providers.found),
        );
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
        let mut policies = policies.found;
        if !is_whole {
            // Without the providers, the checks of a policy cannot be validated.
            policies.iter_mut().for_each(|policy| policy.spec.checks.clear());
        }
        let holds = holds(&releases.found);
        let project = Project::from_objects(Objects {
            name: self.project.clone(),
            environments: shared(environments.found),
            policies: shared(policies),
            providers: shared(providers),
            // No view judges them.
            channels: Vec::new(),
            releases: releases.found.into_iter().map(cached).collect(),
            promotions: shared(promotions.found),
            approvals: shared(approvals.found),
            recalls: shared(recalls.found),
            reviews: shared(reviews.found),
            freezes: shared(freezes.found),
            cluster_freezes: shared(cluster_freezes.found),
            undecodable,
        });
        Ok(Everything { project: project.with_reported(), holds, is_whole })
    }

    /// The freezes and providers of the cluster. None if the user may not read them.
    async fn of_cluster(&self) -> anyhow::Result<Option<OfCluster>> {
        let (freezes, providers) =
            (ClusterChangeFreeze::url_path(&(), None), CheckProvider::url_path(&(), None));
        match tokio::try_join!(self.listed(&freezes), self.listed(&providers)) {
            Ok((freezes, providers)) => {
                self.lacks::<ClusterChangeFreeze>(&freezes.undecodable);
                self.lacks::<CheckProvider>(&providers.undecodable);
                Ok(Some((freezes, providers)))
            }
            Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
            Err(error) => Err(self.explained::<ClusterChangeFreeze>(error)),
        }
    }
}

/// The releases on hold with the users who set it, whom cached releases do not record.
fn holds(releases: &[Release]) -> Holds {
    let held = releases.iter().filter(|release| release.spec.hold == Some(true));
    let hold = |release: &Release| {
        let annotations = release.metadata.annotations.as_ref();
        Hold {
            by: annotations.and_then(|all| all.get(mark::HELD_BY).cloned()),
            requester: release.spec.requested_by.as_ref().map(|user| user.username.clone()),
        }
    };
    held.map(|release| (release.metadata.name.clone().unwrap_or_default(), hold(release))).collect()
}

type OfCluster = (Listed<ClusterChangeFreeze>, Listed<CheckProvider>);

fn shared<T>(found: Vec<T>) -> Vec<Arc<T>> {
    found.into_iter().map(Arc::new).collect()
}
