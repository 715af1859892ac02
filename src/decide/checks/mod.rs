//! Checks: what a release has to show in addition to the health of its pods.
//!
//! ```text
//!   Check --ask--> Question --act--> Answer --assess--> one measurement --tally--> verdict
//! ```
//!
//! Invariant: nothing passes without a measurement that was taken after the rollout, and nothing fails but by a measured value. What could
//! not be measured ends neither as passed nor as failed.

mod alerts;
mod ask;
mod assess;
mod parameters;
mod path;
mod staying;
mod tally;
pub mod validate;

#[cfg(test)]
mod tally_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod validate_tests;

pub use ask::{Asker, ask};
pub(super) use path::printable;
pub use staying::of_staying_pods;
pub use tally::{End, Round, Span, first_after};
