//! One project, as plain lists of its objects give it.

use crate::api::{
    ApplicationName, Approval, CachedRelease, ChangeFreeze, ChangeType, ClusterChangeFreeze, Environment,
    EnvironmentId, EnvironmentName, Location, Meta, ProjectName, Promotion, ReleaseName, RollbackPolicy,
    RollbackPolicySpec, UserInfo,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One project, or one application of it, as the caches hold it. All three decisions read it.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The namespace of the project.
    pub name: ProjectName,
    /// Its environments, by name.
    pub environments: BTreeMap<EnvironmentName, Arc<Environment>>,
    /// Its rollback policies, by name.
    pub policies: BTreeMap<String, RollbackPolicySpec>,
    /// Its releases, by name.
    pub releases: BTreeMap<ReleaseName, Arc<CachedRelease>>,
    /// Its promotions, by name.
    pub promotions: BTreeMap<String, Arc<Promotion>>,
    /// Environments and releases of the project that could not be decoded: kind and name, and the error.
    pub undecodable: BTreeMap<(String, String), String>,
    /// The target namespaces that exist, by name.
    pub namespaces: BTreeMap<Location, NamespaceFacts>,
    /// The environments that a target may belong to: target -> `project/environment`.
    pub targets: BTreeMap<Location, BTreeSet<EnvironmentId>>,
    /// Its approvals, by name.
    pub approvals: BTreeMap<String, Arc<Approval>>,
    /// The freezes that concern it.
    pub freezes: Vec<Freeze>,
    /// What the API server answered about people's rights, as far as it was asked.
    pub rights: BTreeMap<(Verb, EnvironmentName, UserInfo), bool>,
    /// Whether the API server holds requests to the rules.
    pub admission: Admission,
    /// Consent of the owners of target namespaces, by environment, as far as it was asked for.
    pub grants: BTreeMap<EnvironmentName, Grant>,
}

/// The objects of one project, as they were listed.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// The namespace of the project.
    pub name: ProjectName,
    /// Environments.
    pub environments: Vec<Arc<Environment>>,
    /// Rollback policies.
    pub policies: Vec<Arc<RollbackPolicy>>,
    /// Releases.
    pub releases: Vec<Arc<CachedRelease>>,
    /// Promotions.
    pub promotions: Vec<Arc<Promotion>>,
    /// Approvals.
    pub approvals: Vec<Arc<Approval>>,
    /// Freezes of the project.
    pub freezes: Vec<Arc<ChangeFreeze>>,
    /// Freezes of the cluster.
    pub cluster_freezes: Vec<Arc<ClusterChangeFreeze>>,
    /// Objects that cannot be decoded: kind, name, and the error.
    pub undecodable: Vec<(&'static str, String, String)>,
}

impl Project {
    /// The project that these objects make. What is not one of our objects (target namespaces, consent, rights, admission) is added
    /// by the caller.
    pub fn from_objects(objects: Objects) -> Self {
        let releases: BTreeMap<ReleaseName, Arc<CachedRelease>> =
            objects.releases.into_iter().map(|release| (release.name().into(), release)).collect();
        let is_known = |approval: &Arc<Approval>| releases.contains_key(approval.spec.release.name.as_str());
        let approvals = objects.approvals.into_iter().filter(is_known);
        let policy = |policy: Arc<RollbackPolicy>| {
            (policy.metadata.name.clone().unwrap_or_default(), policy.spec.clone())
        };
        Self {
            freezes: freezes(&objects.name, &objects.freezes, &objects.cluster_freezes, &objects.undecodable),
            name: objects.name,
            environments: objects.environments.into_iter().map(|it| (it.name().into(), it)).collect(),
            policies: objects.policies.into_iter().map(policy).collect(),
            approvals: approvals.map(|approval| (approval.name().to_owned(), approval)).collect(),
            releases,
            promotions: objects.promotions.into_iter().map(|it| (it.name().to_owned(), it)).collect(),
            undecodable: objects
                .undecodable
                .into_iter()
                .filter(|(kind, _, _)| !is_freeze(kind))
                .map(|(kind, name, error)| ((kind.to_owned(), name), error))
                .collect(),
            ..Self::default()
        }
    }

    /// The application of a promotion.
    pub fn application_of<'a>(&'a self, promotion: &'a Promotion) -> Option<&'a str> {
        promotion
            .status
            .as_ref()
            .and_then(|status| status.application.as_deref())
            .or(promotion.spec.application.as_deref())
            .or_else(|| self.releases.get(&promotion.spec.release).map(|release| release.application()))
    }

    /// Each application of a project by itself: a look at one does not pass all the others.
    pub fn by_application(&self) -> BTreeMap<ApplicationName, Project> {
        let frame = Project {
            name: self.name.clone(),
            environments: self.environments.clone(),
            policies: self.policies.clone(),
            releases: BTreeMap::new(),
            promotions: BTreeMap::new(),
            undecodable: self.undecodable.clone(),
            namespaces: self.namespaces.clone(),
            targets: self.targets.clone(),
            approvals: self.approvals.clone(),
            freezes: self.freezes.clone(),
            rights: self.rights.clone(),
            admission: self.admission.clone(),
            grants: self.grants.clone(),
        };
        let mut parts: BTreeMap<ApplicationName, Project> = BTreeMap::new();
        for (name, release) in &self.releases {
            let part = parts.entry(release.application().into()).or_insert_with(|| frame.clone());
            part.releases.insert(name.clone(), Arc::clone(release));
        }
        for (name, promotion) in &self.promotions {
            let Some(application) = self.application_of(promotion) else { continue };
            let part = parts.entry(application.into()).or_insert_with(|| frame.clone());
            part.promotions.insert(name.clone(), Arc::clone(promotion));
        }
        parts
    }

    /// One of its environments, among those of all projects.
    pub fn id(&self, environment: &Environment) -> EnvironmentId {
        EnvironmentId { project: self.name.clone(), environment: environment.name().into() }
    }

    /// The target namespace of an environment, if it exists.
    pub fn namespace(&self, environment: &Environment) -> Option<&NamespaceFacts> {
        self.namespaces.get(&environment.location())
    }

    /// Consent of the owner of an environment's target namespace.
    pub fn grant(&self, environment: &str) -> &Grant {
        self.grants.get(environment).unwrap_or(&Grant::NotAsked)
    }

    /// Whether somebody has a right on an environment; none when nobody asked.
    pub fn may(&self, verb: Verb, environment: &str, user: &UserInfo) -> Option<bool> {
        self.rights.get(&(verb, environment.into(), user.clone())).copied()
    }
}

fn is_freeze(kind: &str) -> bool {
    matches!(kind, "ChangeFreeze" | "ClusterChangeFreeze")
}

/// The freezes of a project and those of the cluster that concern it.
fn freezes(
    project: &ProjectName,
    own: &[Arc<ChangeFreeze>],
    cluster: &[Arc<ClusterChangeFreeze>],
    undecodable: &[(&'static str, String, String)],
) -> Vec<Freeze> {
    let name = |kind: &str, metadata: &ObjectMeta| {
        format!("{kind} {}", metadata.name.as_deref().unwrap_or_default())
    };
    let own = own.iter().map(|freeze| Freeze {
        name: name("ChangeFreeze", &freeze.metadata),
        from: freeze.spec.from.0,
        to: freeze.spec.to.0,
        reason: freeze.spec.reason.clone(),
        environments: freeze.spec.environments.clone(),
        passes: freeze.spec.passes.clone(),
    });
    let concerns = |freeze: &&Arc<ClusterChangeFreeze>| {
        freeze.spec.projects.is_empty() || freeze.spec.projects.contains(project)
    };
    let cluster = cluster.iter().filter(concerns).map(|freeze| Freeze {
        name: name("ClusterChangeFreeze", &freeze.metadata),
        from: freeze.spec.from.0,
        to: freeze.spec.to.0,
        reason: freeze.spec.reason.clone(),
        environments: Vec::new(),
        passes: freeze.spec.passes.clone(),
    });
    // A freeze that cannot be decoded may be meant for any environment, so it freezes all of them until it can.
    let undecodable = undecodable.iter().filter(|(kind, _, _)| is_freeze(kind));
    let unknown = undecodable.map(|(kind, name, error)| Freeze {
        name: format!("{kind} {name}"),
        from: Timestamp::MIN,
        to: Timestamp::MAX,
        reason: format!("it cannot be decoded: {error}"),
        environments: Vec::new(),
        passes: Vec::new(),
    });
    own.chain(cluster).chain(unknown).collect()
}

/// A right on environments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Put releases there.
    Promote,
    /// Approve releases for it.
    Approve,
    /// Pass its gates although they are closed.
    Override,
}

impl Verb {
    /// As RBAC names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Approve => "approve",
            Self::Override => "override",
        }
    }
}

/// Whether the API server holds requests to the rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// The policies of the chart are there, as they were shipped.
    Enforced,
    /// The installation does without: nobody is recorded, so approvals and overrides are not to be had.
    #[default]
    Disabled,
    /// Policies are missing or changed; which.
    Degraded(String),
}

/// A period in which no change starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Kind and name.
    pub name: String,
    /// When it begins.
    pub from: Timestamp,
    /// When it ends.
    pub to: Timestamp,
    /// Why.
    pub reason: String,
    /// The environments of the project that it names; all when empty.
    pub environments: Vec<EnvironmentName>,
    /// Types of changes that pass.
    pub passes: Vec<ChangeType>,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Its UID: a namespace created again is another one.
    pub uid: String,
    /// It is being deleted.
    pub terminating: bool,
}

/// Whether the owner of the target namespace consented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Not asked, as nothing is to be done there.
    NotAsked,
    /// The derived identity may act there.
    Granted,
    /// It may not; what is missing.
    Missing(String),
}
