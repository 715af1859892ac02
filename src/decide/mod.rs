//! The pure core: from what was observed to what is to be done. No I/O, no clock, no randomness.
//!
//! One decision per reconciled kind. `Decision` holds, in the order in which it is carried out: records, memory, actions, report.
//! The invariant: memory is written before the effect that it guards, and the report drives nothing. A rollback is guarded by its own
//! creation, so its memory follows what it does.

pub mod action;
pub mod alarms;
pub mod approval;
pub mod calendar;
pub mod conditions;
pub mod consent;
pub mod environment;
pub mod freezes;
pub mod gate;
pub mod gates;
pub mod housekeeping;
pub mod lane;
pub mod moments;
pub mod overrides;
pub mod promotion;
pub mod release;
pub mod schedule;
pub mod stages;
pub mod validate;
pub mod verdict;
pub mod world;

/// What observe has to look up for a promotion; questions, no decisions.
pub mod needs {
    pub use super::promotion::{contents, live_objects, rollback_names};
}
