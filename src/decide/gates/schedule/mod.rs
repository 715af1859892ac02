//! Deployment windows: whether promotions may start now, and when that changes.
//!
//! Deny wins. If there are Allow windows, one of them has to be open. Without windows everything is open.
//!
//! A window opens when the local time in its time zone matches its cron expression, and stays open for its duration in elapsed time: a
//! window of 8h is open for eight hours also on a day on which the clock changes. Openings of a window that is longer than its period
//! overlap.
//!
//! Changes of the clock follow cron(8) of Debian and cronie, "Daylight Saving Time and other time changes":
//!
//! | schedule | the clock skips the time | the clock shows the time twice |
//! |---|---|---|
//! | fixed time: `30 2 * * *`, `0 1-3 * * *` | opens once, at the first minute after the gap | opens once, the first time |
//! | minute or hour starts with `*`: `*/15 2 * * *`, `0 * * * *` | does not open | opens each time |
//!
//! The first character of the fields decides whether a time is fixed, as in the source of Vixie cron, and whether both day fields must match
//! (crontab(5), "Note: the day of a command's execution"). cron(8) does not adjust for changes of three hours and more. Towpath does, so
//! that a zone that crosses the date line does not lose a window.
//!
//! Invariant: every input gives an answer, at the cost of at most four years of minutes as bits. A time counts as the minute that it is in,
//! because cron times, durations and changes of the clock are whole minutes.

mod cron;
mod minutes;
mod recurrence;
mod wording;
mod zone;

#[cfg(test)]
mod clock_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod tests;

use crate::api::{Window, WindowKind};
use jiff::Timestamp;
use minutes::Minutes;
use recurrence::Recurrence;
use zone::{minute, timestamp};

/// Maximum number of windows of an environment.
pub const MOST: usize = 20;

/// Periods to search for the next change, in days. Most changes are near, and a search costs as much as its period is long.
const HORIZONS: [i64; 4] = [2, 31, YEAR, FOUR_YEARS];
const YEAR: i64 = 366;
/// Contains a leap day, except around 2100.
const FOUR_YEARS: i64 = 4 * 365 + 1;

/// Whether promotions may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// Promotions may start.
    Open {
        /// When they may no longer start, if that is within a year.
        until: Option<Timestamp>,
    },
    /// Promotions may not start.
    Closed {
        /// Which window decides, and when that changes.
        reason: String,
        /// When promotions may start next according to all windows, if that is within four years.
        until: Option<Timestamp>,
    },
}

/// A window that cannot be evaluated, or windows that together never open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WindowFault {
    /// The field: `schedule` of one window, `windows[2].schedule` of several.
    pub field: String,
    /// What is wrong with it, and what to do.
    pub message: String,
}

impl std::fmt::Display for WindowFault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.field, self.message)
    }
}

/// Whether a window can be evaluated: its time zone, cron expression and duration are valid.
pub fn check(window: &Window) -> Result<(), WindowFault> {
    Recurrence::of(window).map(|_| ())
}

/// The first fault of the windows: of one of them, or that promotions may not start at any time within four years.
pub fn check_all(windows: &[Window], now: Timestamp) -> Result<(), WindowFault> {
    let schedule = Schedule::of(windows)?;
    match schedule.until(minute(now), FOUR_YEARS) {
        None if !schedule.is_open(minute(now)) => Err(WindowFault {
            field: "windows".to_owned(),
            message:
                "Deny windows cover every time at which a promotion could start in the next four years; shorten or \
                      remove one"
                    .to_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Whether promotions may start now, and when that changes. Windows with a fault are closed.
pub fn opening(windows: &[Window], now: Timestamp) -> Opening {
    let now = minute(now);
    let schedule = match Schedule::of(windows) {
        Ok(schedule) => schedule,
        Err(fault) => return Opening::Closed { reason: fault.to_string(), until: None },
    };
    if schedule.is_open(now) {
        return Opening::Open { until: schedule.until(now, YEAR).and_then(timestamp) };
    }
    let until = schedule.until(now, FOUR_YEARS);
    Opening::Closed { reason: wording::why_closed(&schedule, now, until), until: until.and_then(timestamp) }
}

/// Windows that have no fault. Minutes are counted from 1970-01-01T00:00:00Z.
struct Schedule<'a> {
    windows: Vec<Recurrence<'a>>,
}

impl<'a> Schedule<'a> {
    fn of(windows: &'a [Window]) -> Result<Self, WindowFault> {
        if windows.len() > MOST {
            return Err(WindowFault {
                field: "windows".to_owned(),
                message: format!("has {} entries, and {MOST} are allowed; merge some of them", windows.len()),
            });
        }
        let parsed = windows.iter().enumerate().map(|(index, window)| {
            Recurrence::of(window)
                .map_err(|fault| WindowFault { field: format!("windows[{index}].{}", fault.field), ..fault })
        });
        parsed.collect::<Result<_, _>>().map(|windows| Self { windows })
    }

    fn of_kind(&self, kind: WindowKind) -> impl Iterator<Item = &Recurrence<'a>> {
        self.windows.iter().filter(move |window| window.window.kind == kind)
    }

    fn is_open(&self, at: i64) -> bool {
        self.minutes(at, 1).is_open(at)
    }

    /// The first minute after `at` at which this changes: promotions may start, or may no longer start.
    fn until(&self, at: i64, days: i64) -> Option<i64> {
        if self.windows.is_empty() {
            return None;
        }
        let open = self.is_open(at);
        change(|length| self.minutes(at, length), at, !open, days)
    }

    fn minutes(&self, start: i64, length: i64) -> Minutes {
        let mut open = match self.of_kind(WindowKind::Allow).next() {
            Some(_) => Minutes::closed(start, length),
            None => Minutes::open(start, length),
        };
        self.of_kind(WindowKind::Allow).for_each(|window| window.open(&mut open));
        let mut denied = Minutes::closed(start, length);
        self.of_kind(WindowKind::Deny).for_each(|window| window.open(&mut denied));
        open.close(&denied);
        open
    }
}

/// The first minute within `days` that is open, or closed.
fn change(minutes: impl Fn(i64) -> Minutes, at: i64, open: bool, days: i64) -> Option<i64> {
    HORIZONS
        .iter()
        .filter(|horizon| **horizon <= days)
        .find_map(|horizon| minutes(horizon * minutes::DAY).next(at, open))
}
