//! Whether something may go ahead: the answer of one condition that must hold before anything is written.

use crate::api::Reason;
use jiff::Timestamp;

/// Whether a release may go into an environment now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It may.
    Open,
    /// It must wait.
    Closed {
        /// Which gate.
        gate: Reason,
        /// Why, and what opens it.
        message: String,
        /// When it opens by itself.
        until: Option<Timestamp>,
    },
    /// It never will: the environment is no stage of this release.
    Never {
        /// What excludes it.
        why: Exclusion,
        /// A sentence.
        message: String,
    },
}

/// Why a release never enters an environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exclusion {
    /// The environment is not on the path of this release.
    NotAStage,
    /// A newer release was promoted here.
    Superseded,
    /// This release was promoted here before.
    PromotedBefore,
}

impl Gate {
    pub(in crate::decide) fn closed(gate: Reason, message: impl Into<String>) -> Self {
        Self::Closed { gate, message: message.into(), until: None }
    }
}
