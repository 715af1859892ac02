//! Which channels a transition is sent to.

use super::notice::{Notice, Scope};
use crate::api::{Channel, Environment, EnvironmentName, Meta, NotifyEvent, ProjectName};
use std::collections::{BTreeMap, BTreeSet};

/// The events that each environment sends to each channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience(
    BTreeMap<String, BTreeMap<ProjectName, BTreeMap<EnvironmentName, BTreeSet<NotifyEvent>>>>,
);

impl Audience {
    /// Of these channels and environments. A channel that does not serve a project gets nothing of it.
    pub fn new<'a>(
        channels: impl Iterator<Item = &'a Channel>,
        environments: impl Iterator<Item = &'a Environment>,
    ) -> Self {
        let channels: BTreeMap<&str, &Channel> = channels.map(|channel| (channel.name(), channel)).collect();
        let mut audience = Self::default();
        for environment in environments.filter(|environment| !environment.deleting()) {
            let project = environment.project();
            for notify in &environment.spec.notify {
                let channel = channels.get(notify.channel.as_str());
                if channel.is_none_or(|channel| channel.deleting() || !channel.spec.serves(&project)) {
                    continue;
                }
                let events = NotifyEvent::ALL.into_iter().filter(|event| notify.names(*event)).collect();
                let projects = audience.0.entry(notify.channel.clone()).or_default();
                projects.entry(project.clone()).or_default().insert(environment.environment_name(), events);
            }
        }
        audience
    }

    /// Whether a channel gets the same as from another audience.
    pub fn is_same(&self, other: &Self, channel: &str) -> bool {
        self.0.get(channel) == other.0.get(channel)
    }

    /// Whether a channel gets a notice.
    pub fn wants(&self, channel: &str, notice: &Notice) -> bool {
        let Some(projects) = self.0.get(channel) else { return false };
        let sends = |events: &BTreeSet<NotifyEvent>| events.contains(&notice.event);
        match &notice.scope {
            Scope::Environment(project, environment) => {
                projects.get(project).and_then(|all| all.get(environment)).is_some_and(sends)
            }
            Scope::Project(project, named) => projects.get(project).is_some_and(|all| {
                let is_named = |name: &EnvironmentName| named.is_empty() || named.contains(name);
                all.iter().any(|(name, events)| is_named(name) && sends(events))
            }),
            Scope::Cluster(named) => {
                let is_named = |name: &ProjectName| named.is_empty() || named.contains(name);
                projects.iter().any(|(name, all)| is_named(name) && all.values().any(sends))
            }
        }
    }
}
