//! The wiring: leadership, watches, and the reconcile of each kind, which is observe, decide, act.

mod notify;
mod pass;
mod queue;
mod reconcile;
mod run;
mod scrape;
mod wake;

pub use queue::{Key, Kind, Queue};
pub use run::{ControllerError, run};
