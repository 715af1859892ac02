//! A CheckProvider, and whether it answers.

use crate::api::CheckProvider;
use jiff::Timestamp;
use std::sync::Arc;

/// What is known of a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderHealth {
    /// The UID of the provider that was asked. One that was deleted and created again is another.
    pub uid: String,
    /// The generation of its spec.
    pub generation: i64,
    /// Why it did not answer; none if it did.
    pub error: Option<String>,
    /// When it was asked.
    pub at: Timestamp,
}

/// Input of the decision about a CheckProvider.
#[derive(Clone, Debug)]
pub struct ProviderWorld {
    /// The provider.
    pub provider: Arc<CheckProvider>,
    /// What this process knows of it.
    pub health: Option<ProviderHealth>,
}
