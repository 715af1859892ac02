//! All handles of the process in one place, as observe, act and the controller pass them on.

use super::{Caches, Clock, Memory, Metrics, Settings};
use crate::cluster::whoami::OwnIdentity;
use crate::cluster::{Clients, Fence, Notes, Resources, Stores, Versions};
use std::sync::Arc;

/// The handles.
#[derive(Clone)]
pub struct Handles {
    /// Clients of the API server.
    pub clients: Clients,
    /// What is watched.
    pub stores: Stores,
    /// Versions of our own writes.
    pub versions: Versions,
    /// Events.
    pub notes: Notes,
    /// Metrics.
    pub metrics: Metrics,
    /// Time.
    pub clock: Clock,
    /// Leadership.
    pub fence: Fence,
    /// Settings.
    pub settings: Arc<Settings>,
    /// Who this process is to the API server.
    pub own: Arc<OwnIdentity>,
    /// Kinds.
    pub resources: Resources,
    /// What is remembered of each promotion.
    pub memory: Memory,
    /// Answers of the API server.
    pub caches: Caches,
}
