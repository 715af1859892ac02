//! One file per verb.

pub mod controller;
pub mod crds;
