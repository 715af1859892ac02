//! Content: the objects of a release, from what a capture or a manifest gave to what is written into a namespace.
//!
//! Capture: `select` -> `normalise` -> `ObjectSet::new` -> `capture::images::pin` -> `to_spec`. Manifests: `manifests::parse` or
//! `inline` -> `ObjectSet::new` -> `capture::images::replace_images`. Promotion: `from_spec` -> `plan::overrides::render` ->
//! `plan::ingress::unchanged_hosts` -> `plan::config::materialise`, then one write per [`Desired`].
//!
//! Invariants: pure and total, no I/O, no clock, no panic on any input, bounded memory; names that leave this module are
//! safe in URLs; nothing here ever holds a Secret; what was captured, written and captured again has the same digest.

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
pub use plan::config::{Desired, Destination, materialise};
pub use plan::copied::{IN_PLACE, copied};
pub use plan::order::Hook;
pub use plan::overrides::render;
