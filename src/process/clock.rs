//! The wall clock as a handle, so that time is an argument.
//!
//! Invariant: nothing else in the crate asks the system for the time of day; a reconcile reads this once.

use std::fmt;

use jiff::Timestamp;

/// Reads the time of day.
#[derive(Clone)]
pub struct Clock(fn() -> Timestamp);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(Timestamp::now)
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
