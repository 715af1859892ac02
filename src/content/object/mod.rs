//! One object, and a set of objects: keys, names, kinds, references, canonical form.

pub mod canonical;
pub mod copies;
pub mod key;
pub mod kinds;
pub mod names;
pub(in crate::content) mod paths;
pub mod references;
pub mod sealed;
pub mod set;
mod sorted;
pub mod strip;
pub mod templates;
