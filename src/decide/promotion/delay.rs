//! When a write that failed is tried again.

use crate::decide::moments::{doubled, later};
use crate::decide::world::FailedWrite;
use jiff::{SignedDuration, Timestamp};

/// The delay after the first failure; it doubles.
const FIRST: SignedDuration = SignedDuration::from_secs(1);
/// The longest delay between retries.
pub(super) const LONGEST: SignedDuration = SignedDuration::from_secs(30);
/// The first delay after a conflict, which the next read resolves; it doubles.
const CONFLICT: SignedDuration = SignedDuration::from_millis(20);

/// When a write that failed is tried again.
pub(super) fn retry_at(failed: &FailedWrite) -> Timestamp {
    let delay = match (failed.conflict, failed.count) {
        (true, 0 | 1) => SignedDuration::ZERO,
        (true, count) => doubled(CONFLICT, count, LONGEST),
        (false, count) => doubled(FIRST, count.saturating_sub(1), LONGEST),
    };
    later(failed.at, delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conflict_is_tried_again_at_once_and_a_failure_at_least_twice_a_minute() {
        let at = Timestamp::UNIX_EPOCH;
        let delay = |conflict: bool, count: u32| {
            let failed = FailedWrite { message: String::new(), conflict, count, at };
            retry_at(&failed).duration_since(at).as_millis()
        };
        assert_eq!(
            [1, 2, 3, 5, 6, 99].map(|count| delay(false, count)),
            [1_000, 2_000, 4_000, 16_000, 30_000, 30_000]
        );
        assert_eq!([1, 2, 3, 99].map(|count| delay(true, count)), [0, 80, 160, 30_000]);
    }
}
