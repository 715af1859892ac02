//! Target namespaces: of workloads only those in them are kept.

use crate::api::Environment;
use crate::cluster::store::Delta;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

/// Target namespaces and the environments that name them, as `project/environment`.
#[derive(Clone, Debug, Default)]
pub struct Targets(Arc<RwLock<BTreeMap<String, BTreeSet<String>>>>);

impl Targets {
    pub(super) fn holds(&self, namespace: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains_key(namespace)
    }

    /// The environments that name this target.
    pub fn of(&self, namespace: &str) -> BTreeSet<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(namespace).cloned().unwrap_or_default()
    }

    /// Whether the target is new.
    pub(super) fn add(&self, namespace: &str, environment: String) -> bool {
        let mut targets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_new = !targets.contains_key(namespace);
        targets.entry(namespace.to_owned()).or_default().insert(environment);
        is_new
    }

    pub(super) fn remove(&self, namespace: &str, environment: &str) {
        let mut targets = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(environments) = targets.get_mut(namespace) {
            environments.remove(environment);
            if environments.is_empty() {
                targets.remove(namespace);
            }
        }
    }
}

/// Keeps the targets; true when the environment came, went, has another spec, or is shut or open again.
pub(super) fn track(targets: &Targets, relist: impl Fn(), delta: &Delta<Environment>) -> bool {
    let id = |environment: &Environment| {
        let meta = &environment.metadata;
        format!(
            "{}/{}",
            meta.namespace.as_deref().unwrap_or_default(),
            meta.name.as_deref().unwrap_or_default()
        )
    };
    match delta {
        Delta::Applied { old, new } => {
            let moved = old.as_ref().filter(|old| old.spec.namespace != new.spec.namespace);
            if let Some(old) = moved {
                targets.remove(&old.spec.namespace, &id(old));
            }
            if targets.add(&new.spec.namespace, id(new)) {
                relist();
            }
            let shut = |environment: &Environment| environment.shut().map(|why| why.reason.clone());
            old.as_ref().is_none_or(|old| {
                old.metadata.generation != new.metadata.generation || shut(old) != shut(new)
            })
        }
        Delta::Gone { old } => {
            targets.remove(&old.spec.namespace, &id(old));
            true
        }
        Delta::Undecodable { .. } | Delta::UndecodableGone { .. } => true,
        Delta::Listed => false,
    }
}
