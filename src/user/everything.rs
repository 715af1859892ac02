//! Reads a whole project: what the views that run the controller's own rules need.
//!
//! Invariant: one request per kind, whatever the number of objects.

use super::reader::{Listed, Reader, cached, shared};
use crate::api::{
    Approval, CachedRelease, ChangeFreeze, CheckProvider, ClusterChangeFreeze, Environment, Meta,
    ProjectName, Promotion, Recall, Release, Review, RollbackPolicy, mark,
};
use crate::decide::world::{Objects, Project};
use crate::view::record;
use crate::view::suggestion::suggestion;
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

/// The objects of a project, as they were read.
#[derive(Default)]
pub struct Lists {
    pub(super) environments: Vec<Arc<Environment>>,
    pub(super) promotions: Vec<Arc<Promotion>>,
    pub(super) releases: Vec<Arc<Release>>,
    pub(super) approvals: Vec<Arc<Approval>>,
    pub(super) policies: Vec<Arc<RollbackPolicy>>,
    pub(super) recalls: Vec<Arc<Recall>>,
    pub(super) reviews: Vec<Arc<Review>>,
    pub(super) freezes: Vec<Arc<ChangeFreeze>>,
    /// None if the user may not read them.
    pub(super) of_cluster: Option<OfCluster>,
    /// Kind, name and error of those that cannot be decoded.
    pub(super) undecodable: Vec<(&'static str, String, String)>,
}

/// The freezes and providers of the cluster.
pub(super) type OfCluster = (Vec<Arc<ClusterChangeFreeze>>, Vec<Arc<CheckProvider>>);

impl Lists {
    /// The project of this name that these objects are.
    pub fn everything(&self, name: &ProjectName) -> Everything {
        let is_whole = self.of_cluster.is_some();
        let (cluster_freezes, providers) = self.of_cluster.clone().unwrap_or_default();
        let mut policies = self.policies.clone();
        if !is_whole {
            // Without the providers, the checks of a policy cannot be validated.
            policies.iter_mut().for_each(|policy| Arc::make_mut(policy).spec.checks.clear());
        }
        let project = Project::from_objects(Objects {
            name: name.clone(),
            environments: self.environments.clone(),
            policies,
            providers,
            // No view judges them.
            channels: Some(Vec::new()),
            releases: self.releases.iter().map(|release| cached(Release::clone(release))).collect(),
            promotions: self.promotions.clone(),
            approvals: self.approvals.clone(),
            recalls: self.recalls.clone(),
            reviews: self.reviews.clone(),
            freezes: self.freezes.clone(),
            cluster_freezes,
            undecodable: self.undecodable.clone(),
        });
        Everything { project: project.with_reported(), holds: holds(&self.releases), is_whole }
    }

    /// What the record of the project is made of.
    pub fn record(&self) -> record::Objects {
        record::Objects {
            releases: owned(&self.releases),
            environments: owned(&self.environments),
            promotions: owned(&self.promotions),
            recalls: owned(&self.recalls),
            reviews: owned(&self.reviews),
            freezes: owned(&self.freezes),
        }
    }

    /// The freezes of the project.
    pub fn freezes(&self) -> impl Iterator<Item = &ChangeFreeze> {
        self.freezes.iter().map(AsRef::as_ref)
    }

    /// Kind, name and error of the objects that cannot be decoded.
    pub fn undecodable(&self) -> &[(&'static str, String, String)] {
        &self.undecodable
    }

    /// A release with the fields that cached releases leave out.
    pub fn release(&self, name: &str) -> Option<&Release> {
        self.releases.iter().map(AsRef::as_ref).find(|release| release.name() == name)
    }
}

fn owned<T: Clone>(shared: &[Arc<T>]) -> Vec<T> {
    shared.iter().map(|object| T::clone(object)).collect()
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
        let mut undecodable = Vec::new();
        let mut lost = |kind: &'static str, found: &[(String, String)]| {
            undecodable.extend(found.iter().map(|(name, error)| (kind, name.clone(), error.clone())));
        };
        lost("Environment", &environments.undecodable);
        lost("Release", &releases.undecodable);
        lost("Promotion", &promotions.undecodable);
        lost("Recall", &recalls.undecodable);
        lost("ChangeFreeze", &freezes.undecodable);
        if let Some((cluster_freezes, _)) = &of_cluster {
            lost("ClusterChangeFreeze", &cluster_freezes.undecodable);
        }
        let lists = Lists {
            environments: shared(environments.found),
            promotions: shared(promotions.found),
            releases: shared(releases.found),
            approvals: shared(approvals.found),
            policies: shared(policies.found),
            recalls: shared(recalls.found),
            reviews: shared(reviews.found),
            freezes: shared(freezes.found),
            of_cluster: of_cluster
                .map(|(freezes, providers)| (shared(freezes.found), shared(providers.found))),
            undecodable,
        };
        Ok(lists.everything(&self.project))
    }

    /// The freezes and providers of the cluster. None if the user may not read them.
    async fn of_cluster(
        &self,
    ) -> anyhow::Result<Option<(Listed<ClusterChangeFreeze>, Listed<CheckProvider>)>> {
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
fn holds(releases: &[Arc<Release>]) -> Holds {
    let held = releases.iter().filter(|release| release.spec.hold == Some(true));
    let hold = |release: &Arc<Release>| {
        let annotations = release.metadata.annotations.as_ref();
        Hold {
            by: annotations.and_then(|all| all.get(mark::HELD_BY).cloned()),
            requester: release.spec.requested_by.as_ref().map(|user| user.username.clone()),
        }
    };
    held.map(|release| (release.metadata.name.clone().unwrap_or_default(), hold(release))).collect()
}
