//! One store per watched kind.
//!
//! Invariant: only workloads in target namespaces are stored, so the cost depends on what Towpath manages. A namespace is in
//! the set of targets before its workloads are listed.

mod change;
mod requirements;
mod scope;
mod targets;
pub mod watches;

use super::slim;
use super::store::Store;
use super::watch::Whole;
use crate::api::{
    Approval, CachedRelease, ChangeFreeze, Channel, CheckProvider, ClusterChangeFreeze, Environment,
    ProjectName, Promotion, Recall, Review, RollbackPolicy,
};
pub use change::{Change, application_of};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
pub use requirements::Requirements;
pub use scope::Scope;
pub use targets::Targets;

/// The stores.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Releases, also by their application.
    pub releases: Store<CachedRelease>,
    /// Environments.
    pub environments: Store<Environment>,
    /// Rollback policies.
    pub policies: Store<RollbackPolicy>,
    /// Check providers of the cluster.
    pub providers: Store<CheckProvider>,
    /// Channels of the cluster.
    pub channels: Store<Channel>,
    /// Promotions, also by their application; under the empty string while it is unknown.
    pub promotions: Store<Promotion>,
    /// Approvals.
    pub approvals: Store<Approval>,
    /// Recalls, also by their application.
    pub recalls: Store<Recall>,
    /// Reviews.
    pub reviews: Store<Review>,
    /// Freezes of projects.
    pub freezes: Store<ChangeFreeze>,
    /// Freezes of the cluster.
    pub cluster_freezes: Store<ClusterChangeFreeze>,
    /// Admission policies of the chart; empty if they are not installed.
    pub admission_policies: Store<Whole<ValidatingAdmissionPolicy>>,
    /// Their bindings.
    pub admission_bindings: Store<Whole<ValidatingAdmissionPolicyBinding>>,
    /// Namespaces.
    pub namespaces: Store<slim::Namespace>,
    /// Deployments in target namespaces.
    pub deployments: Store<slim::Deployment>,
    /// StatefulSets in target namespaces.
    pub stateful_sets: Store<slim::StatefulSet>,
    /// DaemonSets in target namespaces.
    pub daemon_sets: Store<slim::DaemonSet>,
    /// ReplicaSets in target namespaces.
    pub replica_sets: Store<slim::ReplicaSet>,
    /// Pods in target namespaces.
    pub pods: Store<slim::Pod>,
    /// Jobs in target namespaces.
    pub jobs: Store<slim::Job>,
    targets: Targets,
    requirements: Requirements,
}

impl Default for Stores {
    fn default() -> Self {
        Self {
            releases: Store::indexed(|release| Some(release.application())),
            environments: Store::default(),
            policies: Store::default(),
            providers: Store::default(),
            channels: Store::default(),
            promotions: Store::indexed(|promotion| Some(application_of(promotion))),
            approvals: Store::default(),
            recalls: Store::indexed(|recall| Some(recall.spec.application.as_str())),
            reviews: Store::default(),
            freezes: Store::default(),
            cluster_freezes: Store::default(),
            admission_policies: Store::default(),
            admission_bindings: Store::default(),
            namespaces: Store::default(),
            deployments: Store::default(),
            stateful_sets: Store::default(),
            daemon_sets: Store::default(),
            replica_sets: Store::default(),
            pods: Store::default(),
            jobs: Store::default(),
            targets: Targets::default(),
            requirements: Requirements::default(),
        }
    }
}

impl Stores {
    /// The target namespaces.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The projects that have environments.
    pub fn projects(&self) -> Vec<ProjectName> {
        self.environments.namespaces().into_iter().map(ProjectName::from).collect()
    }

    /// Which applications require which.
    pub fn requirements(&self) -> &Requirements {
        &self.requirements
    }

    /// Whether every first list is complete that promotions need. Channels only receive notifications.
    pub fn are_ready(&self) -> bool {
        self.own_are_ready()
            && self.deployments.is_ready()
            && self.stateful_sets.is_ready()
            && self.daemon_sets.is_ready()
            && self.replica_sets.is_ready()
            && self.pods.is_ready()
            && self.jobs.is_ready()
    }

    fn own_are_ready(&self) -> bool {
        self.releases.is_ready()
            && self.environments.is_ready()
            && self.policies.is_ready()
            && self.providers.is_ready()
            && self.promotions.is_ready()
            && self.approvals.is_ready()
            && self.recalls.is_ready()
            && self.reviews.is_ready()
            && self.freezes.is_ready()
            && self.cluster_freezes.is_ready()
            && self.namespaces.is_ready()
    }
}
