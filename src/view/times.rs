//! Times as people read them.

use jiff::{SignedDuration, Timestamp};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A length of time in one unit, as kubectl shows ages: `45s`, `12m`, `5h`, `3d`.
pub fn length(duration: SignedDuration) -> String {
    match duration.as_secs().max(0) {
        seconds if seconds < 2 * MINUTE => format!("{seconds}s"),
        seconds if seconds < 2 * HOUR => format!("{}m", seconds / MINUTE),
        seconds if seconds < 2 * DAY => format!("{}h", seconds / HOUR),
        seconds => format!("{}d", seconds / DAY),
    }
}

/// How long ago something was. A time in the future, from a clock that is ahead, counts as now.
pub fn since(then: Timestamp, now: Timestamp) -> String {
    length(now.duration_since(then))
}

/// When something happens: how long until then, and the time.
pub fn until(then: Timestamp, now: Timestamp) -> String {
    match then > now {
        true => format!("in {}, at {}", length(then.duration_since(now)), minute(then)),
        false => format!("due since {}", minute(then)),
    }
}

/// A time to the minute, in UTC. A second counts as the end of its minute, so that nothing is announced too early.
pub fn minute(then: Timestamp) -> String {
    let full = if then.as_second().rem_euclid(MINUTE) == 0 {
        then
    } else {
        then.checked_add(SignedDuration::from_mins(1)).unwrap_or(then)
    };
    full.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_length_is_in_the_unit_that_says_most() {
        for (seconds, shown) in [
            (-5, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (7_199, "119m"),
            (7_200, "2h"),
            (172_799, "47h"),
            (172_800, "2d"),
        ] {
            assert_eq!(length(SignedDuration::from_secs(seconds)), shown, "{seconds}");
        }
    }

    #[test]
    fn the_end_of_a_wait_is_never_announced_too_early() {
        let now = at("2026-11-02T10:00:00Z");
        assert_eq!(until(at("2026-11-02T12:30:00Z"), now), "in 2h, at 2026-11-02 12:30 UTC");
        assert_eq!(until(at("2026-11-02T10:00:30Z"), now), "in 30s, at 2026-11-02 10:01 UTC");
        assert_eq!(until(at("2026-11-02T09:00:00Z"), now), "due since 2026-11-02 09:00 UTC");
    }
}
