//! One parsed window, and the minutes at which it is open.

use super::cron::Cron;
use super::minutes::{DAY, DayBits, Minutes};
use super::zone;
use super::zone::{Stretch, stretches};
use super::{WindowFault, change};
use crate::api::Window;
use jiff::SignedDuration;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

/// The longest duration, in minutes: a week.
const LONGEST: i64 = 7 * DAY;
/// A change of the clock that is earlier than this plus the duration of a window has no effect.
const MARGIN: i64 = 2 * DAY;

/// A valid window.
pub struct Recurrence<'a> {
    /// The window in the spec.
    pub window: &'a Window,
    /// Its time zone.
    pub zone: TimeZone,
    cron: Cron,
    /// How long it stays open, in minutes.
    pub duration: i64,
    /// The openings of a day without a change of the clock.
    whole_day: OpenDay,
}

/// The openings of a window that start on one day.
struct OpenDay {
    /// Minutes of the day.
    bits: DayBits,
    /// The minute, counted from the start of the day, at which the last opening ends.
    end: i64,
}

impl<'a> Recurrence<'a> {
    /// Parses a window.
    pub fn of(window: &'a Window) -> Result<Self, WindowFault> {
        let fault = |field: &'static str| move |message| WindowFault { field: field.to_owned(), message };
        let cron = Cron::parse(&window.schedule).map_err(fault("schedule"))?;
        let duration = whole_minutes(window).map_err(fault("duration"))?;
        let zone = zone::find(&window.time_zone).map_err(fault("timeZone"))?;
        let whole_day = OpenDay::of(&cron, duration, 0, DAY);
        Ok(Self { window, zone, cron, duration, whole_day })
    }

    /// Whether it is open.
    pub fn is_open(&self, at: i64) -> bool {
        self.minutes(at, 1).is_open(at)
    }

    /// When it closes if it is open, or opens if it is closed, within `days`.
    pub fn until(&self, at: i64, days: i64) -> Option<i64> {
        let open = self.is_open(at);
        change(|length| self.minutes(at, length), at, !open, days)
    }

    fn minutes(&self, start: i64, length: i64) -> Minutes {
        let mut minutes = Minutes::closed(start, length);
        self.open(&mut minutes);
        minutes
    }

    /// Opens the minutes at which the window is open.
    pub fn open(&self, minutes: &mut Minutes) {
        // Local time has reached this minute already.
        let mut shown: Option<i64> = None;
        for stretch in stretches(&self.zone, minutes.start() - self.duration - MARGIN, minutes.end()) {
            let (from, to) = (stretch.from + stretch.ahead, stretch.to + stretch.ahead);
            let mut first = from;
            if let Some(shown) = shown.filter(|_| self.cron.fixed) {
                if self.opens_between(shown, from) {
                    minutes.fill(stretch.from, stretch.from + self.duration);
                }
                first = from.max(shown);
            }
            self.fill(stretch, first, to, minutes);
            shown = Some(shown.map_or(to, |shown| shown.max(to)));
        }
    }

    /// Opens the minutes of the openings between two civil minutes of a stretch.
    fn fill(&self, stretch: Stretch, first: i64, to: i64, minutes: &mut Minutes) {
        let mut day = first.div_euclid(DAY);
        let mut done = i64::MIN;
        let mut next = date_of(day);
        while let Some(date) = next.filter(|_| day * DAY < to) {
            if self.cron.opens_on(date) {
                let midnight = day * DAY;
                let (from, to) = ((first - midnight).max(0), (to - midnight).min(DAY));
                let start = midnight - stretch.ahead;
                done = match (from, to) {
                    (0, DAY) => self.whole_day.fill(start, done, minutes),
                    (from, to) => OpenDay::of(&self.cron, self.duration, from, to).fill(start, done, minutes),
                };
            }
            day += 1;
            next = date.tomorrow().ok();
        }
    }

    /// Whether it opens at one of the civil minutes that a change of the clock skips.
    fn opens_between(&self, from: i64, to: i64) -> bool {
        (from..to).any(|minute| {
            self.cron.opens_at(minute.rem_euclid(DAY))
                && date_of(minute.div_euclid(DAY)).is_some_and(|date| self.cron.opens_on(date))
        })
    }
}

impl OpenDay {
    /// The openings between two minutes of a day. `duration` is in minutes.
    fn of(cron: &Cron, duration: i64, from: i64, to: i64) -> Self {
        let mut day = Self { bits: DayBits::default(), end: 0 };
        for minute in 0..DAY {
            if (from..to).contains(&minute) && cron.opens_at(minute) {
                day.end = minute + duration;
            }
            let word = usize::try_from(minute / 64).ok().and_then(|word| day.bits.get_mut(word));
            if let Some(word) = word.filter(|_| minute < day.end) {
                *word |= 1 << (minute % 64);
            }
        }
        day
    }

    /// Opens the minutes of a day that starts at `start`, and of openings that last into later days. Earlier days are filled up to the minute
    /// `done`. Returns the new `done`, so that a window of a week that opens every day fills each minute once, not seven times.
    fn fill(&self, start: i64, done: i64, minutes: &mut Minutes) -> i64 {
        let end = start + self.end;
        minutes.fill_day(start, &self.bits);
        minutes.fill(done.max(start + DAY), end);
        done.max(end)
    }
}

/// The date of a day counted from 1970-01-01, if the calendar has it.
fn date_of(day: i64) -> Option<Date> {
    const EPOCH: Date = date(1970, 1, 1);
    EPOCH.checked_add(SignedDuration::from_secs(day.checked_mul(86_400)?)).ok()
}

fn whole_minutes(window: &Window) -> Result<i64, String> {
    let length = std::time::Duration::from(window.duration);
    let minutes = i64::try_from(length.as_secs() / 60).unwrap_or(i64::MAX);
    if window.duration.is_negative() || length.is_zero() {
        return Err("must be longer than zero, or the window never opens; write `8h` or `30m`".to_owned());
    }
    if length.subsec_nanos() != 0 || length.as_secs() % 60 != 0 {
        return Err("must be whole minutes; write `8h` or `30m`".to_owned());
    }
    if minutes > LONGEST {
        return Err(
            "is longer than 168h; shorten it and let the schedule open the window more often".to_owned()
        );
    }
    Ok(minutes)
}
