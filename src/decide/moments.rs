//! Arithmetic of times that saturates instead of failing.

use jiff::{SignedDuration, Timestamp};

/// Converts the duration of an API field.
pub fn span(duration: crate::api::Duration) -> SignedDuration {
    SignedDuration::try_from(std::time::Duration::from(duration)).unwrap_or(SignedDuration::MAX)
}

/// Adds a duration; saturates at the latest time.
pub fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The earlier of two optional times.
pub fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (some, None) | (None, some) => some,
    }
}

/// A delay, doubled so many times, up to the longest. One that is longer itself stays as it is.
pub fn doubled(delay: SignedDuration, times: u32, longest: SignedDuration) -> SignedDuration {
    let most = longest.max(delay);
    delay.checked_mul(1_i32 << times.min(16)).unwrap_or(most).min(most)
}
