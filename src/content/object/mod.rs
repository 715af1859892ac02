//! One object, and a set of objects: keys, names, kinds, references, copies, canonical form, digest.
//!
//! Invariant: an [`ObjectSet`](set::ObjectSet) holds only valid keys of admissible kinds, each object once.

pub mod canonical;
pub mod comparison;
pub mod copies;
pub mod defaults;
pub mod dependencies;
pub mod key;
pub mod kinds;
pub mod makers;
pub mod metadata;
pub mod names;
pub(in crate::content) mod paths;
pub mod references;
pub mod sealed;
pub mod set;
mod sorted;
pub mod strip;
pub mod templates;
