//! Time zones as stretches of constant offset, and validation of their names.
//!
//! Uses the time zone data that are built into the program, because a decision reads no files and must not depend on those of its machine.
//! A change of the rules of a time zone therefore needs a newer version of the program.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// Maximum length of a name.
const LONGEST: usize = 64;

/// A period without a change of the clock. In minutes from 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first minute.
    pub from: i64,
    /// The first minute after it.
    pub to: i64,
    /// Offset of local time from UTC.
    pub ahead: i64,
}

/// The time zone of a name. The error names what is wrong and what to write instead.
pub fn find(name: &str) -> Result<TimeZone, String> {
    let zones = TimeZoneDatabase::bundled();
    let zone = if name.len() <= LONGEST { zones.get(name).ok() } else { None };
    match zone.filter(|zone| !zone.is_unknown()) {
        Some(zone) => Ok(zone),
        None if name.len() > LONGEST => Err(format!("is longer than {LONGEST} characters; {EXAMPLE}")),
        None => match similar(&zones, name) {
            Some(zone) => Err(format!("`{name}` is not a time zone; did you mean `{zone}`?")),
            None => Err(format!("`{name}` is not a time zone; {EXAMPLE}")),
        },
    }
}

const EXAMPLE: &str = "write an IANA name, such as `Europe/Berlin`, or `UTC`";

/// The zone of a city, such as `Europe/Berlin` for `Berlin` and `America/New_York` for `europe/new york`.
fn similar(zones: &TimeZoneDatabase, name: &str) -> Option<String> {
    let city = |name: &str| name.rsplit('/').next().unwrap_or(name).trim().replace(' ', "_").to_lowercase();
    let wanted = city(name);
    zones.available().map(|zone| zone.to_string()).find(|zone| city(zone) == wanted)
}

/// The stretches between two minutes, in order and without gaps.
pub fn stretches(zone: &TimeZone, from: i64, to: i64) -> Vec<Stretch> {
    let start = timestamp(from).unwrap_or(if from < 0 { Timestamp::MIN } else { Timestamp::MAX });
    let mut current = Stretch { from, to, ahead: i64::from(zone.to_offset(start).seconds()).div_euclid(60) };
    let mut found = Vec::new();
    for change in zone.following(start) {
        let at = minute(change.timestamp());
        if at >= to {
            break;
        }
        found.push(Stretch { to: at, ..current });
        current = Stretch { from: at, to, ahead: i64::from(change.offset().seconds()).div_euclid(60) };
    }
    found.push(current);
    found
}

/// The minute that contains a time.
pub fn minute(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond().div_euclid(60_000_000_000)).unwrap_or(i64::MAX / 60)
}

/// The time at which a minute starts, if it is in the range of timestamps.
pub fn timestamp(minute: i64) -> Option<Timestamp> {
    minute.checked_mul(60).and_then(|second| Timestamp::from_second(second).ok())
}
