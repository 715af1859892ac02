//! Properties of any windows at any time.

use super::tests::{BERLIN, LORD_HOWE, NEW_YORK, allow, until, window};
use super::*;
use jiff::SignedDuration;
use proptest::prelude::*;

fn field(values: std::ops::RangeInclusive<u8>) -> impl Strategy<Value = String> {
    let (low, high) = (*values.start(), *values.end());
    prop_oneof![
        3 => Just("*".to_owned()),
        3 => values.clone().prop_map(|value| value.to_string()),
        1 => (1..=high).prop_map(|step| format!("*/{step}")),
        1 => (values.clone(), values).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (low..high).prop_map(move |value| format!("{low},{value}-{high}/2")),
    ]
}

fn any_window() -> impl Strategy<Value = Window> {
    let schedule = (field(0..=59), field(0..=23), field(1..=31), field(1..=12), field(0..=7));
    let zone = prop_oneof![Just("UTC"), Just(BERLIN), Just(NEW_YORK), Just(LORD_HOWE), Just("Pacific/Apia")];
    let kind = prop_oneof![2 => Just(WindowKind::Allow), 1 => Just(WindowKind::Deny)];
    let minutes = prop_oneof![1..=90_u64, 1..=10_080_u64];
    (kind, schedule, minutes, zone).prop_map(|(kind, (minute, hour, day, month, weekday), minutes, zone)| {
        window(kind, &format!("{minute} {hour} {day} {month} {weekday}"), &format!("{minutes}m"), zone)
    })
}

/// Any second of 2011 to 2040, and those around changes of the clock.
fn any_timestamp() -> impl Strategy<Value = Timestamp> {
    let second = prop_oneof![
        1_293_840_000..2_208_988_800_i64,
        1_774_738_800..1_774_756_800_i64,
        1_792_882_800..1_792_900_800_i64,
    ];
    second.prop_map(|second| Timestamp::from_second(second).expect("a timestamp"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_state_changes_exactly_at_the_reported_time(
        windows in proptest::collection::vec(any_window(), 0..5),
        now in any_timestamp(),
    ) {
        let is_open = |at| matches!(opening(&windows, at), Opening::Open { .. });
        if let Some(until) = until(&opening(&windows, now)) {
            prop_assert!(until > now);
            let second = SignedDuration::from_secs(1);
            prop_assert_ne!(is_open(until), is_open(now));
            prop_assert_eq!(is_open(until - second), is_open(now));
        }
    }

    #[test]
    fn every_time_before_a_change_reports_the_same_change(
        windows in proptest::collection::vec(any_window(), 1..4),
        now in any_timestamp(),
        part in 0..1000_i32,
    ) {
        let first = opening(&windows, now);
        if let Some(end) = until(&first) {
            let between = now + end.duration_since(now) * part / 1000;
            let then = opening(&windows, between);
            prop_assert_eq!(until(&then), Some(end));
            prop_assert_eq!(matches!(then, Opening::Open { .. }), matches!(first, Opening::Open { .. }));
        }
    }

    #[test]
    fn deny_windows_only_close(
        windows in proptest::collection::vec(any_window(), 1..5),
        now in any_timestamp(),
    ) {
        let (denies, allows): (Vec<_>, Vec<_>) =
            windows.iter().cloned().partition(|window| window.kind == WindowKind::Deny);
        let is_open = |windows: &[Window]| matches!(opening(windows, now), Opening::Open { .. });
        let are_valid = windows.iter().all(|window| check(window).is_ok());
        prop_assert_eq!(is_open(&windows), are_valid && is_open(&allows) && is_open(&denies));
    }

    #[test]
    fn any_strings_give_an_answer(
        schedule in "\\PC{0,40}|[0-9LW#?H*/,@a-zA-Z -]{0,30}|([0-9*/,-]{1,6} ){4}[0-9*/,A-Z-]{1,6}",
        zone in "\\PC{0,20}|[A-Za-z/_+-]{0,80}",
        seconds in any::<i64>(),
        now in any::<i64>(),
        deny in any::<bool>(),
    ) {
        let kind = if deny { WindowKind::Deny } else { WindowKind::Allow };
        let span = std::time::Duration::from_secs(seconds.unsigned_abs() % 700_000);
        let base = Window { kind, schedule, duration: span.into(), time_zone: zone, reason: None };
        let now = Timestamp::from_second(now % 377_705_023_201).unwrap_or(Timestamp::MAX);
        for window in [base.clone(), Window { time_zone: BERLIN.into(), ..base }] {
            let windows = [window, allow("0 9 * * *", "1h", BERLIN)];
            let found = opening(&windows, now);
            let stays_closed = matches!(found, Opening::Closed { until: None, .. });
            prop_assert!(stays_closed || check(&windows[0]).is_ok());
        }
    }
}
