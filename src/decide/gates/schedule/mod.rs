//! Deployment windows: whether promotions may start now, and when that changes.
//!
//! Deny wins. If there are Allow windows, one of them has to be open. Without windows everything is open.
//!
//! A window opens at the instant at which the clock on the wall of its time zone shows a time of its cron expression, and stays open
//! for its duration in elapsed time: a window of 8h is open for eight hours on the day on which the clock changes, too. Windows
//! that are longer than their period overlap and are simply open.
//!
//! When the clock changes, what cron(8) of Debian and cronie says under "Daylight Saving Time and other time changes" holds:
//!
//! | schedule | the clock skips the time | the clock shows the time twice |
//! |---|---|---|
//! | fixed time: `30 2 * * *`, `0 1-3 * * *` | opens at the first moment after the gap, once | opens once, the first time |
//! | minute or hour begins with `*`: `*/15 2 * * *`, `0 * * * *` | does not open | opens each time |
//!
//! What makes a fixed time is the first letter of the field, as in the source of Vixie's cron, and so is whether the two day fields
//! narrow each other (crontab(5), "Note: the day of a command's execution"). cron(8) leaves changes of three hours and more alone;
//! here they are no different, as a zone that moves over the date line is as little a reason to lose a window.
//!
//! Total and bounded: any strings give an answer, and an answer costs at most four years of minutes as bits, however often windows open.
//! A moment is judged by the minute that it is in; cron times, durations and changes of the clock are whole minutes.

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
use zone::{minute, moment};

/// The most windows that are evaluated together.
pub const MOST: usize = 20;

/// How far is looked, in days: most answers are near, and each look costs as much as its days.
const LOOKS: [i64; 4] = [2, 31, YEAR, FOUR_YEARS];
const YEAR: i64 = 366;
/// A leap day comes within it, save around 2100.
const FOUR_YEARS: i64 = 4 * 365 + 1;

/// Whether promotions may start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opening {
    /// They may.
    Open {
        /// When that ends, if it does within a year.
        until: Option<Timestamp>,
    },
    /// They may not.
    Closed {
        /// A sentence: which window decides, and when it changes.
        reason: String,
        /// When they next may, all windows taken together, if that is within four years.
        until: Option<Timestamp>,
    },
}

/// A window that cannot be evaluated, or windows that cannot work together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field: `schedule` of one window, `windows[2].schedule` of several.
    pub field: String,
    /// What is wrong with it, and what to do.
    pub message: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}", self.field, self.message)
    }
}

/// Whether a window can be evaluated: a time zone that exists, a cron expression that fires, a duration.
pub fn check(window: &Window) -> Result<(), Fault> {
    Recurrence::of(window).map(|_| ())
}

/// The first fault of windows: of one of them, or that no moment within four years is open.
pub fn check_all(windows: &[Window], now: Timestamp) -> Result<(), Fault> {
    let schedule = Schedule::of(windows)?;
    match schedule.until(minute(now), FOUR_YEARS) {
        None if !schedule.is_open(minute(now)) => Err(Fault {
            field: "windows".to_owned(),
            message:
                "Deny windows cover every moment of the next four years at which a promotion might start; \
                      shorten or remove one"
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
        return Opening::Open { until: schedule.until(now, YEAR).and_then(moment) };
    }
    let until = schedule.until(now, FOUR_YEARS);
    Opening::Closed { reason: wording::why_closed(&schedule, now, until), until: until.and_then(moment) }
}

/// Windows that have no fault. Minutes are counted from 1970-01-01T00:00:00Z.
struct Schedule<'a> {
    windows: Vec<Recurrence<'a>>,
}

impl<'a> Schedule<'a> {
    fn of(windows: &'a [Window]) -> Result<Self, Fault> {
        if windows.len() > MOST {
            return Err(Fault {
                field: "windows".to_owned(),
                message: format!("there are {}, {MOST} at most; merge some of them", windows.len()),
            });
        }
        let parsed = windows.iter().enumerate().map(|(place, window)| {
            Recurrence::of(window)
                .map_err(|fault| Fault { field: format!("windows[{place}].{}", fault.field), ..fault })
        });
        parsed.collect::<Result<_, _>>().map(|windows| Self { windows })
    }

    fn of_kind(&self, kind: WindowKind) -> impl Iterator<Item = &Recurrence<'a>> {
        self.windows.iter().filter(move |window| window.window.kind == kind)
    }

    fn is_open(&self, at: i64) -> bool {
        self.minutes(at, 1).is_open(at)
    }

    /// The first minute after `at` at which promotions may start if they may not now, and the other way round.
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

/// The first minute that is open, or closed, within so many days.
fn change(minutes: impl Fn(i64) -> Minutes, at: i64, open: bool, days: i64) -> Option<i64> {
    LOOKS.iter().filter(|look| **look <= days).find_map(|look| minutes(look * minutes::DAY).next(at, open))
}
