//! All handles of the process, as observe, act and the controller pass them on.

use super::{Caches, Clock, Memory, Metrics, Providers, Requeue, Settings};
use crate::cluster::whoami::OwnIdentity;
use crate::cluster::{Clients, EventQueue, Fence, Resources, Stores, Versions};
use crate::probe::Prober;
use std::sync::Arc;

/// The handles.
#[derive(Clone)]
pub struct Handles {
    /// Clients of the API server.
    pub clients: Clients,
    /// Watched objects.
    pub stores: Stores,
    /// Versions of the own writes.
    pub versions: Versions,
    /// Events.
    pub events: EventQueue,
    /// Metrics.
    pub metrics: Metrics,
    /// Time.
    pub clock: Clock,
    /// Leadership.
    pub fence: Fence,
    /// Settings.
    pub settings: Arc<Settings>,
    /// The identity of this process to the API server.
    pub own: Arc<OwnIdentity>,
    /// Resources of kinds.
    pub resources: Resources,
    /// Memory of each promotion.
    pub memory: Memory,
    /// Sends the requests of checks.
    pub prober: Prober,
    /// Whether the check providers answer.
    pub providers: Providers,
    /// Requeues what no watch reports.
    pub requeue: Requeue,
    /// Caches of answers of the API server.
    pub caches: Caches,
}
