//! Since when a release is in its state in an environment, and how long it waited there before.
//!
//! Invariant: both follow from the stored line and the current time, so that a lost write loses no wait.

use crate::api::{GateWait, Reason, StageStatus};
use crate::decide::conditions::seconds;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The line with the times of the stored line of the same environment.
pub(super) fn timed(line: StageStatus, stored: &[StageStatus], now: Timestamp) -> StageStatus {
    let now = seconds(now);
    let Some(before) = stored.iter().find(|before| before.name == line.name) else {
        return StageStatus { since: Some(Time(now)), ..line };
    };
    let since = before.since.as_ref().map(|time| time.0);
    if before.state == line.state {
        return StageStatus { since: since.or(Some(now)).map(Time), waits: before.waits.clone(), ..line };
    }
    StageStatus { since: Some(Time(now)), waits: waits_until(before, now), ..line }
}

/// The waits of a line, with the one that lasts until now.
pub fn waits_until(line: &StageStatus, now: Timestamp) -> Vec<GateWait> {
    let mut waits = line.waits.clone();
    let is_wait = Reason::from(line.state.as_str()).is_wait();
    let Some(since) = line.since.as_ref().filter(|_| is_wait) else { return waits };
    let seconds = now.duration_since(since.0).as_secs().max(0);
    match waits.iter_mut().find(|wait| wait.gate == line.state) {
        Some(wait) => {
            wait.seconds = wait.seconds.saturating_add(seconds);
            wait.times = wait.times.saturating_add(1);
        }
        None => waits.push(GateWait { gate: line.state.clone(), seconds, times: 1 }),
    }
    waits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(state: &str) -> StageStatus {
        StageStatus {
            name: "prod".into(),
            state: state.to_owned(),
            message: None,
            revision: None,
            promotion: None,
            until: None,
            since: None,
            waits: Vec::new(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn waits_add_up_by_gate() {
        let mut stored = timed(line("Window"), &[], at(100));
        for (state, second) in [("Window", 150), ("Freeze", 200), ("Window", 260), ("Promoting", 300)] {
            stored = timed(line(state), &[stored], at(second));
        }
        let shown: Vec<(&str, i64, i32)> =
            stored.waits.iter().map(|wait| (wait.gate.as_str(), wait.seconds, wait.times)).collect();
        assert_eq!(shown, [("Window", 140, 2), ("Freeze", 60, 1)]);
        assert_eq!(stored.since, Some(Time(at(300))));
    }

    #[test]
    fn work_and_ends_are_no_waits() {
        let mut stored = timed(line("Promoting"), &[], at(100));
        for (state, second) in [("Verified", 200), ("RolledBack", 300)] {
            stored = timed(line(state), &[stored], at(second));
        }
        assert_eq!((stored.waits.len(), stored.since), (0, Some(Time(at(300)))));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_negative_wait() {
        let stored = timed(line("Window"), &[], at(100));
        let after = timed(line("Promoting"), &[stored], at(40));
        assert_eq!(after.waits[0].seconds, 0);
    }
}
