//! The table of judgement: situations as data, each with the judgement that is right, and what plays them on a control plane.
//!
//! Most situations are ones that people have reported about release tools. [`situation`] is the form of the data, [`objects`] its
//! short forms of manifests, [`acts`] what happens in a situation, [`play`] the run of one, and [`outcome`] what is compared at its
//! end. The stories play each situation once; the benchmark plays each many times with seeded times.

pub mod acts;
pub mod moments;
pub mod objects;
pub mod outcome;
pub mod play;
pub mod real;
pub mod situation;
pub mod snapshot;
pub mod timeline;
pub mod timing;

pub use outcome::{Judged, Played};
pub use play::play;
pub use situation::{Class, Situation, catalogue};
pub use timing::Timing;
