//! Runs that are alike up to some write and crash behind it.

use super::run::{Run, start};
use jiff::SignedDuration;

impl Run {
    /// Runs to the end, and gives to `judge` every run that is like this one up to some write and crashes behind it.
    pub fn crash_everywhere(self, judge: impl FnMut(usize, Run)) -> Self {
        self.crash_where(|_| true, judge)
    }

    /// The same for the writes that are chosen.
    pub fn crash_where(mut self, chosen: impl Fn(usize) -> bool, mut judge: impl FnMut(usize, Run)) -> Self {
        self.seed.get_or_insert(0);
        self.drive(|before, after| {
            for writes in (before.writes + 1..=after).filter(|writes| chosen(*writes)) {
                let mut run = before.clone();
                run.crash_after = Some(writes);
                run.drive(|_, _| {});
                judge(writes, run);
            }
        });
        self
    }

    /// The controller starts again now, and runs on without an end.
    pub fn restarted(mut self) -> Self {
        self.ends = None;
        self.restart();
        self
    }

    /// The controller is down until a moment, in seconds after the start.
    pub fn down_until(mut self, seconds: i64) -> Self {
        self.now = start() + SignedDuration::from_secs(seconds);
        self.play();
        self.restarted()
    }
}
