//! One project, built from lists of its objects.

use crate::api::{
    ApplicationName, Approval, CachedRelease, ChangeFreeze, ChangeType, Channel, ChannelSpec, CheckProvider,
    CheckProviderSpec, ClusterChangeFreeze, Environment, EnvironmentId, EnvironmentName, Location, Meta,
    MissingConsent, ProjectName, Promotion, Recall, ReleaseName, Requirement, Review, RollbackPolicy,
    RollbackPolicySpec, UserInfo,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One project, or one application of it, as cached. Every decision reads it.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The namespace of the project.
    pub name: ProjectName,
    /// Its environments, by name.
    pub environments: BTreeMap<EnvironmentName, Arc<Environment>>,
    /// Its rollback policies, by name.
    pub policies: BTreeMap<String, RollbackPolicySpec>,
    /// The check providers of the installation, by name.
    pub providers: BTreeMap<String, Arc<CheckProviderSpec>>,
    /// The channels of the installation, by name. None while they cannot be listed.
    pub channels: Option<BTreeMap<String, Arc<ChannelSpec>>>,
    /// Its releases, by name.
    pub releases: BTreeMap<ReleaseName, Arc<CachedRelease>>,
    /// Its promotions, by name, without dry runs.
    pub promotions: BTreeMap<String, Arc<Promotion>>,
    /// Its dry runs, by name. They change nothing, so no decision about anything else reads them.
    pub dry_runs: BTreeMap<String, Arc<Promotion>>,
    /// Promotions of the applications that this one requires or that require this one, by application.
    pub others: Arc<BTreeMap<ApplicationName, Vec<Arc<Promotion>>>>,
    /// What releases of other applications require, by application and version, as far as it was followed.
    pub requiring: BTreeMap<(ApplicationName, String), Vec<Requirement>>,
    /// Objects of the project that cannot be decoded, other than freezes: kind and name, and the error.
    pub undecodable: BTreeMap<(String, String), String>,
    /// The target namespaces that exist, by name.
    pub namespaces: BTreeMap<Location, NamespaceFacts>,
    /// The environments of all projects that have this target.
    pub targets: BTreeMap<Location, BTreeSet<EnvironmentId>>,
    /// Its approvals, by name.
    pub approvals: BTreeMap<String, Arc<Approval>>,
    /// Its recalls, oldest first, without those that are being deleted.
    pub recalls: Vec<Arc<Recall>>,
    /// Its reviews, oldest first, without those that are being deleted.
    pub reviews: Arc<[Arc<Review>]>,
    /// The freezes that concern it.
    pub freezes: Vec<Freeze>,
    /// Whether a user has a right on an environment, as far as it was checked.
    pub rights: BTreeMap<(Verb, EnvironmentName, UserInfo), bool>,
    /// Whether the admission policies are in force.
    pub admission: Admission,
    /// Consent of the owners of target namespaces, by environment, as far as it was checked.
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
    /// Check providers of the installation.
    pub providers: Vec<Arc<CheckProvider>>,
    /// Channels of the installation.
    pub channels: Option<Vec<Arc<Channel>>>,
    /// Releases.
    pub releases: Vec<Arc<CachedRelease>>,
    /// Promotions.
    pub promotions: Vec<Arc<Promotion>>,
    /// Approvals.
    pub approvals: Vec<Arc<Approval>>,
    /// Recalls.
    pub recalls: Vec<Arc<Recall>>,
    /// Reviews.
    pub reviews: Vec<Arc<Review>>,
    /// Freezes of the project.
    pub freezes: Vec<Arc<ChangeFreeze>>,
    /// Freezes of the cluster.
    pub cluster_freezes: Vec<Arc<ClusterChangeFreeze>>,
    /// Objects that cannot be decoded: kind, name, and the error.
    pub undecodable: Vec<(&'static str, String, String)>,
}

impl Project {
    /// The project with these objects. The caller adds target namespaces, consent, rights and admission.
    pub fn from_objects(objects: Objects) -> Self {
        let releases: BTreeMap<ReleaseName, Arc<CachedRelease>> =
            objects.releases.into_iter().map(|release| (release.release_name(), release)).collect();
        let is_known = |approval: &Arc<Approval>| releases.contains_key(&approval.spec.release.name);
        let approvals = objects.approvals.into_iter().filter(is_known);
        let policy = |policy: Arc<RollbackPolicy>| {
            (policy.metadata.name.clone().unwrap_or_default(), policy.spec.clone())
        };
        let provider = |provider: Arc<CheckProvider>| {
            (provider.metadata.name.clone().unwrap_or_default(), Arc::new(provider.spec.clone()))
        };
        let channel = |channel: Arc<Channel>| (channel.name().to_owned(), Arc::new(channel.spec.clone()));
        let mut recalls: Vec<Arc<Recall>> =
            objects.recalls.into_iter().filter(|recall| !recall.deleting()).collect();
        recalls.sort_by(|a, b| (a.created(), a.name()).cmp(&(b.created(), b.name())));
        let mut reviews: Vec<Arc<Review>> =
            objects.reviews.into_iter().filter(|review| !review.deleting()).collect();
        reviews.sort_by(|a, b| (a.created(), a.name()).cmp(&(b.created(), b.name())));
        let (dry_runs, promotions): (Vec<_>, Vec<_>) =
            objects.promotions.into_iter().partition(|promotion| promotion.spec.dry_run);
        let by_name = |promotion: Arc<Promotion>| (promotion.name().to_owned(), promotion);
        Self {
            recalls,
            reviews: reviews.into(),
            freezes: freezes(&objects.name, &objects.freezes, &objects.cluster_freezes, &objects.undecodable),
            name: objects.name,
            environments: objects.environments.into_iter().map(|it| (it.environment_name(), it)).collect(),
            policies: objects.policies.into_iter().map(policy).collect(),
            providers: objects.providers.into_iter().map(provider).collect(),
            channels: objects.channels.map(|all| all.into_iter().map(channel).collect()),
            approvals: approvals.map(|approval| (approval.name().to_owned(), approval)).collect(),
            releases,
            promotions: promotions.into_iter().map(by_name).collect(),
            dry_runs: dry_runs.into_iter().map(by_name).collect(),
            undecodable: objects
                .undecodable
                .into_iter()
                .filter(|(kind, _, _)| !is_freeze(kind))
                .map(|(kind, name, error)| ((kind.to_owned(), name), error))
                .collect(),
            ..Self::default()
        }
    }

    /// A promotion or a dry run.
    pub fn promotion(&self, name: &str) -> Option<&Arc<Promotion>> {
        self.promotions.get(name).or_else(|| self.dry_runs.get(name))
    }

    /// The application of a promotion.
    pub fn application_of(&self, promotion: &Promotion) -> Option<ApplicationName> {
        self.application_name_of(promotion).map(ApplicationName::from)
    }

    /// Whether a promotion is of an application.
    pub fn is_of(&self, promotion: &Promotion, application: &ApplicationName) -> bool {
        self.application_name_of(promotion) == Some(application.as_str())
    }

    /// The application of a promotion as text, where it is only compared: a cached release stores text.
    fn application_name_of<'a>(&'a self, promotion: &'a Promotion) -> Option<&'a str> {
        promotion
            .status
            .as_ref()
            .and_then(|status| status.application.as_deref())
            .or(promotion.spec.application.as_deref())
            .or_else(|| self.releases.get(&promotion.spec.release).map(|release| release.application()))
    }

    /// One application of the project, so that a decision about it does not iterate over all the others.
    pub fn part(&self, application: &ApplicationName) -> Project {
        let releases = self.releases.iter().filter(|(_, release)| release.application() == application);
        let promotions = self.promotions.iter().filter(|(_, it)| self.is_of(it, application));
        Project {
            releases: releases.map(|(name, release)| (name.clone(), Arc::clone(release))).collect(),
            promotions: promotions.map(|(name, it)| (name.clone(), Arc::clone(it))).collect(),
            ..self.frame()
        }
    }

    /// Every application of the project that has a release or a promotion, as [`Project::part`] returns it.
    pub fn by_application(&self) -> BTreeMap<ApplicationName, Project> {
        let frame = self.frame();
        let mut parts: BTreeMap<ApplicationName, Project> = BTreeMap::new();
        for (name, release) in &self.releases {
            let part = parts.entry(release.application_name()).or_insert_with(|| frame.clone());
            part.releases.insert(name.clone(), Arc::clone(release));
        }
        for (name, promotion) in &self.promotions {
            let Some(application) = self.application_of(promotion) else { continue };
            let part = parts.entry(application).or_insert_with(|| frame.clone());
            part.promotions.insert(name.clone(), Arc::clone(promotion));
        }
        parts
    }

    /// The project without releases and promotions.
    fn frame(&self) -> Project {
        Project {
            name: self.name.clone(),
            environments: self.environments.clone(),
            policies: self.policies.clone(),
            providers: self.providers.clone(),
            channels: self.channels.clone(),
            releases: BTreeMap::new(),
            promotions: BTreeMap::new(),
            dry_runs: BTreeMap::new(),
            others: self.all_by_application(),
            requiring: self.requiring.clone(),
            undecodable: self.undecodable.clone(),
            namespaces: self.namespaces.clone(),
            targets: self.targets.clone(),
            approvals: self.approvals.clone(),
            recalls: self.recalls.clone(),
            reviews: Arc::clone(&self.reviews),
            freezes: self.freezes.clone(),
            rights: self.rights.clone(),
            admission: self.admission.clone(),
            grants: self.grants.clone(),
        }
    }

    /// Every promotion by application, if any release or promotion requires another application.
    fn all_by_application(&self) -> Arc<BTreeMap<ApplicationName, Vec<Arc<Promotion>>>> {
        let recorded = |promotion: &Promotion| {
            promotion.status.as_ref().is_some_and(|status| !status.requires.is_empty())
        };
        let is_used = self.releases.values().any(|release| release.requires_any())
            || self.promotions.values().any(|promotion| recorded(promotion));
        let mut all: BTreeMap<ApplicationName, Vec<Arc<Promotion>>> = BTreeMap::new();
        for promotion in self.promotions.values().filter(|_| is_used) {
            if let Some(application) = self.application_of(promotion) {
                all.entry(application).or_default().push(Arc::clone(promotion));
            }
        }
        Arc::new(all)
    }

    /// The identity of one of its environments among those of all projects.
    pub fn id(&self, environment: &Environment) -> EnvironmentId {
        EnvironmentId { project: self.name.clone(), environment: environment.environment_name() }
    }

    /// The target namespace of an environment, if it exists.
    pub fn namespace(&self, environment: &Environment) -> Option<&NamespaceFacts> {
        self.namespaces.get(&environment.location())
    }

    /// Consent of the owner of an environment's target namespace.
    pub fn grant(&self, environment: &Environment) -> &Grant {
        self.grants.get(environment.name()).unwrap_or(&Grant::NotAsked)
    }

    /// What the owner of an environment's target namespace has not consented to, as far as it was checked.
    pub fn missing_consent(&self, environment: &Environment) -> Option<&MissingConsent> {
        match self.grant(environment) {
            Grant::Missing(missing) => Some(missing),
            Grant::NotAsked | Grant::Granted => None,
        }
    }

    /// Whether a user has a right on an environment. None if it was not checked.
    pub fn may(&self, verb: Verb, environment: &Environment, user: &UserInfo) -> Option<bool> {
        self.rights.get(&(verb, environment.environment_name(), user.clone())).copied()
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
    // A freeze that cannot be decoded may apply to any environment, so it freezes all of them until it can be decoded.
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
    /// Promote releases to it.
    Promote,
    /// Approve releases for it.
    Approve,
    /// Override its closed gates.
    Override,
    /// Declare the type of a change, so that it counts there.
    Declare,
}

impl Verb {
    /// The verb in RBAC.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Approve => "approve",
            Self::Override => "override",
            Self::Declare => "declare",
        }
    }
}

/// Whether the admission policies are in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// The admission policies of the chart exist, unchanged.
    Enforced,
    /// The chart was installed without them. Users are not recorded, so approvals and overrides are unavailable.
    #[default]
    Disabled,
    /// Admission policies are missing or were changed; which ones.
    Degraded(String),
}

/// A period in which no promotion starts, except rollbacks and the types of change that pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// Kind and name.
    pub name: String,
    /// The first second of the freeze.
    pub from: Timestamp,
    /// The first second after the freeze.
    pub to: Timestamp,
    /// The reason that its author gave.
    pub reason: String,
    /// The environments of the project that it applies to. Empty means all.
    pub environments: Vec<EnvironmentName>,
    /// Types of change that pass.
    pub passes: Vec<ChangeType>,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Its UID. A recreated namespace has another UID.
    pub uid: String,
    /// It is being deleted.
    pub terminating: bool,
}

/// Whether the owner of the target namespace has consented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Not checked, because there is nothing to do in the namespace.
    NotAsked,
    /// The deployer identity has the required rights there.
    Granted,
    /// Rights are missing.
    Missing(MissingConsent),
}
