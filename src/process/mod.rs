//! This process: its handles, memory, caches, settings, clock, metrics and probes server.

pub mod caches;
pub mod clock;
pub mod deliveries;
pub mod error;
pub mod gauges;
pub mod handles;
pub mod memory;
pub mod metrics;
pub mod probes;
pub mod providers;
pub mod requeue;
mod resident;
pub mod settings;

pub use crate::decide::world::Trial;

/// What measurements answer, for the memory of the process.
pub mod measured {
    pub use crate::decide::world::{Alerts, Answer, Answered, Labels, Phase, Queried, Replied, Unmeasured};
}

pub use caches::{Caches, CaptureWait, Compared, Consent, RightKey, Standstill, Unread};
pub use clock::Clock;
pub use deliveries::Delivery;
pub use error::ProcessError;
pub use gauges::Gauges;
pub use handles::Handles;
pub use memory::{Memory, Remembered};
pub use metrics::{Metrics, Observation};
pub use providers::Providers;
pub use requeue::{Due, Requeue};
pub use settings::Settings;
