//! The result of one gate: a condition that must hold before anything is written.

use crate::api::Reason;
use jiff::Timestamp;

/// Whether a release may enter an environment now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The release may enter.
    Open,
    /// The release waits.
    Closed {
        /// Which gate.
        gate: Reason,
        /// Why the gate is closed, and what opens it.
        message: String,
        /// When it opens without a change. None if it does not.
        until: Option<Timestamp>,
    },
    /// The release never enters this environment.
    Never {
        /// Why it is excluded.
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
