//! This process: its handles, settings and probes server.

pub mod handles;
pub mod probes;
pub mod settings;

pub use handles::{Handles, Tried};
pub use settings::Settings;
