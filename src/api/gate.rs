//! The gates that a promotion can override.

use super::Reason;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gates that are passed although they are closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Override {
    /// The gates, by name.
    #[schemars(length(min = 1, max = 10), extend("x-kubernetes-list-type" = "set"))]
    pub gates: Vec<GateName>,
    /// Why; kept in the record for ever.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
}

/// A gate that can be overridden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GateName {
    /// Verified in every environment of `spec.after`.
    Order,
    /// Verified there for long enough.
    Soak,
    /// The hold of the release.
    Hold,
    /// `spec.change.notBefore` of the release.
    NotBefore,
    /// The windows of the environment.
    Window,
    /// Freezes.
    Freeze,
    /// The approvals of the environment.
    Approval,
}

impl GateName {
    /// Every gate that can be overridden.
    pub const ALL: [Self; 7] =
        [Self::Order, Self::Soak, Self::Hold, Self::NotBefore, Self::Window, Self::Freeze, Self::Approval];
    /// Gates that open with time alone.
    pub const OPEN_BY_THEMSELVES: [Self; 4] = [Self::Soak, Self::NotBefore, Self::Window, Self::Freeze];

    /// The reason that a status carries while the gate is closed.
    pub fn reason(self) -> Reason {
        match self {
            Self::Order => Reason::Order,
            Self::Soak => Reason::Soak,
            Self::Hold => Reason::Hold,
            Self::NotBefore => Reason::NotBefore,
            Self::Window => Reason::Window,
            Self::Freeze => Reason::Freeze,
            Self::Approval => Reason::Approval,
        }
    }

    /// The word that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Order => "Order",
            Self::Soak => "Soak",
            Self::Hold => "Hold",
            Self::NotBefore => "NotBefore",
            Self::Window => "Window",
            Self::Freeze => "Freeze",
            Self::Approval => "Approval",
        }
    }
}
