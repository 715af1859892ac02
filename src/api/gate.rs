//! The gates that a promotion can override.

use super::Reason;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Gates that a promotion passes although they are closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Override {
    /// Names of the gates.
    #[schemars(length(min = 1, max = 12), extend("x-kubernetes-list-type" = "set"))]
    pub gates: Vec<GateName>,
    /// Reason for the override. A Promotion that started with an override is kept permanently, regardless of `historyLimit`.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
}

/// A gate that an override can pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum GateName {
    /// The release is verified in every environment of `spec.after`.
    Order,
    /// The release has been verified there for at least `spec.soak`.
    Soak,
    /// The applications in `spec.requires` of the release are verified in the environment, in that version or a newer one.
    Requires,
    /// `spec.hold` of the release is not set.
    Hold,
    /// No Recall names the content of the release. An override counts for the recalls that exist when the Promotion is created.
    Recall,
    /// The last release that failed in the environment was reviewed, if `spec.review` is Required.
    Review,
    /// The time in `spec.change.notBefore` of the release has passed.
    NotBefore,
    /// The windows of the environment allow a start.
    Window,
    /// No freeze is in force.
    Freeze,
    /// No object has drifted, in an environment with `spec.drift: Block`.
    Drift,
    /// The approvals that the environment requires are complete.
    Approval,
    /// The checks and tests that have to pass before the first write passed, and all checks can be measured. With this gate overridden,
    /// no check counts for the promotion, and no test with `when: Before` is run.
    Evidence,
}

impl GateName {
    /// Every gate that can be overridden.
    pub const ALL: [Self; 12] = [
        Self::Order,
        Self::Soak,
        Self::Requires,
        Self::Hold,
        Self::Recall,
        Self::Review,
        Self::NotBefore,
        Self::Window,
        Self::Freeze,
        Self::Drift,
        Self::Approval,
        Self::Evidence,
    ];

    /// The reason in a status while the gate is closed.
    pub fn reason(self) -> Reason {
        match self {
            Self::Order => Reason::Order,
            Self::Soak => Reason::Soak,
            Self::Requires => Reason::Requires,
            Self::Hold => Reason::Hold,
            Self::Recall => Reason::Recall,
            Self::Review => Reason::Review,
            Self::NotBefore => Reason::NotBefore,
            Self::Window => Reason::Window,
            Self::Freeze => Reason::Freeze,
            Self::Drift => Reason::Drift,
            Self::Approval => Reason::Approval,
            Self::Evidence => Reason::Evidence,
        }
    }

    /// The name of the gate in specs and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Order => "Order",
            Self::Soak => "Soak",
            Self::Requires => "Requires",
            Self::Hold => "Hold",
            Self::Recall => "Recall",
            Self::Review => "Review",
            Self::NotBefore => "NotBefore",
            Self::Window => "Window",
            Self::Freeze => "Freeze",
            Self::Drift => "Drift",
            Self::Approval => "Approval",
            Self::Evidence => "Evidence",
        }
    }
}

/// `Freeze, Window: the reason`.
impl fmt::Display for Override {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gates: Vec<&str> = self.gates.iter().map(|gate| gate.as_str()).collect();
        write!(out, "{}: {}", gates.join(", "), self.reason)
    }
}
