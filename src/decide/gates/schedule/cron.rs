//! A cron expression as sets of numbers, and whether it matches a civil time.
//!
//! Accepts a subset of the grammar of the crate `cronexpr`: the five fields of crontab(5) with names, lists, ranges and steps. Rejects `L`,
//! `W`, `#`, `?`, `H` and `@daily`, because cron, Kubernetes and Quartz disagree on them, and `L` in the crate omits December.
//! Each field is parsed separately, so that an error names the field, and is converted to a set of values. Every expression therefore
//! costs the same to evaluate, and the crate never looks up a time zone.

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions};
use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;

/// Maximum length of an expression.
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
    /// crontab(5): if neither day field starts with `*`, a date matches if one of the two fields matches.
    either_day: bool,
    /// cron(8): neither minute nor hour starts with `*`. This decides the effect of a change of the clock.
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
    /// Parses an expression. The error names the wrong field and what to write instead.
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
        for (index, field) in FIELDS.iter().enumerate() {
            let text = texts.get(index).copied().unwrap_or_default();
            let set = field.parse(index, text).map_err(|why| {
                format!("`{expression}` is not a cron expression: the {} is `{text}`: {why}", field.name)
            })?;
            if let Some(slot) = sets.get_mut(index) {
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
        match cron.can_fire() {
            true => Ok(cron),
            false => Err(format!(
                "`{expression}` never fires: no day of month in it exists in any of its months; change the day of month or the month"
            )),
        }
    }

    /// Whether a window opens on a date at some minute.
    pub fn opens_on(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let days = if self.either_day { day || weekday } else { day && weekday };
        has(self.months, date.month()) && days
    }

    /// Whether a window opens at a minute of a date for which [`Cron::opens_on`] is true.
    pub fn opens_at(&self, minute_of_day: i64) -> bool {
        has(self.hours, minute_of_day / 60) && has(self.minutes, minute_of_day % 60)
    }

    /// Whether any date matches. Every date, even 29 February, falls on every weekday in some year, so only days and months decide.
    fn can_fire(&self) -> bool {
        let dated = (1..=12).filter(|month| has(self.months, *month)).any(|month| {
            let length = Date::new(2000, month, 1).map_or(0, Date::days_in_month);
            (1..=length).any(|day| has(self.days, day))
        });
        dated || self.either_day
    }
}

impl Field {
    fn parse(&self, index: usize, text: &str) -> Result<u64, String> {
        let allowed = |sign: char| match sign {
            '0'..='9' | '*' | '/' | ',' | '-' => true,
            // `L` occurs in the names of months only. In a weekday it would be `5L`, which is not supported.
            'L' | 'l' => self.name == "month",
            letter => self.names && letter.is_ascii_alphabetic(),
        };
        if let Some(sign) = text.chars().find(|sign| !allowed(*sign)) {
            let names = if self.names { ", names" } else { "" };
            return Err(format!("`{sign}` is not supported; write numbers{names}, `*`, `,`, `-` and `/`"));
        }
        let alone: Vec<&str> = (0..FIELDS.len()).map(|at| if at == index { text } else { "*" }).collect();
        // By default the crate requires a time zone in the expression and looks it up. UTC needs no data.
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

/// The reason in an error of the crate, which also contains the expression and an arrow.
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
