//! Time zones as stretches of constant offset, and the names of those that exist.
//!
//! The data are those that are built in: what a controller decides must not depend on the files of the machine that it runs on,
//! and reading a file is nothing that a decision does. So they are as old as the program: when a country changes its clock, a newer one
//! knows of it.

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

/// The longest name that is looked up.
const LONGEST: usize = 64;

/// A time without a change of the clock. In minutes from 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The first minute.
    pub from: i64,
    /// The first minute after it.
    pub to: i64,
    /// What the clock on the wall is ahead of UTC.
    pub ahead: i64,
}

/// The zone of a name, or what is wrong with the name and what to write instead.
pub fn find(name: &str) -> Result<TimeZone, String> {
    let zones = TimeZoneDatabase::bundled();
    let zone = if name.len() <= LONGEST { zones.get(name).ok() } else { None };
    match zone.filter(|zone| !zone.is_unknown()) {
        Some(zone) => Ok(zone),
        None if name.len() > LONGEST => Err(format!("is longer than {LONGEST} characters; {EXAMPLE}")),
        None => match similar(&zones, name) {
            Some(zone) => Err(format!("`{name}` is no time zone; did you mean `{zone}`?")),
            None => Err(format!("`{name}` is no time zone; {EXAMPLE}")),
        },
    }
}

const EXAMPLE: &str = "write the IANA name of a city's, such as `Europe/Berlin`, or `UTC`";

/// `Berlin` and `europe/new york` name places that exist.
fn similar(zones: &TimeZoneDatabase, name: &str) -> Option<String> {
    let place = |name: &str| name.rsplit('/').next().unwrap_or(name).trim().replace(' ', "_").to_lowercase();
    let wanted = place(name);
    zones.available().map(|zone| zone.to_string()).find(|zone| place(zone) == wanted)
}

/// The stretches between two minutes, in their order and without holes.
pub fn stretches(zone: &TimeZone, from: i64, to: i64) -> Vec<Stretch> {
    let start = moment(from).unwrap_or(if from < 0 { Timestamp::MIN } else { Timestamp::MAX });
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

/// The minute that a moment is in.
pub fn minute(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond().div_euclid(60_000_000_000)).unwrap_or(i64::MAX / 60)
}

/// The moment at which a minute starts, if there is a date for it.
pub fn moment(minute: i64) -> Option<Timestamp> {
    minute.checked_mul(60).and_then(|second| Timestamp::from_second(second).ok())
}
