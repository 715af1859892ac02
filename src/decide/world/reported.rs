//! Facts that only the controller may read: target namespaces, consent, rights of other users, the admission policies. For a reader who
//! has the objects of the project alone, its last reports stand for them.

use super::{Admission, Grant, NamespaceFacts, Project, Verb};
use crate::api::{
    ApplicationName, CachedRelease, ChangeType, Condition, Environment, EnvironmentId, Meta, READY, Reason,
    Requirement,
};
use crate::decide::consent::missing_binding;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Project {
    /// The same with the facts that the controller reported in the statuses of its environments and releases. A fact that no report
    /// contradicts counts as good.
    pub fn with_reported(mut self) -> Self {
        for environment in self.environments.values() {
            let target = environment.location();
            let ready = condition(environment, READY);
            let is = |reason: Reason| ready.is_some_and(|ready| ready.reason == reason.as_str());
            if !is(Reason::NamespaceMissing) {
                let terminating = is(Reason::NamespaceTerminating);
                let facts = NamespaceFacts { uid: namespace_uid(&self, environment), terminating };
                self.namespaces.insert(target.clone(), facts);
            }
            let occupant = match is(Reason::SharedNamespace) {
                true => self
                    .environments
                    .values()
                    .find(|other| other.name() != environment.name() && other.location() == target),
                false => Some(environment),
            };
            let occupant = occupant.map_or_else(unknown_occupant, |occupant| self.id(occupant));
            self.targets.entry(target).or_default().insert(occupant);
            let reported = environment.status.as_ref().and_then(|status| status.missing_consent.clone());
            let grant = match is(Reason::NotGranted) {
                // Controllers before the field did not report what is missing.
                true => Grant::Missing(reported.unwrap_or_else(|| missing_binding(environment))),
                false => Grant::Granted,
            };
            self.grants.insert(environment.environment_name(), grant);
        }
        self.admission = admission(&self);
        for release in self.releases.values() {
            let Some(requester) = release.requested_by() else { continue };
            for environment in self.environments.values() {
                let key = |verb| (verb, environment.environment_name(), requester.clone());
                let state = state(release, environment);
                self.rights.insert(key(Verb::Promote), state != Some(Reason::Requester));
                self.rights.insert(key(Verb::Declare), may_declare(release, environment, state));
            }
        }
        self.requiring = requiring(&self);
        self
    }
}

/// An environment of another project has the target.
fn unknown_occupant() -> EnvironmentId {
    EnvironmentId { project: "another-project".into(), environment: "unknown".into() }
}

fn condition<'a>(environment: &'a Environment, type_: &str) -> Option<&'a Condition> {
    let mut conditions = environment.status.iter().flat_map(|status| &status.conditions);
    conditions.find(|condition| condition.type_ == type_)
}

/// The UID of the namespace in which the reported revisions are. A recreated namespace has none of them.
fn namespace_uid(project: &Project, environment: &Environment) -> String {
    let applications = environment.status.iter().flat_map(|status| &status.applications);
    let mut found = applications.filter_map(|application| {
        let current = application.current.as_ref().map(|current| current.revision);
        let is_it = |name: &str, revision: Option<i64>| {
            application.active.as_deref() == Some(name) || (revision.is_some() && revision == current)
        };
        project.promotions.values().find_map(|promotion| {
            let status = promotion.status.as_ref().filter(|_| {
                promotion.spec.environment == environment.name()
                    && project.is_of(promotion, &application.name)
            })?;
            status.namespace_uid.clone().filter(|_| is_it(promotion.name(), status.revision))
        })
    });
    found.next().unwrap_or_default()
}

fn admission(project: &Project) -> Admission {
    let degraded = project
        .environments
        .values()
        .find_map(|environment| condition(environment, Reason::SecurityDegraded.as_str()));
    if let Some(degraded) = degraded {
        return Admission::Degraded(degraded.message.clone());
    }
    // The admission policies record the requester of every release.
    let is_recorded = |release: &Arc<CachedRelease>| release.requested_by().is_some();
    match project.releases.values().any(is_recorded) {
        true => Admission::Enforced,
        false => Admission::Disabled,
    }
}

/// The state of a release in an environment, as reported.
fn state(release: &CachedRelease, environment: &Environment) -> Option<Reason> {
    let status = release.status()?;
    let line = status.environments.iter().find(|line| line.name == environment.name())?;
    Some(Reason::from(line.state.as_str()))
}

/// The type that a release declares does not count if it waits at a gate that this type would pass.
fn may_declare(release: &CachedRelease, environment: &Environment, state: Option<Reason>) -> bool {
    let declared = release.change.as_ref().map(|change| change.type_).unwrap_or_default();
    let approvals = environment.spec.approvals.as_ref();
    let is_spared = approvals.is_some_and(|rules| {
        rules.not_for.contains(&declared)
            || (declared == ChangeType::Emergency && rules.emergency_within.is_some())
    });
    match state {
        Some(Reason::Freeze) => false,
        Some(Reason::Approval) => !is_spared,
        Some(_) | None => true,
    }
}

/// What every release requires, by application and version.
fn requiring(project: &Project) -> BTreeMap<(ApplicationName, String), Vec<Requirement>> {
    let mut all: BTreeMap<_, Vec<Requirement>> = BTreeMap::new();
    for release in project.releases.values().filter(|release| release.requires_any()) {
        let key = (release.application_name(), release.version().to_owned());
        all.entry(key).or_default().extend(release.requires());
    }
    all
}
