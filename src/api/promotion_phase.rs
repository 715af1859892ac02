//! The phases of a promotion.

use super::Reason;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The phase of a promotion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum PromotionPhase {
    /// Nothing has been written. A gate is closed, or the preflight is running.
    #[default]
    Pending,
    /// Objects are being written and workloads are rolled out, or the observe window is running.
    Promoting,
    /// In an Observed environment: the observe window is running.
    Observing,
    /// The release was rolled out and stayed healthy. For a rollback: the content was restored and is healthy.
    Verified,
    /// The release failed in this environment or could not be promoted to it. For a rollback: what was restored is not healthy.
    Failed,
    /// The rollout completed, but there is not enough evidence to verify the release. It is not rolled back, and automatic promotion
    /// stops.
    Inconclusive,
    /// A later promotion started before this one was verified. For a rollback: a user rolled back to another revision.
    Superseded,
    /// The promotion ended before anything was written.
    Cancelled,
    /// The dry run ended: the status records what would change. Nothing was written.
    Compared,
}

impl PromotionPhase {
    /// Every phase.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Promoting,
        Self::Observing,
        Self::Verified,
        Self::Failed,
        Self::Inconclusive,
        Self::Superseded,
        Self::Cancelled,
        Self::Compared,
    ];

    /// The phase of this name. None for one of a newer controller.
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// Whether the promotion has ended.
    pub fn is_final(self) -> bool {
        match self {
            Self::Pending | Self::Promoting | Self::Observing => false,
            Self::Verified
            | Self::Failed
            | Self::Inconclusive
            | Self::Superseded
            | Self::Cancelled
            | Self::Compared => true,
        }
    }

    /// Whether the promotion ended without showing that the release is good, and was not replaced by a later one.
    pub fn has_failed(self) -> bool {
        matches!(self, Self::Failed | Self::Inconclusive)
    }

    /// Whether objects may have been written and the promotion has not ended.
    pub fn is_running(self) -> bool {
        match self {
            Self::Promoting | Self::Observing => true,
            Self::Pending
            | Self::Verified
            | Self::Failed
            | Self::Inconclusive
            | Self::Superseded
            | Self::Cancelled
            | Self::Compared => false,
        }
    }

    /// The reason that a release carries for an environment in which its promotion is in this phase.
    pub fn reason(self) -> Reason {
        match self {
            Self::Pending => Reason::Pending,
            Self::Promoting => Reason::Promoting,
            Self::Observing => Reason::Observing,
            Self::Verified => Reason::Verified,
            Self::Failed => Reason::Failed,
            Self::Inconclusive => Reason::Inconclusive,
            Self::Superseded => Reason::Superseded,
            Self::Cancelled => Reason::Cancelled,
            Self::Compared => Reason::Compared,
        }
    }

    /// The name of the phase, as it appears in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Promoting => "Promoting",
            Self::Observing => "Observing",
            Self::Verified => "Verified",
            Self::Failed => "Failed",
            Self::Inconclusive => "Inconclusive",
            Self::Superseded => "Superseded",
            Self::Cancelled => "Cancelled",
            Self::Compared => "Compared",
        }
    }
}
