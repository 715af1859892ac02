//! Windows on the days on which the clock changes, and over a whole year.

use super::tests::{BERLIN, LORD_HOWE, NEW_YORK, allow, at};
use super::*;
use jiff::SignedDuration;
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;

/// When promotions may start, cut to `from..to`.
fn open_times(windows: &[Window], from: Timestamp, to: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let (from, to) = (minute(from), minute(to));
    let minutes = Schedule::of(windows).expect("windows without a fault").minutes(from, to - from);
    let instant = |at| timestamp(at).expect("a timestamp");
    let mut found = Vec::new();
    let mut now = from;
    while let Some(opens) = minutes.next(now, true) {
        now = minutes.next(opens, false).unwrap_or(to);
        found.push((instant(opens), instant(now)));
    }
    found
}

fn shown(times: &[(Timestamp, Timestamp)]) -> Vec<String> {
    let text = |at: &Timestamp| at.strftime("%m-%dT%H:%M").to_string();
    times.iter().map(|(from, to)| format!("{} {}", text(from), text(to))).collect()
}

#[test]
fn a_window_on_a_day_on_which_the_clock_changes() {
    let cases: [(&str, Window, &str, &str, &[&str]); 15] = [
        (
            "a skipped time opens right after the gap",
            allow("30 2 * * *", "30m", BERLIN),
            "2026-03-28T00:00:00Z",
            "2026-03-30T12:00:00Z",
            &["03-28T01:30 03-28T02:00", "03-29T01:00 03-29T01:30", "03-30T00:30 03-30T01:00"],
        ),
        (
            "a repeated time opens the first time",
            allow("30 2 * * *", "30m", BERLIN),
            "2026-10-24T00:00:00Z",
            "2026-10-26T12:00:00Z",
            &["10-24T00:30 10-24T01:00", "10-25T00:30 10-25T01:00", "10-26T01:30 10-26T02:00"],
        ),
        (
            "a skipped time that meets a real one opens once",
            allow("0 1-3 * * *", "10m", BERLIN),
            "2026-03-28T22:00:00Z",
            "2026-03-29T12:00:00Z",
            &["03-29T00:00 03-29T00:10", "03-29T01:00 03-29T01:10"],
        ),
        (
            "several skipped times open once",
            allow("10,20,50 2 * * *", "5m", BERLIN),
            "2026-03-28T22:00:00Z",
            "2026-03-29T12:00:00Z",
            &["03-29T01:00 03-29T01:05"],
        ),
        (
            "every hour is every real hour in autumn",
            allow("30 * * * *", "5m", BERLIN),
            "2026-10-24T23:00:00Z",
            "2026-10-25T03:00:00Z",
            &[
                "10-24T23:30 10-24T23:35",
                "10-25T00:30 10-25T00:35",
                "10-25T01:30 10-25T01:35",
                "10-25T02:30 10-25T02:35",
            ],
        ),
        (
            "every hour is every real hour in spring",
            allow("30 * * * *", "5m", BERLIN),
            "2026-03-28T23:00:00Z",
            "2026-03-29T02:00:00Z",
            &["03-28T23:30 03-28T23:35", "03-29T00:30 03-29T00:35", "03-29T01:30 03-29T01:35"],
        ),
        (
            "a skipped hour of an interval is left out",
            allow("*/30 2 * * *", "5m", BERLIN),
            "2026-03-28T12:00:00Z",
            "2026-03-29T12:00:00Z",
            &[],
        ),
        (
            "a repeated hour of an interval opens again",
            allow("*/30 2 * * *", "5m", BERLIN),
            "2026-10-24T12:00:00Z",
            "2026-10-25T12:00:00Z",
            &[
                "10-25T00:00 10-25T00:05",
                "10-25T00:30 10-25T00:35",
                "10-25T01:00 10-25T01:05",
                "10-25T01:30 10-25T01:35",
            ],
        ),
        (
            "a window keeps its length over the change",
            allow("0 22 * * 6", "8h", BERLIN),
            "2026-03-28T12:00:00Z",
            "2026-03-29T12:00:00Z",
            &["03-28T21:00 03-29T05:00"],
        ),
        (
            "spring in New York",
            allow("30 2 * * *", "1h", NEW_YORK),
            "2026-03-07T12:00:00Z",
            "2026-03-09T12:00:00Z",
            &["03-08T07:00 03-08T08:00", "03-09T06:30 03-09T07:30"],
        ),
        (
            "autumn in New York",
            allow("30 1 * * *", "15m", NEW_YORK),
            "2026-10-31T12:00:00Z",
            "2026-11-02T12:00:00Z",
            &["11-01T05:30 11-01T05:45", "11-02T06:30 11-02T06:45"],
        ),
        (
            "half an hour is skipped on Lord Howe Island",
            allow("15 2 * * *", "10m", LORD_HOWE),
            "2026-10-03T00:00:00Z",
            "2026-10-05T00:00:00Z",
            &["10-03T15:30 10-03T15:40", "10-04T15:15 10-04T15:25"],
        ),
        (
            "half an hour is repeated on Lord Howe Island",
            allow("15,45 1 * * *", "10m", LORD_HOWE),
            "2026-04-04T00:00:00Z",
            "2026-04-05T00:00:00Z",
            &["04-04T14:15 04-04T14:25", "04-04T14:45 04-04T14:55"],
        ),
        (
            "a repeated midnight is the same day",
            allow("0 0 * * *", "30m", "America/Havana"),
            "2025-11-01T12:00:00Z",
            "2025-11-03T12:00:00Z",
            &["11-02T04:00 11-02T04:30", "11-03T05:00 11-03T05:30"],
        ),
        (
            "Samoa had no 30th of December 2011",
            allow("0 9 30 12 *", "1h", "Pacific/Apia"),
            "2011-12-25T00:00:00Z",
            "2012-01-05T00:00:00Z",
            &["12-30T10:00 12-30T11:00"],
        ),
    ];
    for (name, window, from, to, wanted) in cases {
        assert_eq!(shown(&open_times(&[window], at(from), at(to))), wanted, "{name}");
    }
}

/// Every opening of a year, computed independently: fixed times from jiff's instant of each civil time, others by iterating over real minutes.
#[test]
fn a_year_of_windows_in_three_zones() {
    type Fires = fn(DateTime) -> bool;
    let rows: [(&str, bool, Fires); 7] = [
        ("0 9 * * 1-5", true, |t| {
            (t.hour(), t.minute()) == (9, 0) && t.weekday().to_monday_one_offset() <= 5
        }),
        ("45 1,2 * * *", true, |t| matches!((t.hour(), t.minute()), (1 | 2, 45))),
        ("15 0-4 * * *", true, |t| t.minute() == 15 && t.hour() <= 4),
        ("0 0 1,15 * 0", true, |t| {
            (t.hour(), t.minute()) == (0, 0)
                && (matches!(t.day(), 1 | 15) || t.weekday().to_sunday_zero_offset() == 0)
        }),
        ("30 23 28-31 * *", true, |t| (t.hour(), t.minute()) == (23, 30) && t.day() >= 28),
        ("20 */2 * * *", false, |t| t.minute() == 20 && t.hour() % 2 == 0),
        ("*/40 2 * MAR,apr,oct,NOV *", false, |t| {
            t.hour() == 2 && t.minute() % 40 == 0 && matches!(t.month(), 3 | 4 | 10 | 11)
        }),
    ];
    let (from, to) = (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"));
    for zone in [BERLIN, NEW_YORK, LORD_HOWE] {
        for (schedule, fixed, fires) in rows {
            let starts = match fixed {
                true => fixed_starts(zone, fires),
                false => real_starts(zone, fires),
            };
            let length = SignedDuration::from_mins(7);
            let mut wanted: Vec<_> = starts.into_iter().map(|start| (start, start + length)).collect();
            wanted.retain(|(start, _)| (from..to).contains(start));
            let found = open_times(&[allow(schedule, "7m", zone)], from, to);
            assert_eq!(shown(&found), shown(&wanted), "{schedule} in {zone}");
        }
    }
}

/// Every fifth minute, because the rows use no other.
fn minutes_of_2026() -> impl Iterator<Item = DateTime> {
    date(2025, 12, 31)
        .at(0, 0, 0, 0)
        .series(jiff::Span::new().minutes(5))
        .take_while(|time| *time < date(2027, 1, 2).at(0, 0, 0, 0))
}

fn fixed_starts(zone: &str, fires: fn(DateTime) -> bool) -> Vec<Timestamp> {
    let zone = zone::find(zone).expect("a zone");
    let instant = |time: DateTime| {
        let ambiguous = zone.to_ambiguous_timestamp(time);
        match ambiguous.offset() {
            jiff::tz::AmbiguousOffset::Gap { .. } => {
                let before = ambiguous.earlier().expect("a timestamp");
                zone.following(before).next().expect("the change").timestamp()
            }
            jiff::tz::AmbiguousOffset::Unambiguous { .. } | jiff::tz::AmbiguousOffset::Fold { .. } => {
                ambiguous.earlier().expect("a timestamp")
            }
        }
    };
    let mut found: Vec<_> = minutes_of_2026().filter(|time| fires(*time)).map(instant).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn real_starts(zone: &str, fires: fn(DateTime) -> bool) -> Vec<Timestamp> {
    let zone = zone::find(zone).expect("a zone");
    let instants = minutes_of_2026().map(|time| TimeZone::UTC.to_timestamp(time).expect("a timestamp"));
    instants.filter(|instant| fires(zone.to_datetime(*instant))).collect()
}
