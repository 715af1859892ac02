//! Queues the objects that a change concerns.

mod everything;

use super::queue::{Key, Kind, Queue};
use crate::api::{
    AfterVerifiedAction, ApplicationName, CachedRelease, EnvironmentId, EnvironmentName, Location, Meta,
    ProjectName, Promotion, Recall, ReleaseName, ReleasePhase,
};
use crate::cluster::{Change, Stores};
use crate::process::Due;

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
            Change::Environment(id, is_news) => {
                self.environment(&id.project, &id.environment);
                if is_news {
                    self.freezes();
                    self.everything_of(&id.project);
                    self.recalls(self.stores.recalls.list(&id.project));
                }
            }
            Change::Policy(project, name) => self.on_policy(&project, &name),
            Change::Provider(name) => self.on_provider(&name),
            Change::Channel(name, is_news) => {
                if is_news {
                    self.on_channels(|channel| channel == name);
                }
            }
            Change::Channels => self.on_channels(|_| true),
            Change::Promotion { project, name, release, environment, application, .. } => {
                // Also when it is gone or undecodable: the latter is reported in its status.
                self.promotion(&project, &name, environment.as_ref());
                self.after(&project, environment.as_ref());
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
                self.after(&project, environment.as_ref());
                let release = release.and_then(|release| self.stores.releases.get(&project, &release));
                self.promotions_of(&project, release.map(|release| release.application_name()));
            }
            Change::Review(project, release) => {
                let found = release.as_ref().and_then(|release| self.stores.releases.get(&project, release));
                self.environments(&project);
                self.promoted(&project, release.as_ref(), found.map(|found| found.application_name()));
            }
            Change::Freeze(project) => {
                self.freezes();
                match project {
                    Some(project) => self.everything_of(&project),
                    None => self.every_project(),
                }
            }
            Change::Admission => self.every_project(),
            Change::Namespace(target) => self.target(&target, true),
            Change::Workload(target) => self.target(&target, false),
            Change::Fields(target) => {
                for id in self.stores.targets().of(&target) {
                    self.environment(&id.project, &id.environment);
                }
            }
        }
    }

    fn on_release(&self, project: &ProjectName, name: &ReleaseName) {
        self.release(project, name);
        self.environments(project);
        let release = self.stores.releases.get(project, name);
        match &release {
            Some(release) => self.related(project, &release.application_name()),
            // The application of a deleted release is not known any more.
            None => {
                for application in self.stores.requirements().applications(project) {
                    self.related(project, &application);
                }
            }
        }
        // Another release of the application may be planned for the same window.
        let mut planned = match &release {
            Some(release) if has_plan(release) => {
                self.stores.releases.list_by(project, release.application())
            }
            Some(_) => Vec::new(),
            None => self.stores.releases.list(project),
        };
        planned.retain(|release| has_plan(release));
        self.releases(planned);
        self.promotions_of(project, release.map(|release| release.application_name()));
    }

    fn on_policy(&self, project: &ProjectName, name: &str) {
        self.policy(project, name);
        self.environments(project);
        self.promotions(project, None);
    }

    fn on_provider(&self, name: &str) {
        self.provider(name);
        for policy in self.stores.policies.all() {
            if policy.spec.checks.iter().any(|check| check.provider() == Some(name)) {
                self.on_policy(&policy.project(), policy.name());
            }
        }
    }

    /// The environments that name a channel report whether they can use it.
    /// The environments that notify one of the channels.
    fn on_channels(&self, is_one: impl Fn(&str) -> bool) {
        for environment in self.stores.environments.all() {
            if environment.spec.notify.iter().any(|notify| is_one(&notify.channel)) {
                self.environment(&environment.project(), &environment.environment_name());
            }
        }
    }

    /// What a promotion concerns beside its environments: its release, and other objects of the application.
    fn promoted(
        &self,
        project: &ProjectName,
        release: Option<&ReleaseName>,
        application: Option<ApplicationName>,
    ) {
        release.iter().for_each(|release| self.release(project, release));
        match application.as_ref().filter(|application| !application.is_empty()) {
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
    fn approvals_of(&self, project: &ProjectName, release: Option<&ReleaseName>) {
        for approval in self.stores.approvals.list(project) {
            if Some(&approval.spec.release.name) == release {
                self.approval(project, approval.name());
            }
        }
    }

    /// Every project, after a rule that applies to all of them changed.
    fn every_project(&self) {
        for project in self.stores.projects() {
            self.everything_of(&project);
        }
    }

    fn everything_of(&self, project: &ProjectName) {
        self.environments(project);
        self.releases(self.stores.releases.list(project));
        self.promotions(project, None);
    }

    fn target(&self, target: &Location, is_namespace: bool) {
        for id in self.stores.targets().of(target) {
            let (project, environment) = (&id.project, &id.environment);
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
                    self.release(project, &release.release_name());
                }
            }
        }
    }

    /// Whether the rollback policy of an environment asks for its workloads after the verification of a release.
    fn watches_verified(&self, project: &ProjectName, environment: &EnvironmentName) -> bool {
        let environment = self.stores.environments.get(project, environment);
        let policy = environment.and_then(|environment| {
            self.stores.policies.get(project, environment.spec.rollback_policy_ref.as_deref()?)
        });
        policy.is_some_and(|policy| policy.spec.after_verified.action != AfterVerifiedAction::Ignore)
    }

    fn environments(&self, project: &ProjectName) {
        for environment in self.stores.environments.list(project) {
            self.environment(project, &environment.environment_name());
        }
    }

    /// An environment, and those that are after it.
    fn after(&self, project: &ProjectName, environment: Option<&EnvironmentName>) {
        for other in self.stores.environments.list(project) {
            let waits = |name: &EnvironmentName| other.name() == name || other.spec.after.contains(name);
            if environment.is_none_or(waits) {
                self.environment(project, &other.environment_name());
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
                self.release(&release.project(), &release.release_name());
            }
        }
    }

    /// Open promotions of an application, and those whose application is unknown.
    fn promotions_of(&self, project: &ProjectName, application: Option<ApplicationName>) {
        let Some(application) = application.filter(|application| !application.is_empty()) else {
            return self.promotions(project, None);
        };
        for key in [application.as_str(), ""] {
            self.open(project, self.stores.promotions.list_by(project, key));
        }
    }

    fn promotions(&self, project: &ProjectName, environment: Option<&EnvironmentName>) {
        let mut promotions = self.stores.promotions.list(project);
        promotions.retain(|promotion| environment.is_none_or(|name| *name == promotion.spec.environment));
        self.open(project, promotions);
    }

    fn open(&self, project: &ProjectName, promotions: Vec<Arc<Promotion>>) {
        for promotion in promotions.iter().filter(|promotion| !promotion.phase().is_final()) {
            self.promotion(project, promotion.name(), Some(&promotion.spec.environment));
        }
    }

    fn release(&self, project: &ProjectName, name: &ReleaseName) {
        self.push(Kind::Release, project, name, None);
    }

    fn approval(&self, project: &ProjectName, name: &str) {
        self.push(Kind::Approval, project, name, None);
    }

    fn policy(&self, project: &ProjectName, name: &str) {
        self.push(Kind::Policy, project, name, None);
    }

    /// Releases and open promotions of the applications that require this one, or that it requires.
    fn related(&self, project: &ProjectName, application: &ApplicationName) {
        let requirements = self.stores.requirements();
        let related = &requirements.dependants_of(project, application)
            | &requirements.required_by(project, application);
        for other in related {
            self.releases(self.stores.releases.list_by(project, &other));
            self.open(project, self.stores.promotions.list_by(project, &other));
        }
    }

    fn recall(&self, project: &ProjectName, name: &str) {
        self.push(Kind::Recall, project, name, None);
    }

    fn provider(&self, name: &str) {
        self.push(Kind::Provider, &ProjectName::default(), name, None);
    }

    /// Queues an object because something ended that no watch reports.
    pub fn due(&self, due: &Due) {
        match due {
            Due::Promotion { environment: of, name } => {
                self.promotion(&of.project, name, Some(&of.environment));
            }
            Due::Provider(name) => self.provider(name),
        }
    }

    fn recalls(&self, recalls: Vec<Arc<Recall>>) {
        for recall in recalls {
            self.recall(&recall.project(), recall.name());
        }
    }

    /// What a new or lifted recall concerns: its application, with the settled releases that it names.
    fn recalled(&self, project: &ProjectName, application: Option<ApplicationName>, digests: &[String]) {
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
                    self.release(project, &release.release_name());
                }
                self.releases(releases);
                // Another recall may have lost or regained the revision that it restores.
                self.recalls(self.stores.recalls.list_by(project, application));
            }
        }
        self.promotions_of(project, application);
    }

    fn freezes(&self) {
        self.push(Kind::Freezes, &ProjectName::default(), "", None);
    }

    fn environment(&self, project: &ProjectName, name: &EnvironmentName) {
        self.push(Kind::Environment, project, name, Some(name));
    }

    fn promotion(&self, project: &ProjectName, name: &str, environment: Option<&EnvironmentName>) {
        self.push(Kind::Promotion, project, name, environment);
    }

    fn push(&self, kind: Kind, project: &ProjectName, name: &str, environment: Option<&EnvironmentName>) {
        let group = environment
            .map(|environment| EnvironmentId { project: project.clone(), environment: environment.clone() });
        self.queue.push(Key { kind, namespace: project.clone(), name: name.into(), group });
    }
}

/// Whether a release plans its starts.
fn has_plan(release: &CachedRelease) -> bool {
    release.change.as_ref().is_some_and(|change| !change.planned_for.is_empty())
}
