//! From live objects to content: which objects are captured, and which images are pinned.
//!
//! Invariant: a capture of what a promotion wrote gives the content that was promoted.

pub mod images;
pub mod normalise;
pub mod select;
pub mod skip;
