//! One file per verb.

pub mod controller;
pub mod crds;
pub mod get;
pub mod history;
pub mod status;
pub mod waiting;
