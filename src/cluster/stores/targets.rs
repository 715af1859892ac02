//! Target namespaces: only workloads in them are stored.

use crate::api::{Environment, EnvironmentId, Location, READY, Reason};
use crate::cluster::store::Delta;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

/// Target namespaces and the environments that name them.
#[derive(Clone, Debug, Default)]
pub struct Targets(Arc<RwLock<BTreeMap<Location, BTreeSet<EnvironmentId>>>>);

impl Targets {
    /// Whether an environment names this namespace of the home cluster.
    pub(super) fn contains(&self, namespace: &str) -> bool {
        let target = Location::home(namespace.into());
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(&target)
    }

    /// The environments that name this target.
    pub fn of(&self, target: &Location) -> BTreeSet<EnvironmentId> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(target).cloned().unwrap_or_default()
    }

    /// Whether the target is new.
    pub(super) fn add(&self, target: Location, environment: EnvironmentId) -> bool {
        let mut targets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = !targets.contains_key(&target);
        targets.entry(target).or_default().insert(environment);
        is_new
    }

    pub(super) fn remove(&self, target: &Location, environment: &EnvironmentId) {
        let mut targets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(environments) = targets.get_mut(target) {
            environments.remove(environment);
            if environments.is_empty() {
                targets.remove(target);
            }
        }
    }
}

/// Updates the targets. Returns whether others have to react: the environment is new, gone, has another spec, or is blocked for
/// another reason.
pub(super) fn track(targets: &Targets, relist: impl Fn(), delta: &Delta<Environment>) -> bool {
    match delta {
        Delta::Applied { old, new } => {
            let moved = old.as_ref().filter(|old| old.spec.namespace != new.spec.namespace);
            if let Some(old) = moved {
                targets.remove(&old.location(), &old.id());
            }
            if targets.add(new.location(), new.id()) {
                relist();
            }
            old.as_ref().is_none_or(|old| {
                old.metadata.generation != new.metadata.generation || blocked_by(old) != blocked_by(new)
            })
        }
        Delta::Gone { old } => {
            targets.remove(&old.location(), &old.id());
            true
        }
        Delta::Undecodable { .. } | Delta::UndecodableGone { .. } => true,
        Delta::Listed => false,
    }
}

/// What its status says is missing or in the way, such as consent: releases that wait for it are reconciled when that changes.
fn blocked_by(environment: &Environment) -> Option<Reason> {
    let conditions = environment.status.iter().flat_map(|status| &status.conditions);
    let mut unready = conditions.filter(|condition| condition.type_ == READY && condition.status == "False");
    unready.next().map(|condition| Reason::from(condition.reason.as_str())).filter(Reason::is_blocking)
}
