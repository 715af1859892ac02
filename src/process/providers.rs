//! Whether the CheckProviders answer, as far as this process asked them.

use crate::api::{CheckProvider, Meta};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

pub use crate::decide::world::ProviderHealth;

/// The health of all providers, by name. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Providers(Arc<Mutex<BTreeMap<String, ProviderHealth>>>);

impl Providers {
    /// What is known of a provider.
    pub fn of(&self, name: &str) -> Option<ProviderHealth> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Records that a provider answered, or why it did not. True if that is news.
    pub fn note(&self, provider: &CheckProvider, error: Option<String>, at: Timestamp) -> bool {
        let (uid, generation) = (provider.uid().to_owned(), provider.generation());
        let health = ProviderHealth { uid, generation, error, at };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.insert(provider.name().to_owned(), health.clone());
        known.is_none_or(|known| ProviderHealth { at, ..known } != health)
    }
}
