//! Whether something may go ahead: the answer of one condition that must hold before anything is written.

use jiff::Timestamp;

/// Whether a release may go into an environment now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It may.
    Open,
    /// It must wait.
    Closed {
        /// Which gate.
        gate: &'static str,
        /// Why, and what opens it.
        message: String,
        /// When it opens by itself.
        until: Option<Timestamp>,
    },
    /// It never will: the environment is no stage of this release.
    Never {
        /// Why.
        message: String,
    },
}

impl Gate {
    pub(in crate::decide) fn closed(gate: &'static str, message: impl Into<String>) -> Self {
        Self::Closed { gate, message: message.into(), until: None }
    }
}
