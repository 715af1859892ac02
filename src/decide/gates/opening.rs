//! When a release can start if gates that open with time are closed.
//!
//! Invariant: the reported time is the first at which all of them are open. A window that has closed again when a freeze ends counts.

use super::gate::Gate;
use jiff::Timestamp;

/// How often the gates are evaluated at a later time. A freeze and windows need two or three times.
const MOST_STEPS: usize = 20;

/// The closed gate that opens last, with the messages of the others and the time at which all of them are open. `closed_at` returns the
/// gates that open with time and are closed at a time, in the order of the gates.
pub(super) fn last_to_open(closed_at: &dyn Fn(Timestamp) -> Vec<Gate>, now: Timestamp) -> Gate {
    let closed = closed_at(now);
    let last_end = |gates: &[Gate]| gates.iter().map(end).max().unwrap_or(Timestamp::MIN);
    let latest = last_end(&closed);
    let mut at = latest;
    for _ in 0..MOST_STEPS {
        let later = if at == Timestamp::MAX { at } else { last_end(&closed_at(at)) };
        if later <= at {
            break;
        }
        at = later;
    }
    let opens_last = closed.iter().position(|gate| end(gate) == latest);
    let mut others = closed.clone();
    let Some(Gate::Closed { gate, message, .. }) = opens_last.map(|index| others.remove(index)) else {
        return Gate::Open;
    };
    let others = others.iter().filter_map(|other| match other {
        Gate::Closed { gate, message, .. } => Some(format!("{gate}: {message}")),
        Gate::Open | Gate::Never { .. } => None,
    });
    let mut words: Vec<String> = std::iter::once(message).chain(others).collect();
    let until = (at < Timestamp::MAX).then_some(at);
    if let Some(at) = until.filter(|at| words.len() > 1 || *at != latest) {
        words.push(format!("all gates of time are open at {at}"));
    }
    Gate::Closed { gate, message: words.join("; "), until }
}

/// When a closed gate opens: never counts as the latest time.
fn end(gate: &Gate) -> Timestamp {
    match gate {
        Gate::Closed { until, .. } => until.unwrap_or(Timestamp::MAX),
        Gate::Open | Gate::Never { .. } => Timestamp::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{GateName, Reason};
    use crate::decide::fixture_tests;
    use crate::decide::gates::{Requested, evaluate};
    use crate::decide::world::Freeze;
    use serde_json::json;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    /// A gate that is closed from one hour to another.
    type Period = (Reason, i64, Option<i64>);

    fn found(periods: &[Period], now: i64) -> (Reason, String, Option<Timestamp>) {
        let closed_at = |time: Timestamp| {
            let is_closed = |(_, from, to): &&Period| {
                *from * 3600 <= time.as_second() && to.is_none_or(|to| time < at(to))
            };
            let gate = |(gate, _, to): &Period| Gate::Closed {
                gate: gate.clone(),
                message: "closed".into(),
                until: to.map(at),
            };
            periods.iter().filter(is_closed).map(gate).collect()
        };
        match last_to_open(&closed_at, at(now)) {
            Gate::Closed { gate, message, until } => (gate, message, until),
            other @ (Gate::Open | Gate::Never { .. }) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_window_that_is_closed_when_a_freeze_ends_counts() {
        let windows = json!([{ "schedule": "0 9 * * *", "duration": "8h" }]);
        let mut project = fixture_tests::project([
            fixture_tests::environment("prod", json!({ "spec": { "windows": windows } })),
            fixture_tests::release("shop-1.1.0", json!({})),
        ]);
        project.freezes.push(Freeze {
            name: "ChangeFreeze sale".into(),
            from: fixture_tests::at("08:00:00"),
            to: fixture_tests::at("20:00:00"),
            reason: "sale".into(),
            environments: Vec::new(),
            passes: Vec::new(),
        });
        let prod = fixture_tests::the_environment(&project, "prod");
        let release = fixture_tests::the_release(&project, "shop-1.1.0");
        let tomorrow: Timestamp = "2026-11-03T09:00:00Z".parse().unwrap();
        for (now, others) in [("12:00:00", false), ("18:00:00", true)] {
            let now = fixture_tests::at(now);
            let found = evaluate(&project, &prod, &release, Requested::ByController, &[], now);
            let Gate::Closed { message, until, .. } = found else { panic!("{found:?}") };
            assert_eq!(until, Some(tomorrow), "{now}: {message}");
            let freeze = "ChangeFreeze sale is in force until 2026-11-02T20:00:00Z";
            assert!(message.contains(freeze), "{now}: {message}");
            assert_eq!(message.contains("outside every Allow window"), others, "{now}: {message}");
            assert!(message.ends_with(&format!("all gates of time are open at {tomorrow}")), "{message}");
        }
        let overridden = [GateName::Freeze];
        let now = fixture_tests::at("18:00:00");
        let found = evaluate(&project, &prod, &release, Requested::ByController, &overridden, now);
        let Gate::Closed { gate, message, .. } = found else { panic!("{found:?}") };
        assert!(gate == Reason::Window && !message.contains("ChangeFreeze"), "{message}");
    }

    #[test]
    fn the_gate_that_opens_last_is_reported_with_the_time_at_which_all_are_open() {
        use Reason::{Freeze, NotBefore, Soak, Window};
        let all_open = |hour: i64| format!("all gates of time are open at {}", at(hour));
        for (periods, gate, until, message) in [
            (vec![(Window, 0, Some(8))], Window, Some(8), "closed".to_owned()),
            (
                vec![(Window, 0, Some(8)), (Freeze, 0, Some(20))],
                Freeze,
                Some(20),
                format!("closed; Window: closed; {}", all_open(20)),
            ),
            (
                vec![(Window, 0, Some(20)), (Freeze, 0, Some(8))],
                Window,
                Some(20),
                format!("closed; Freeze: closed; {}", all_open(20)),
            ),
            // The window is open now and closed when the freeze ends.
            (
                vec![(Window, 18, Some(32)), (Freeze, 0, Some(20))],
                Freeze,
                Some(32),
                format!("closed; {}", all_open(32)),
            ),
            // And another freeze starts before the window opens again.
            (
                vec![(Window, 18, Some(32)), (Freeze, 0, Some(20)), (Freeze, 30, Some(40))],
                Freeze,
                Some(40),
                format!("closed; {}", all_open(40)),
            ),
            // Of two that open at the same time, the first one.
            (
                vec![(Soak, 0, Some(8)), (NotBefore, 0, Some(8))],
                Soak,
                Some(8),
                format!("closed; NotBefore: closed; {}", all_open(8)),
            ),
            (
                vec![(Window, 0, None), (Freeze, 0, Some(8))],
                Window,
                None,
                "closed; Freeze: closed".to_owned(),
            ),
        ] {
            let expected = (gate, message, until.map(at));
            assert_eq!(found(&periods, 1), expected, "{periods:?}");
        }
    }
}
