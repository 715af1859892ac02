//! The pure core: maps an observed world to a [`Decision`](decision::Decision). No I/O, no clock, no randomness.
//!
//! There is one `decide` function per reconciled kind. A `Decision` holds, in the order in which it is carried out: records, memory,
//! actions, report and notes.
//!
//! Invariant: memory is written before the effect that it guards, and the report drives nothing. The exception is a rollback: the
//! Promotion of kind `Rollback` is itself the intent, so its memory is written after its actions.

pub mod approval;
pub mod checks;
pub mod conditions;
pub mod consent;
pub mod decision;
pub mod delivery;
pub mod environment;
pub mod freezes;
pub mod gates;
pub mod gauges;
pub mod health;
pub mod history;
pub mod moments;
pub mod notify;
pub mod policy;
pub mod promotion;
pub mod provider;
pub mod recall;
pub mod release;
pub mod requires;
pub mod test_runs;
pub mod world;

/// The objects that `observe` must read for a promotion or a release, and what of them does not count. Questions only, no decisions.
pub mod needs {
    pub use super::consent::{message as consent_message, missing_binding};
    pub use super::environment::after_verified::{compared, is_watched};
    pub use super::environment::drift::{Running, is_compared, running, written};
    pub use super::environment::occupant::{Contender, occupant};
    pub use super::health::stands_still;
    pub use super::history::housekeeping::is_trimmed;
    pub use super::promotion::{contents, date_schedules, live_objects, plans};
    pub use super::promotion::{regression, rollback_names};
    pub use super::recall::names as recall_names;
    pub use super::release::consent;
}

#[cfg(test)]
pub(crate) mod fixture_tests;
