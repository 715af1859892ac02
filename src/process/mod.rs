//! This process: its handles, memory, caches, settings, clock, metrics and probes server.

pub mod caches;
pub mod clock;
pub mod error;
pub mod handles;
pub mod memory;
pub mod metrics;
pub mod probes;
pub mod settings;

pub use crate::decide::world::Trial;
pub use caches::{Caches, CaptureWait, Consent, RightKey, Unread};
pub use clock::Clock;
pub use error::ProcessError;
pub use handles::Handles;
pub use memory::{Memory, Remembered};
pub use metrics::Metrics;
pub use settings::Settings;
