//! One file per verb.

pub mod approve;
pub mod calendar;
pub mod changelog;
pub mod check;
pub mod completion;
pub mod controller;
pub mod crds;
pub mod cut;
pub mod diff;
pub mod explain;
pub mod freeze;
pub mod get;
pub mod history;
pub mod hold;
pub mod lint;
pub mod log;
pub mod plan;
pub mod promote;
pub mod recall;
pub mod record;
pub mod report;
pub mod review;
pub mod rollback;
pub mod status;
pub mod version;
pub mod waiting;
