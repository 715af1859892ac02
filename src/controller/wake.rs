//! Queues the objects that a change concerns.

use super::queue::{Key, Kind, Queue};
use crate::api::{AfterVerifiedAction, CachedRelease, Location, Promotion, Recall, ReleasePhase};
use crate::cluster::{Change, Stores};
use crate::process::Due;

use kube::ResourceExt;
use std::sync::Arc;

/// Queues the objects that a change concerns.
#[derive(Clone)]
pub struct Wake {
    stores: Stores,
    queue: Queue,
}

impl Wake {
    /// Over these stores.
    pub fn new(stores: Stores, queue: Queue) -> Self {
        Self { stores, queue }
    }

    /// Handles one change.
    pub fn on(&self, change: Change) {
        match change {
            Change::Release(project, name) => self.on_release(&project, &name),
            Change::Environment(project, name, is_news) => {
                self.environment(&project, &name);
                if is_news {
                    self.freezes();
                    self.everything_of(&project);
                    self.recalls(self.stores.recalls.list(&project));
                }
            }
            Change::Policy(project, name) => self.on_policy(&project, &name),
            Change::Provider(name) => self.on_provider(&name),
            Change::Promotion { project, name, release, environment, application, .. } => {
                // Also when it is gone or undecodable: the latter is reported in its status.
                self.promotion(&project, &name, environment.as_deref());
                self.after(&project, environment.as_deref());
                self.promoted(&project, release.as_ref(), application);
            }
            Change::Recall { project, name, application, digests, is_news } => {
                self.recall(&project, &name);
                if is_news {
                    self.recalled(&project, application, &digests);
                }
            }
            Change::Approval { project, name, release, environment } => {
                self.approval(&project, &name);
                // Another decision of the same person may count instead.
                self.approvals_of(&project, release.as_ref());
                self.after(&project, environment.as_deref());
                let release = release.and_then(|release| self.stores.releases.get(&project, &release));
                self.promotions_of(&project, release.map(|release| release.application().to_owned()));
            }
            Change::Freeze(project) => {
                self.freezes();
                match project {
                    Some(project) => self.everything_of(&project),
                    None => self.every_project(),
                }
            }
            Change::Admission => self.every_project(),
            Change::Namespace(namespace) => self.target(&namespace, true),
            Change::Workload(namespace) => self.target(&namespace, false),
            Change::Fields(namespace) => {
                for id in self.stores.targets().of(&Location::home(namespace.into())) {
                    self.environment(id.project.as_str(), id.environment.as_str());
                }
            }
        }
    }

    fn on_release(&self, project: &str, name: &str) {
        self.release(project, name);
        self.environments(project);
        let release = self.stores.releases.get(project, name);
        match &release {
            Some(release) => self.related(project, release.application()),
            // The application of a deleted release is not known any more.
            None => {
                for application in self.stores.requirements().applications(project) {
                    self.related(project, &application);
                }
            }
        }
        self.promotions_of(project, release.map(|release| release.application().to_owned()));
    }

    fn on_policy(&self, project: &str, name: &str) {
        self.policy(project, name);
        self.environments(project);
        self.promotions(project, None);
    }

    fn on_provider(&self, name: &str) {
        self.provider(name);
        for policy in self.stores.policies.all() {
            if policy.spec.checks.iter().any(|check| check.provider() == Some(name)) {
                self.on_policy(&policy.namespace().unwrap_or_default(), &policy.name_any());
            }
        }
    }

    /// What a promotion concerns beside its environments: its release, and other objects of the application.
    fn promoted(&self, project: &str, release: Option<&String>, application: Option<String>) {
        release.iter().for_each(|release| self.release(project, release));
        match application.as_deref().filter(|application| !application.is_empty()) {
            Some(application) => {
                self.releases(self.stores.releases.list_by(project, application));
                self.approvals_of(project, release);
                self.related(project, application);
                self.recalls(self.stores.recalls.list_by(project, application));
            }
            None => {
                self.releases(self.stores.releases.list(project));
                self.approvals_of(project, release);
                self.recalls(self.stores.recalls.list(project));
            }
        }
        self.promotions_of(project, application);
    }

    /// The approvals of a release.
    fn approvals_of(&self, project: &str, release: Option<&String>) {
        for approval in self.stores.approvals.list(project) {
            if Some(&approval.spec.release.name) == release {
                self.approval(project, &approval.name_any());
            }
        }
    }

    /// Queues everything, after this replica became the leader.
    pub fn all(&self) {
        self.freezes();
        for approval in self.stores.approvals.all() {
            self.approval(&approval.namespace().unwrap_or_default(), &approval.name_any());
        }
        for provider in self.stores.providers.all() {
            self.provider(&provider.name_any());
        }
        for policy in self.stores.policies.all() {
            self.policy(&policy.namespace().unwrap_or_default(), &policy.name_any());
        }
        self.recalls(self.stores.recalls.all());
        for environment in self.stores.environments.all() {
            self.environment(&environment.namespace().unwrap_or_default(), &environment.name_any());
        }
        for promotion in self.stores.promotions.all() {
            if !promotion.phase().is_final() {
                let project = promotion.namespace().unwrap_or_default();
                self.promotion(&project, &promotion.name_any(), Some(&promotion.spec.environment));
            }
        }
        for release in self.stores.releases.all() {
            self.release(release.namespace(), release.name());
        }
        self.undecodable();
    }

    /// Undecodable objects, whose status reports it.
    fn undecodable(&self) {
        for lost in self.stores.environments.undecodable_everywhere() {
            self.environment(&lost.namespace, &lost.name);
        }
        for lost in self.stores.recalls.undecodable_everywhere() {
            self.recall(&lost.namespace, &lost.name);
        }
        for lost in self.stores.promotions.undecodable_everywhere() {
            self.promotion(&lost.namespace, &lost.name, None);
        }
        for lost in self.stores.releases.undecodable_everywhere() {
            self.release(&lost.namespace, &lost.name);
        }
    }

    /// Every project, after a rule that applies to all of them changed.
    fn every_project(&self) {
        for project in self.stores.environments.namespaces() {
            self.everything_of(&project);
        }
    }

    fn everything_of(&self, project: &str) {
        self.environments(project);
        self.releases(self.stores.releases.list(project));
        self.promotions(project, None);
    }

    fn target(&self, namespace: &str, is_namespace: bool) {
        for id in self.stores.targets().of(&Location::home(namespace.into())) {
            let (project, environment) = (id.project.as_str(), id.environment.as_str());
            self.promotions(project, Some(environment));
            if !is_namespace && self.watches_verified(project, environment) {
                self.environment(project, environment);
            }
            if is_namespace {
                self.environment(project, environment);
                self.recalls(self.stores.recalls.list(project));
            }
            // A capture waits until workloads have settled.
            for release in self.stores.releases.list(project) {
                if release.content().is_none() {
                    self.release(project, release.name());
                }
            }
        }
    }

    /// Whether the rollback policy of an environment asks for its workloads after the verification of a release.
    fn watches_verified(&self, project: &str, environment: &str) -> bool {
        let environment = self.stores.environments.get(project, environment);
        let policy = environment.and_then(|environment| {
            self.stores.policies.get(project, environment.spec.rollback_policy_ref.as_deref()?)
        });
        policy.is_some_and(|policy| policy.spec.after_verified.action != AfterVerifiedAction::Ignore)
    }

    fn environments(&self, project: &str) {
        for environment in self.stores.environments.list(project) {
            self.environment(project, &environment.name_any());
        }
    }

    /// An environment, and those that are after it.
    fn after(&self, project: &str, environment: Option<&str>) {
        for other in self.stores.environments.list(project) {
            let waits = |name: &str| other.name_any() == name || other.spec.after.iter().any(|it| it == name);
            if environment.is_none_or(waits) {
                self.environment(project, &other.name_any());
            }
        }
    }

    /// Releases whose status may change because of other objects.
    fn releases(&self, releases: Vec<Arc<CachedRelease>>) {
        for release in releases {
            let settled = match release.phase() {
                ReleasePhase::Verified | ReleasePhase::Superseded => true,
                ReleasePhase::Pending
                | ReleasePhase::Promoting
                | ReleasePhase::Waiting
                | ReleasePhase::RollingBack
                | ReleasePhase::Failed
                | ReleasePhase::Inconclusive
                | ReleasePhase::RolledBack
                | ReleasePhase::Invalid => false,
            };
            if !settled {
                self.release(release.namespace(), release.name());
            }
        }
    }

    /// Open promotions of an application, and those whose application is unknown.
    fn promotions_of(&self, project: &str, application: Option<String>) {
        let Some(application) = application.filter(|application| !application.is_empty()) else {
            return self.promotions(project, None);
        };
        for key in [application.as_str(), ""] {
            self.open(project, self.stores.promotions.list_by(project, key));
        }
    }

    fn promotions(&self, project: &str, environment: Option<&str>) {
        let mut promotions = self.stores.promotions.list(project);
        promotions.retain(|promotion| environment.is_none_or(|name| name == promotion.spec.environment));
        self.open(project, promotions);
    }

    fn open(&self, project: &str, promotions: Vec<Arc<Promotion>>) {
        for promotion in promotions.iter().filter(|promotion| !promotion.phase().is_final()) {
            self.promotion(project, &promotion.name_any(), Some(&promotion.spec.environment));
        }
    }

    fn release(&self, project: &str, name: &str) {
        self.push(Kind::Release, project, name, None);
    }

    fn approval(&self, project: &str, name: &str) {
        self.push(Kind::Approval, project, name, None);
    }

    fn policy(&self, project: &str, name: &str) {
        self.push(Kind::Policy, project, name, None);
    }

    /// Releases and open promotions of the applications that require this one, or that it requires.
    fn related(&self, project: &str, application: &str) {
        let requirements = self.stores.requirements();
        let related = &requirements.dependants_of(project, application)
            | &requirements.required_by(project, application);
        for other in related {
            self.releases(self.stores.releases.list_by(project, &other));
            self.open(project, self.stores.promotions.list_by(project, &other));
        }
    }

    fn recall(&self, project: &str, name: &str) {
        self.push(Kind::Recall, project, name, None);
    }

    fn provider(&self, name: &str) {
        self.push(Kind::Provider, "", name, None);
    }

    /// Queues an object because something ended that no watch reports.
    pub fn due(&self, due: &Due) {
        match due {
            Due::Promotion { project, environment, name } => self.promotion(project, name, Some(environment)),
            Due::Provider(name) => self.provider(name),
        }
    }

    fn recalls(&self, recalls: Vec<Arc<Recall>>) {
        for recall in recalls {
            self.recall(&recall.namespace().unwrap_or_default(), &recall.name_any());
        }
    }

    /// What a new or lifted recall concerns: its application, with the settled releases that it names.
    fn recalled(&self, project: &str, application: Option<String>, digests: &[String]) {
        self.environments(project);
        match application.as_deref() {
            None => {
                self.releases(self.stores.releases.list(project));
                self.recalls(self.stores.recalls.list(project));
            }
            Some(application) => {
                let releases = self.stores.releases.list_by(project, application);
                let is_named = |release: &&Arc<CachedRelease>| {
                    release.digest().is_some_and(|digest| digests.iter().any(|named| named == digest))
                };
                for release in releases.iter().filter(is_named) {
                    self.release(project, release.name());
                }
                self.releases(releases);
                // Another recall may have lost or regained the revision that it restores.
                self.recalls(self.stores.recalls.list_by(project, application));
            }
        }
        self.promotions_of(project, application);
    }

    fn freezes(&self) {
        self.push(Kind::Freezes, "", "", None);
    }

    fn environment(&self, project: &str, name: &str) {
        self.push(Kind::Environment, project, name, Some(format!("{project}/{name}")));
    }

    fn promotion(&self, project: &str, name: &str, environment: Option<&str>) {
        let group = environment.map(|environment| format!("{project}/{environment}"));
        self.push(Kind::Promotion, project, name, group);
    }

    fn push(&self, kind: Kind, namespace: &str, name: &str, group: Option<String>) {
        self.queue.push(Key { kind, namespace: namespace.into(), name: name.into(), group });
    }
}
