//! One project, as plain lists of its objects give it.

use crate::api::{Approval, ChangeType, Environment, KeptRelease, Promotion, RollbackPolicySpec, UserInfo};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One project, or one application of it, as the caches hold it. All three decisions read it.
#[derive(Clone, Debug, Default)]
pub struct Project {
    /// The namespace of the project.
    pub name: String,
    /// Its environments, by name.
    pub environments: BTreeMap<String, Arc<Environment>>,
    /// Its rollback policies, by name.
    pub policies: BTreeMap<String, RollbackPolicySpec>,
    /// Its releases, by name.
    pub releases: BTreeMap<String, Arc<KeptRelease>>,
    /// Its promotions, by name.
    pub promotions: BTreeMap<String, Arc<Promotion>>,
    /// Environments and releases of the project that could not be decoded: kind and name, and the error.
    pub undecodable: BTreeMap<(String, String), String>,
    /// The target namespaces that exist, by name.
    pub namespaces: BTreeMap<String, NamespaceFacts>,
    /// The environments that a target may belong to: target -> `project/environment`.
    pub targets: BTreeMap<String, BTreeSet<String>>,
    /// Its approvals, by name.
    pub approvals: BTreeMap<String, Arc<Approval>>,
    /// The freezes that concern it.
    pub freezes: Vec<Freeze>,
    /// What the API server answered about people's rights, as far as it was asked.
    pub rights: BTreeMap<(Verb, String, UserInfo), bool>,
    /// Whether the API server holds requests to the rules.
    pub admission: Admission,
    /// Consent of the owners of target namespaces, by environment, as far as it was asked for.
    pub grants: BTreeMap<String, Grant>,
}

impl Project {
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
    pub fn by_application(&self) -> BTreeMap<String, Project> {
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
        let mut parts: BTreeMap<String, Project> = BTreeMap::new();
        for (name, release) in &self.releases {
            let part = parts.entry(release.application().to_owned()).or_insert_with(|| frame.clone());
            part.releases.insert(name.clone(), Arc::clone(release));
        }
        for (name, promotion) in &self.promotions {
            let Some(application) = self.application_of(promotion) else { continue };
            let part = parts.entry(application.to_owned()).or_insert_with(|| frame.clone());
            part.promotions.insert(name.clone(), Arc::clone(promotion));
        }
        parts
    }

    /// Consent of the owner of an environment's target namespace.
    pub fn grant(&self, environment: &str) -> &Grant {
        self.grants.get(environment).unwrap_or(&Grant::NotAsked)
    }

    /// Whether somebody has a right on an environment; none when nobody asked.
    pub fn may(&self, verb: Verb, environment: &str, user: &UserInfo) -> Option<bool> {
        self.rights.get(&(verb, environment.to_owned(), user.clone())).copied()
    }
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
    pub environments: Vec<String>,
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
