//! Windows, alone and together: when they are open, the messages, and invalid windows.

use super::*;
use crate::api::Duration;

pub const BERLIN: &str = "Europe/Berlin";
pub const NEW_YORK: &str = "America/New_York";
pub const LORD_HOWE: &str = "Australia/Lord_Howe";

pub fn window(kind: WindowKind, schedule: &str, duration: &str, time_zone: &str) -> Window {
    let duration: Duration = duration.parse().expect("a duration");
    Window { kind, schedule: schedule.into(), duration, time_zone: time_zone.into(), reason: None }
}

pub fn allow(schedule: &str, duration: &str, zone: &str) -> Window {
    window(WindowKind::Allow, schedule, duration, zone)
}

pub fn deny(schedule: &str, duration: &str, zone: &str) -> Window {
    window(WindowKind::Deny, schedule, duration, zone)
}

pub fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

pub fn until(opening: &Opening) -> Option<Timestamp> {
    match opening {
        Opening::Open { until } | Opening::Closed { until, .. } => *until,
    }
}

#[test]
fn windows_together() {
    let work = || allow("0 9 * * 1-5", "8h", "UTC");
    type Case<'a> = (&'a str, Vec<Window>, &'a str, bool, Option<&'a str>);
    let cases: [Case<'_>; 16] = [
        ("no windows", vec![], "2026-06-01T12:00:00Z", true, None),
        ("inside", vec![work()], "2026-06-01T12:00:00Z", true, Some("2026-06-01T17:00:00Z")),
        ("the first minute", vec![work()], "2026-06-01T09:00:00Z", true, Some("2026-06-01T17:00:00Z")),
        ("the last second", vec![work()], "2026-06-01T16:59:59Z", true, Some("2026-06-01T17:00:00Z")),
        ("the first minute after", vec![work()], "2026-06-01T17:00:00Z", false, Some("2026-06-02T09:00:00Z")),
        ("over a weekend", vec![work()], "2026-06-05T18:00:00Z", false, Some("2026-06-08T09:00:00Z")),
        (
            "deny wins",
            vec![work(), deny("0 12 * * *", "1h", "UTC")],
            "2026-06-01T12:30:00Z",
            false,
            Some("2026-06-01T13:00:00Z"),
        ),
        (
            "a deny ahead ends it",
            vec![work(), deny("0 12 * * *", "1h", "UTC")],
            "2026-06-01T10:00:00Z",
            true,
            Some("2026-06-01T12:00:00Z"),
        ),
        (
            "a deny that ends outside",
            vec![work(), deny("0 12 * * *", "6h", "UTC")],
            "2026-06-01T12:30:00Z",
            false,
            Some("2026-06-02T09:00:00Z"),
        ),
        (
            "deny alone",
            vec![deny("0 12 * * *", "1h", "UTC")],
            "2026-06-01T13:00:00Z",
            true,
            Some("2026-06-02T12:00:00Z"),
        ),
        (
            "adjacent windows are one",
            vec![allow("0 9 * * *", "4h", "UTC"), allow("0 13 * * *", "4h", "UTC")],
            "2026-06-01T09:30:00Z",
            true,
            Some("2026-06-01T17:00:00Z"),
        ),
        (
            "longer than its period",
            vec![allow("0 */2 * * *", "3h", "UTC")],
            "2026-06-01T09:30:00Z",
            true,
            None,
        ),
        ("a week every day", vec![allow("0 0 * * *", "168h", "UTC")], "2026-06-01T09:30:00Z", true, None),
        (
            "overlapping at the weekend",
            vec![allow("0 12 * * 6,0", "36h", "UTC")],
            "2026-06-06T13:00:00Z",
            true,
            Some("2026-06-09T00:00:00Z"),
        ),
        (
            "the end of months",
            vec![allow("0 0 31 * *", "24h", "UTC")],
            "2026-06-01T00:00:00Z",
            false,
            Some("2026-07-31T00:00:00Z"),
        ),
        (
            "leap days",
            vec![allow("0 0 29 2 *", "24h", "UTC")],
            "2026-06-01T00:00:00Z",
            false,
            Some("2028-02-29T00:00:00Z"),
        ),
    ];
    for (name, windows, now, open, wanted) in cases {
        let found = opening(&windows, at(now));
        assert_eq!(matches!(found, Opening::Open { .. }), open, "{name}: {found:?}");
        assert_eq!(until(&found), wanted.map(at), "{name}: {found:?}");
    }
}

#[test]
fn a_closed_window_names_the_deciding_window_and_when_that_changes() {
    let year_end = || Window { reason: Some("year-end".into()), ..deny("0 0 24 12 *", "72h", BERLIN) };
    let work = || allow("0 9 * * 1-5", "8h", BERLIN);
    let cases: [(Vec<Window>, &str, &str); 9] = [
        (
            vec![work()],
            "2026-11-28T10:00:00Z",
            "outside every Allow window; the next opens 2026-11-30T08:00:00Z (Mon 09:00 Europe/Berlin, `0 9 * * 1-5` for 8h)",
        ),
        (
            vec![year_end()],
            "2026-12-25T12:00:00Z",
            "Deny window `0 0 24 12 *` (Europe/Berlin) is open until 2026-12-26T23:00:00Z (Sun 00:00 Europe/Berlin): year-end",
        ),
        (
            vec![work(), year_end()],
            "2026-12-25T12:00:00Z",
            "Deny window `0 0 24 12 *` (Europe/Berlin) is open until 2026-12-26T23:00:00Z (Sun 00:00 Europe/Berlin): year-end; \
             promotions may start at 2026-12-28T08:00:00Z (Mon 09:00 Europe/Berlin)",
        ),
        (
            vec![deny("0 0 24 12 *", "24h", "UTC"), year_end()],
            "2026-12-24T12:00:00Z",
            "Deny window `0 0 24 12 *` (Europe/Berlin) is open until 2026-12-26T23:00:00Z (Sun 00:00 Europe/Berlin): year-end",
        ),
        (
            vec![work(), deny("0 6 * * *", "4h", BERLIN)],
            "2026-11-29T12:00:00Z",
            "outside every Allow window; the next allows a start from 2026-11-30T09:00:00Z (Mon 10:00 Europe/Berlin, `0 9 * * 1-5` \
             for 8h), when Deny window `0 6 * * *` (Europe/Berlin) closes",
        ),
        (
            vec![deny("* * * * *", "1m", "UTC")],
            "2026-11-29T12:00:00Z",
            "Deny window `* * * * *` (UTC) is open and does not close within a year; no promotion may start within four years",
        ),
        (
            vec![allow("0 9 * * *", "90m", "UTC"), deny("0 8 * * *", "4h", "UTC")],
            "2026-11-29T12:00:00Z",
            "outside every Allow window, and none opens within four years at a time that no Deny window covers",
        ),
        (
            vec![work(), allow("0 9 * * 1-6", "8h", "Mars/Base")],
            "2026-11-30T12:00:00Z",
            "windows[1].timeZone: `Mars/Base` is not a time zone; write an IANA name, such as `Europe/Berlin`, or `UTC`",
        ),
        (
            vec![deny("0 0 * * *", "1h", "UTC"); 21],
            "2026-11-30T12:00:00Z",
            "windows: has 21 entries, and 20 are allowed; merge some of them",
        ),
    ];
    for (windows, now, wanted) in cases {
        match opening(&windows, at(now)) {
            Opening::Closed { reason, .. } => assert_eq!(reason, wanted),
            Opening::Open { until } => panic!("open until {until:?}, not: {wanted}"),
        }
    }
}

#[test]
fn a_fault_names_the_field_and_what_to_write() {
    let cases: [(Window, &str); 22] = [
        (
            allow("0 9 * * *", "1h", "Berlin"),
            "timeZone: `Berlin` is not a time zone; did you mean `Europe/Berlin`?",
        ),
        (
            allow("0 9 * * *", "1h", "Europe/New York"),
            "timeZone: `Europe/New York` is not a time zone; did you mean `America/New_York`?",
        ),
        (allow("0 9 * * *", "1h", ""), "timeZone: `` is not a time zone; write an IANA name"),
        (
            allow("0 9 * * *", "1h", "Etc/Unknown"),
            "timeZone: `Etc/Unknown` is not a time zone; write an IANA name",
        ),
        (
            allow("0 9 * * *", "1h", "../../etc/passwd"),
            "timeZone: `../../etc/passwd` is not a time zone; write",
        ),
        (allow("0 9 * * *", "0s", "UTC"), "duration: must be longer than zero"),
        (allow("0 9 * * *", "-1h", "UTC"), "duration: must be longer than zero"),
        (allow("0 9 * * *", "90s", "UTC"), "duration: must be whole minutes"),
        (allow("0 9 * * *", "169h", "UTC"), "duration: is longer than 168h"),
        (allow("", "1h", "UTC"), "schedule: `` has 0 fields; write five"),
        (allow("@daily", "1h", "UTC"), "schedule: `@daily` has 1 fields; write five"),
        (allow("0 0 9 * * *", "1h", "UTC"), "schedule: `0 0 9 * * *` has 6 fields; write five"),
        (
            allow("60 9 * * *", "1h", "UTC"),
            "schedule: `60 9 * * *` is not a cron expression: the minute is `60`: ",
        ),
        (
            allow("0 24 * * *", "1h", "UTC"),
            "schedule: `0 24 * * *` is not a cron expression: the hour is `24`: ",
        ),
        (
            allow("0 9 0 * *", "1h", "UTC"),
            "schedule: `0 9 0 * *` is not a cron expression: the day of month is `0`: ",
        ),
        (
            allow("0 9 * FOO *", "1h", "UTC"),
            "schedule: `0 9 * FOO *` is not a cron expression: the month is `FOO`: ",
        ),
        (
            allow("0 9 * * FRI-SUN", "1h", "UTC"),
            "schedule: `0 9 * * FRI-SUN` is not a cron expression: the day of week is `FRI-SUN`: ",
        ),
        (
            allow("*/0 9 * * *", "1h", "UTC"),
            "schedule: `*/0 9 * * *` is not a cron expression: the minute is `*/0`: ",
        ),
        (
            allow("0 9 L * *", "1h", "UTC"),
            "schedule: `0 9 L * *` is not a cron expression: the day of month is `L`: `L` is not supported",
        ),
        (
            allow("0 9 * * 5L", "1h", "UTC"),
            "schedule: `0 9 * * 5L` is not a cron expression: the day of week is `5L`: `L` is not supported",
        ),
        (allow("0 0 30 2 *", "1h", "UTC"), "schedule: `0 0 30 2 *` never fires: "),
        (allow("0 0 31 4,6,9,11 *", "1h", "UTC"), "schedule: `0 0 31 4,6,9,11 *` never fires: "),
    ];
    for (window, wanted) in cases {
        let fault = check(&window).expect_err(wanted).to_string();
        assert!(fault.starts_with(wanted), "{fault}\n{wanted}");
    }
}

#[test]
fn a_schedule_that_fires_rarely_is_valid() {
    for schedule in
        ["0 0 29 2 *", "0 0 29 2 1", "0 0 30 2 1", "0 0 31 * *", "0 0 */31 * 3", "5 4 * JUL sun", "0 9 * * 7"]
    {
        assert_eq!(check(&allow(schedule, "1h", "UTC")), Ok(()), "{schedule}");
    }
}

#[test]
fn windows_that_can_never_be_used_are_found() {
    let now = at("2026-06-01T10:00:00Z");
    let work = || allow("0 9 * * *", "1h", BERLIN);
    let cases = [
        ("no windows", vec![], false),
        ("an allow", vec![work()], false),
        ("denied at all times", vec![deny("0 0 * * *", "24h", "UTC")], true),
        ("denied whenever it is open", vec![work(), deny("30 8 * * *", "2h", BERLIN)], true),
        ("a minute is left", vec![work(), deny("0 9 * * *", "59m", BERLIN)], false),
        ("only in summer do the clocks differ", vec![work(), deny("0 8 * * *", "1h", "UTC")], false),
        ("in summer and in winter", vec![work(), deny("0 7 * * *", "2h", "UTC")], true),
        (
            "one of two allows",
            vec![work(), allow("0 20 * * *", "1h", BERLIN), deny("30 8 * * *", "2h", BERLIN)],
            false,
        ),
        (
            "on leap days",
            vec![allow("0 0 29 2 *", "1h", BERLIN), deny("0 0 * 1,3-12 *", "24h", BERLIN)],
            false,
        ),
        (
            "on the day before a leap day ends",
            vec![allow("0 0 29 2 *", "1h", BERLIN), deny("0 0 28 2 *", "48h", BERLIN)],
            true,
        ),
    ];
    for (name, windows, never) in cases {
        let closed_permanently = matches!(opening(&windows, now), Opening::Closed { until: None, .. });
        assert_eq!(closed_permanently, never, "{name}");
        let fault = check_all(&windows, now).err();
        assert_eq!(fault.map(|fault| fault.field), never.then(|| "windows".to_owned()), "{name}");
    }
}

#[test]
fn a_window_is_deserialized_by_its_field_names() {
    let text = serde_json::json!({"schedule": "0 9 * * 1-5", "duration": "8h"});
    let window: Window = serde_json::from_value(text).expect("a window");
    assert_eq!(window, allow("0 9 * * 1-5", "8h", "UTC"));
    let text = serde_json::json!({"kind": "Deny", "schedule": "0 0 24 12 *", "duration": "72h", "timeZone": BERLIN, "reason": "year-end"});
    let window: Window = serde_json::from_value(text).expect("a window");
    assert_eq!(window, Window { reason: Some("year-end".into()), ..deny("0 0 24 12 *", "72h", BERLIN) });
}

#[test]
fn the_ends_of_the_calendar_give_an_answer() {
    let windows = [allow("0 9 * * *", "168h", LORD_HOWE), deny("0 9 * * *", "1h", "UTC")];
    for now in [Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH] {
        opening(&windows, now);
        assert_eq!(check_all(&windows[..1], at("2026-06-01T00:00:00Z")), Ok(()));
    }
}
