//! One object, and a set of objects: keys, names, kinds, references, canonical form.

pub(in crate::content) mod canonical;
pub mod copies;
pub mod key;
pub mod kinds;
pub mod names;
pub(in crate::content) mod places;
pub mod references;
pub mod set;
pub mod templates;
