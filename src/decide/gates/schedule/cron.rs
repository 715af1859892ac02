//! A cron expression as sets of numbers, and what it says of a civil time.
//!
//! The grammar is the crate's, the choice is ours: the five fields of crontab(5) with names, lists, ranges and steps. `L`, `W`, `#`,
//! `?`, `H` and `@daily` are refused: cron, Kubernetes and Quartz disagree on them, and the crate's `L` leaves out December.
//! Each field is parsed alone, so that a fault names the field, and is then read out value by value: no expression costs more to
//! evaluate than another, and no zone is ever looked up by the crate.

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions};
use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;

/// The longest expression that is looked at.
const LONGEST: usize = 128;

/// When windows open, in civil time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// Bit 0 is Sunday.
    weekdays: u64,
    /// crontab(5): if neither day field begins with `*`, it is enough that one of them matches.
    either_day: bool,
    /// cron(8): whether neither minute nor hour begins with `*`, which decides what a change of the clock does.
    pub fixed: bool,
}

struct Field {
    name: &'static str,
    names: bool,
    /// The values, and a civil time that has each of them.
    values: fn() -> Vec<(u32, DateTime)>,
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", names: false, values: || each(0..60, |n| Some(JANUARY.at(0, n, 0, 0))) },
    Field { name: "hour", names: false, values: || each(0..24, |n| Some(JANUARY.at(n, 0, 0, 0))) },
    Field { name: "day of month", names: false, values: || each(1..32, |n| at_day(1, n)) },
    Field { name: "month", names: true, values: || each(1..13, |n| at_day(n, 1)) },
    // 2001-01-07 was a Sunday.
    Field { name: "day of week", names: true, values: || each(0..7, |n| at_day(1, n + 7)) },
];
const JANUARY: Date = date(2001, 1, 1);

fn each(values: std::ops::Range<i8>, time: impl Fn(i8) -> Option<DateTime>) -> Vec<(u32, DateTime)> {
    values.filter_map(|value| Some((u32::try_from(value).ok()?, time(value)?))).collect()
}

fn at_day(month: i8, day: i8) -> Option<DateTime> {
    Date::new(2001, month, day).ok().map(|date| date.at(0, 0, 0, 0))
}

impl Cron {
    /// Reads an expression, or says which field is wrong and what to write instead.
    pub fn parse(expression: &str) -> Result<Self, String> {
        if expression.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} characters; split it into several windows"));
        }
        let texts: Vec<&str> = expression.split_ascii_whitespace().collect();
        let [minute, hour, day, _, weekday] = texts.as_slice() else {
            return Err(format!(
                "`{expression}` has {} fields; write five, minute, hour, day of month, month and day of week, such as \
                 `0 9 * * 1-5` for 09:00 from Monday to Friday",
                texts.len()
            ));
        };
        let mut sets = [0; 5];
        for (place, field) in FIELDS.iter().enumerate() {
            let text = texts.get(place).copied().unwrap_or_default();
            let set = field.read(place, text).map_err(|why| {
                format!("`{expression}` is no cron expression: the {} is `{text}`: {why}", field.name)
            })?;
            if let Some(slot) = sets.get_mut(place) {
                *slot = set;
            }
        }
        let [minutes, hours, days, months, weekdays] = sets;
        let starred = |text: &str| text.starts_with('*');
        let cron = Self {
            minutes,
            hours,
            days,
            months,
            weekdays,
            either_day: !starred(day) && !starred(weekday),
            fixed: !starred(minute) && !starred(hour),
        };
        match cron.happens() {
            true => Ok(cron),
            false => Err(format!(
                "`{expression}` never fires: no month that it names has a day that it names; change the day of month or the month"
            )),
        }
    }

    /// Whether windows open on a date at all.
    pub fn opens_on(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let days = if self.either_day { day || weekday } else { day && weekday };
        has(self.months, date.month()) && days
    }

    /// Whether one opens at a minute of a date on which some do.
    pub fn opens_at(&self, minute_of_day: i64) -> bool {
        has(self.hours, minute_of_day / 60) && has(self.minutes, minute_of_day % 60)
    }

    /// Every date of the calendar falls on every weekday at some time, the 29th of February too, so only the months count.
    fn happens(&self) -> bool {
        let dated = (1..=12).filter(|month| has(self.months, *month)).any(|month| {
            let length = Date::new(2000, month, 1).map_or(0, Date::days_in_month);
            (1..=length).any(|day| has(self.days, day))
        });
        dated || self.either_day
    }
}

impl Field {
    fn read(&self, place: usize, text: &str) -> Result<u64, String> {
        let allowed = |sign: char| match sign {
            '0'..='9' | '*' | '/' | ',' | '-' => true,
            // `5L` is not one of the names: no weekday has this letter.
            'L' | 'l' => self.name == "month",
            letter => self.names && letter.is_ascii_alphabetic(),
        };
        if let Some(sign) = text.chars().find(|sign| !allowed(*sign)) {
            let names = if self.names { ", names" } else { "" };
            return Err(format!("`{sign}` is not understood; write numbers{names}, `*`, `,`, `-` and `/`"));
        }
        let alone: Vec<&str> = (0..FIELDS.len()).map(|at| if at == place { text } else { "*" }).collect();
        // Without an option the crate wants a zone in the expression and would look it up; UTC has no changes and needs no data.
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let crontab = cronexpr::parse_crontab_with(&alone.join(" "), options).map_err(|error| why(&error))?;
        let values = (self.values)().into_iter().filter(|(_, time)| matches(&crontab, *time));
        Ok(values.fold(0, |set, (value, _)| set | 1 << value))
    }
}

fn matches(crontab: &Crontab, time: DateTime) -> bool {
    TimeZone::UTC.to_timestamp(time).is_ok_and(|at| crontab.matches(at).unwrap_or(false))
}

/// The crate prints the expression, an arrow and the reason.
fn why(error: &cronexpr::Error) -> String {
    let text = error.to_string();
    let reason = text.rsplit_once("^ ").map_or(text.as_str(), |(_, reason)| reason);
    match reason.contains("ascending") {
        true => format!("{reason}; write two ranges with a `,` between them, and a Sunday at the end as 7"),
        false => reason.to_owned(),
    }
}

fn has(set: u64, value: impl Into<i64>) -> bool {
    u32::try_from(value.into())
        .ok()
        .and_then(|value| set.checked_shr(value))
        .is_some_and(|bits| bits & 1 == 1)
}
