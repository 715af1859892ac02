//! The writes of a promotion that come next, as data.

use crate::api::Reason;
use crate::content::ObjectKey;
use crate::decide::decision::Action;
use jiff::Timestamp;

/// The next writes, and whether they are the last.
#[derive(Default)]
pub(super) struct Batch {
    /// The writes; empty while waiting.
    pub actions: Vec<Action>,
    /// Objects that must be healthy before the next write.
    pub gate: Option<Vec<ObjectKey>>,
    /// Hooks that must be complete before the next write.
    pub hooks: Vec<ObjectKey>,
    /// What is waited for beside that, as a sentence.
    pub waits: Option<String>,
    /// What people have to know about it.
    pub obstacle: Option<(Reason, String)>,
    /// When to check again although nothing changed.
    pub recheck_at: Option<Timestamp>,
    /// Everything is written.
    pub complete: bool,
}

impl Batch {
    /// Writes after which others follow.
    pub(super) fn of(actions: Vec<Action>) -> Self {
        Self { actions, ..Self::default() }
    }

    pub(super) fn complete() -> Self {
        Self { complete: true, ..Self::default() }
    }
}
