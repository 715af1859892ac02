//! From live objects to what their owner meant: which are captured, what is stripped, which images are pinned.

pub mod images;
pub mod normalise;
pub mod select;
pub mod skip;
