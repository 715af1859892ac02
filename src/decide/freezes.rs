//! Publishes which target namespaces are frozen now, for the admission policy that rejects changes there.
//!
//! Admission expressions have no clock, so the controller publishes the freezes in force: namespace, environment, end and reason.

use super::decision::{Action, Decision, NoStatus};
use super::gates::calendar::{freeze_in_force, next_freeze};
use super::moments::earliest;
use super::world::{Freeze, FreezesWorld};
use crate::api::{Environment, EnvironmentId, Meta, NamespaceName};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Decides what is published.
pub fn decide(world: &FreezesWorld, now: Timestamp) -> Decision<NoStatus> {
    let published = world.published.iter().flatten();
    let mut frozen: BTreeMap<NamespaceName, String> = published
        .filter(|(namespace, _)| world.foreign.contains(*namespace))
        .map(|(namespace, line)| (namespace.clone(), line.clone()))
        .collect();
    let mut wake_at = None;
    for project in &world.projects {
        // An environment that does not own its target namespace freezes nothing there.
        let owns = |environment: &&Arc<Environment>| {
            let owners = project.targets.get(&environment.location());
            owners.is_some_and(|owners| owners.contains(&project.id(environment)))
        };
        let environments = project.environments.values().filter(|environment| !environment.deleting());
        for environment in environments.filter(owns) {
            wake_at = earliest(wake_at, next_freeze(project, environment, now));
            if let Some(freeze) = freeze_in_force(project, environment, None, now) {
                frozen.insert(environment.spec.namespace.clone(), line(&project.id(environment), freeze));
            }
        }
    }
    let is_changed =
        world.published.as_ref() != Some(&frozen) && !(world.published.is_none() && frozen.is_empty());
    Decision {
        actions: if is_changed {
            vec![Action::PublishFreezes { frozen, version: world.version.clone() }]
        } else {
            Vec::new()
        },
        wake_at,
        ..Decision::default()
    }
}

/// `shop/prod until 2026-12-27T00:00:00Z: year-end (ChangeFreeze year-end)`: the policy reads the text before the first space.
fn line(environment: &EnvironmentId, freeze: &Freeze) -> String {
    format!("{environment} until {}: {} ({})", freeze.to, freeze.reason, freeze.name)
}
