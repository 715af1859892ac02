//! This process: its handles, settings, clock, metrics and probes server.

pub mod clock;
pub mod error;
pub mod handles;
pub mod metrics;
pub mod probes;
pub mod settings;

pub use clock::Clock;
pub use error::ProcessError;
pub use handles::{Handles, Tried};
pub use metrics::Metrics;
pub use settings::Settings;
