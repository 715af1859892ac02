//! This process: its handles, memory, caches, settings, clock, metrics and probes server.

pub mod caches;
pub mod clock;
pub mod error;
pub mod handles;
pub mod memory;
pub mod metrics;
pub mod probes;
pub mod providers;
pub mod requeue;
pub mod settings;

pub use crate::decide::world::Trial;

/// What measurements answer, for the memory of the process.
pub mod measured {
    pub use crate::decide::world::{Alerts, Answer, Answered, Labels, Phase, Queried, Replied, Unmeasured};
}

pub use caches::{Caches, CaptureWait, Compared, Consent, RightKey, Standstill, Unread};
pub use clock::Clock;
pub use error::ProcessError;
pub use handles::Handles;
pub use memory::{Memory, Remembered};
pub use metrics::Metrics;
pub use providers::Providers;
pub use requeue::{Due, Requeue};
pub use settings::Settings;
