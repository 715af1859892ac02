//! What an environment reports to which Channel.

use super::schema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Channel to which the transitions of an environment are sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notify {
    /// Name of a Channel that serves the project.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub channel: String,
    /// Events that are sent: `Started`, `Verified`, `Failed`, `Inconclusive`, `Superseded`, `RollbackStarted`, `RolledBack`,
    /// `RollbackFailed`, `ApprovalNeeded`, `Held`, `Recalled` and `Frozen`. An empty list means all. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 12), extend("x-kubernetes-list-type" = "set"))]
    pub events: Vec<NotifyEvent>,
}

impl Notify {
    /// Whether an event is sent.
    pub fn names(&self, event: NotifyEvent) -> bool {
        self.events.is_empty() || self.events.contains(&event)
    }
}

/// A transition that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum NotifyEvent {
    /// A promotion started: it writes next.
    Started,
    /// A release was verified.
    Verified,
    /// A promotion failed.
    Failed,
    /// A promotion ended without enough evidence.
    Inconclusive,
    /// A later promotion or rollback started before this one ended.
    Superseded,
    /// A rollback started: it writes next.
    RollbackStarted,
    /// A rollback restored the earlier content.
    RolledBack,
    /// A rollback did not restore healthy content.
    RollbackFailed,
    /// A promotion waits for approvals.
    ApprovalNeeded,
    /// A user put a release on hold.
    Held,
    /// A user recalled content.
    Recalled,
    /// A freeze came into force.
    Frozen,
}

impl NotifyEvent {
    /// Every event.
    pub const ALL: [Self; 12] = [
        Self::Started,
        Self::Verified,
        Self::Failed,
        Self::Inconclusive,
        Self::Superseded,
        Self::RollbackStarted,
        Self::RolledBack,
        Self::RollbackFailed,
        Self::ApprovalNeeded,
        Self::Held,
        Self::Recalled,
        Self::Frozen,
    ];

    /// Its name, as specs and messages show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "Started",
            Self::Verified => "Verified",
            Self::Failed => "Failed",
            Self::Inconclusive => "Inconclusive",
            Self::Superseded => "Superseded",
            Self::RollbackStarted => "RollbackStarted",
            Self::RolledBack => "RolledBack",
            Self::RollbackFailed => "RollbackFailed",
            Self::ApprovalNeeded => "ApprovalNeeded",
            Self::Held => "Held",
            Self::Recalled => "Recalled",
            Self::Frozen => "Frozen",
        }
    }

    /// Whether it reports a rollback. These are sent first.
    pub fn is_of_rollback(self) -> bool {
        matches!(self, Self::RollbackStarted | Self::RolledBack | Self::RollbackFailed)
    }
}
