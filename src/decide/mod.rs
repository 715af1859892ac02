//! The pure core: from what was observed to what is to be done. No I/O, no clock, no randomness.
//!
//! One decision per reconciled kind. `Decision` holds, in the order in which it is carried out: records, memory, actions, report.
//! The invariant: memory is written before the effect that it guards, and the report drives nothing. A rollback is guarded by its own
//! creation, so its memory follows what it does.

pub mod approval;
pub mod conditions;
pub mod decision;
pub mod environment;
pub mod freezes;
pub mod gates;
pub mod health;
pub mod history;
pub mod moments;
pub mod promotion;
pub mod release;
pub mod world;

/// What observe has to look up for a promotion; questions, no decisions.
pub mod needs {
    pub use super::promotion::{contents, live_objects, plans, rollback_names};
    pub use super::release::consent;
}

#[cfg(test)]
mod fixture_tests;
