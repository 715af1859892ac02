//! Content: the objects of a release, from what a capture or a manifest gave to what is written into a namespace.
//!
//! Capture: `select` -> `normalise` -> `ObjectSet::new` -> `images::pin` -> `to_spec`. Manifests: `manifests::parse` or
//! `inline` -> `ObjectSet::new` -> `images::replace_images`. Promotion: `from_spec` -> `overrides::render` ->
//! `ingress::unchanged_hosts` -> `config::materialise`, then one write per [`Desired`](config::Desired).
//!
//! Invariants: pure and total, no I/O, no clock, no panic on any input, bounded memory; names that leave this module are
//! safe in URLs; nothing here ever holds a Secret; what was captured, written and captured again has the same digest.

mod budgeted;
mod canonical;
pub mod config;
pub mod copies;
pub mod error;
pub mod fields;
pub mod images;
pub mod ingress;
pub mod key;
pub mod kinds;
pub mod manifests;
mod mentions;
pub mod names;
pub mod normalise;
pub mod order;
pub mod overrides;
pub mod ownership;
mod places;
pub mod references;
pub mod select;
pub mod set;
pub mod skip;
pub mod strip;
pub mod templates;

#[cfg(test)]
mod round_trip_tests;

pub use config::{Desired, Destination, materialise};
pub use error::ContentError;
pub use key::ObjectKey;
pub use mentions::{IN_PLACE, copied};
pub use normalise::normalise;
pub use order::Hook;
pub use overrides::render;
pub use select::select;
pub use set::{ObjectSet, content_name};
