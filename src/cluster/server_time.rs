//! The time of the API server: the own clock, corrected by the `Date` of the server's answers.
//!
//! Invariant: the correction is the smallest that agrees with the answers, so a clock that agrees is not corrected. An answer dates
//! itself in whole seconds, somewhere between the request and the answer; each one narrows the bounds of the correction.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use http::header::DATE;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};

/// The time of the API server. Clones share the correction.
#[derive(Clone)]
pub struct ServerTime {
    own: fn() -> Timestamp,
    bounds: Arc<Mutex<Option<Bounds>>>,
}

/// The correction of the own clock in milliseconds, at least and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    least: i64,
    most: i64,
}

impl Default for ServerTime {
    fn default() -> Self {
        Self { own: Timestamp::now, bounds: Arc::default() }
    }
}

impl ServerTime {
    /// The time of the server.
    pub fn now(&self) -> Timestamp {
        let own = (self.own)();
        let correction = self.bounds().map_or(0, |bounds| 0.clamp(bounds.least, bounds.most));
        own.checked_add(SignedDuration::from_millis(correction)).unwrap_or(own)
    }

    /// The time of the own clock, to be passed to [`ServerTime::answered`].
    pub fn own(&self) -> Timestamp {
        (self.own)()
    }

    /// Takes the date of an answer to a request that was sent at `sent` of the own clock.
    pub fn answered(&self, headers: &HeaderMap, sent: Timestamp) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
        let Some(date) = date.map(|date| date.as_millisecond()) else { return };
        let received = (self.own)().as_millisecond();
        let new = Bounds { least: date - received, most: date + 1_000 - sent.as_millisecond() };
        let mut bounds = self.bounds.lock().unwrap_or_else(PoisonError::into_inner);
        *bounds = Some(match *bounds {
            Some(old) if old.least <= new.most && new.least <= old.most => {
                Bounds { least: old.least.max(new.least), most: old.most.min(new.most) }
            }
            // One of the clocks was set, or another server answered.
            Some(_) | None => new,
        });
    }

    fn bounds(&self) -> Option<Bounds> {
        *self.bounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ServerTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerTime").field(&self.bounds()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Timestamp {
        "2026-11-26T12:00:00.400Z".parse().unwrap()
    }

    fn after(dates: &[&'static str]) -> String {
        let time = ServerTime { own, bounds: Arc::default() };
        for date in dates {
            let mut headers = HeaderMap::new();
            headers.insert(DATE, http::HeaderValue::from_static(date));
            time.answered(&headers, own() - SignedDuration::from_millis(100));
        }
        time.now().to_string()
    }

    #[test]
    fn the_own_clock_is_corrected_by_what_the_answers_say_and_no_more() {
        let cases = [
            (vec![], "2026-11-26T12:00:00.4Z"),
            (vec!["Thu, 26 Nov 2026 12:00:00 GMT"], "2026-11-26T12:00:00.4Z"),
            (vec!["nonsense"], "2026-11-26T12:00:00.4Z"),
            // One second behind, and a minute ahead: the nearest time at which the answer can have been made.
            (vec!["Thu, 26 Nov 2026 12:00:01 GMT"], "2026-11-26T12:00:01Z"),
            (vec!["Thu, 26 Nov 2026 11:59:00 GMT"], "2026-11-26T11:59:01.1Z"),
            // The server's clock was set: the newest answer counts.
            (
                vec!["Thu, 26 Nov 2026 11:59:00 GMT", "Thu, 26 Nov 2026 12:00:00 GMT"],
                "2026-11-26T12:00:00.4Z",
            ),
        ];
        for (dates, expected) in cases {
            assert_eq!(after(&dates), expected, "{dates:?}");
        }
    }
}
