//! One file per verb.

pub mod calendar;
pub mod check;
pub mod completion;
pub mod controller;
pub mod crds;
pub mod explain;
pub mod get;
pub mod history;
pub mod lint;
pub mod plan;
pub mod status;
pub mod version;
pub mod waiting;
