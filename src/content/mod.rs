//! Content: the objects of a release, from a capture or manifests to the objects that are written into a namespace.
//!
//! ```text
//!   capture:    select -> normalise --\
//!                                      ObjectSet -> replace_images -> pin -> Digested -> Sealed, stored as a Content
//!   manifests:  parse or inline ------/
//!
//!   promotion:  a Content -> Digested -> Plan: rendered, digested, materialised; one write for each Desired
//! ```
//!
//! Invariants: every function is pure and total: no I/O, no clock, no panic on any input, bounded memory. Names that leave this
//! module are safe in URLs. Content never holds a Secret. Content that is captured, written and captured again has the same digest.

pub mod capture;
pub mod error;
pub mod manifests;
pub mod object;
pub mod ownership;
pub mod plan;

#[cfg(test)]
mod round_trip_tests;

pub use capture::normalise::normalise;
pub use capture::select::select;
pub use error::ContentError;
pub use object::key::ObjectKey;
pub use object::sealed::{Digested, Sealed};
pub use object::set::ObjectSet;
pub use plan::Plan;
pub use plan::config::Destination;
pub use plan::copied::{IN_PLACE, copied};
pub use plan::desired::{Desired, materialise, with_tests};
pub use plan::order::Hook;
pub use plan::overrides::render;
pub use plan::test_jobs::{TestJob, TestSettings, template_fault};
