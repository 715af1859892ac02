//! The measurements of one check together: counts, the verdict that follows, and when the next one is due.
//!
//! Invariant: failing measurements are in the record before they count, so a restart of the controller loses none. Passing ones are not:
//! a process that did not take them takes them again.

use super::assess::assess;
use crate::api::{Check, CheckReport, Verdict};
use crate::decide::conditions::seconds;
use crate::decide::moments::{doubled, later, span};
use crate::decide::world::{Answer, Answered, Assessed, Measured, Tally};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;
use std::sync::Arc;

/// The look-back of a query without `window`.
const WINDOW: SignedDuration = SignedDuration::from_secs(60);
/// The longest delay before a provider that gave no answer, or an object that did not change, is asked again; a longer interval stays.
const LONGEST: SignedDuration = SignedDuration::from_mins(5);
/// How long a measurement may take until it counts as lost: longer than any request.
const LOST: SignedDuration = SignedDuration::from_secs(60);

/// When checks are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When everything was rolled out, or the start of the wait before the first write.
    pub since: Timestamp,
    /// When the observe window ends. None before the first write.
    pub until: Option<Timestamp>,
    /// Whether the window has ended and the promotion goes on for another reason: a test runs, or a person is awaited.
    pub held: bool,
}

/// The measurements of a check, with the newest assessed.
#[derive(Clone, Debug)]
pub struct Round<'a> {
    /// The check.
    pub check: &'a Check,
    /// The counts.
    pub tally: Tally,
    /// Whether the counts hold a measurement that this pass assessed.
    pub is_new: bool,
    /// When the measurement that is being taken was started.
    pub asked: Option<Timestamp>,
    /// The report in the record.
    pub recorded: Option<&'a CheckReport>,
}

/// What the measurements say when the observe window has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The check passed.
    Passed,
    /// It needs further measurements.
    Open,
    /// It could not be measured.
    Errored,
    /// It was measured, and says nothing.
    Inconclusive,
}

/// The look-back of a check.
pub fn window(check: &Check) -> SignedDuration {
    match (&check.prometheus, check.window) {
        (Some(_), Some(window)) => span(window),
        (Some(_), None) => WINDOW,
        (None, _) => SignedDuration::ZERO,
    }
}

/// The earliest measurement after the rollout.
pub fn first_after(check: &Check, since: Timestamp) -> Timestamp {
    later(since, first_delay(check))
}

/// The time from the end of the rollout to the earliest measurement.
pub fn first_delay(check: &Check) -> SignedDuration {
    window(check).saturating_add(check.initial_delay.map_or(SignedDuration::ZERO, span))
}

impl<'a> Round<'a> {
    /// Over what the process measured and the record holds.
    pub fn of(check: &'a Check, measured: Option<&Measured>, recorded: Option<&'a CheckReport>) -> Self {
        let mut tally = measured
            .and_then(|measured| measured.tally.clone())
            .unwrap_or_else(|| recorded.map(from_record).unwrap_or_default());
        let baseline = recorded.and_then(|report| report.baseline.as_ref()?.parse().ok());
        let answer = measured.and_then(|measured| measured.answer.as_ref());
        if let Some(answered) = answer {
            count(&mut tally, assess(check, answered, baseline));
            notice(&mut tally, answered);
        }
        let asked = measured.and_then(|measured| measured.asked);
        Self { check, tally, is_new: answer.is_some(), asked, recorded }
    }

    /// Whether the check failed: more failing measurements than it tolerates.
    pub fn has_failed(&self) -> bool {
        match self.check.consecutive_failures {
            Some(limit) => i64::from(self.tally.failed_in_a_row) >= i64::from(limit),
            None => i64::from(self.tally.failed) > i64::from(self.check.failure_limit),
        }
    }

    /// Whether the check cannot be measured: more errors in a row than it tolerates.
    pub fn has_errored(&self) -> bool {
        i64::from(self.tally.errored_in_a_row) > i64::from(self.check.error_limit)
    }

    fn has_enough(&self) -> bool {
        i64::from(self.tally.passed) >= i64::from(self.check.min_measurements)
    }

    /// What follows when the observe window has ended, unless the check failed. The last measurement is taken after the end, and decides:
    /// what passed before says nothing about now. After one that failed or got no answer, another one is taken, until the check fails,
    /// errors or passes. After one that says nothing, one more is taken. Each of these counts up to a limit, so there is an end.
    pub fn end(&self, until: Option<Timestamp>) -> End {
        let last = self.tally.last.as_ref();
        if self.has_errored() {
            return End::Errored;
        }
        if last.zip(until).is_some_and(|(last, until)| last.at < until) || self.was_held() {
            return End::Open;
        }
        let is_measured = i64::from(self.tally.taken) >= i64::from(self.check.min_measurements);
        // An alert that is still pending has had its time.
        let may_pass = self.has_enough() && self.check.alerts.is_none();
        match last.map(|last| last.verdict) {
            Some(Verdict::Passed) if self.has_enough() => End::Passed,
            Some(Verdict::Failed | Verdict::Errored) | None => End::Open,
            Some(Verdict::Inconclusive) if may_pass && self.tally.silent <= 1 => End::Open,
            Some(Verdict::Passed | Verdict::Inconclusive) if is_measured => End::Inconclusive,
            Some(Verdict::Passed | Verdict::Inconclusive) => End::Open,
        }
    }

    /// Whether the last measurement is from before the end of a wait: what passed hours ago says nothing about now.
    fn was_held(&self) -> bool {
        !self.is_new && self.tally.held
    }

    /// The delay before the next measurement. It doubles with each measurement that got no answer.
    pub fn pace(&self) -> SignedDuration {
        self.doubled(span(self.check.interval))
    }

    /// The same for a wait that can last hours: it also doubles each time when the objects are as they were.
    pub fn slow_pace(&self) -> SignedDuration {
        doubled(span(self.check.interval), self.tally.errored_in_a_row.max(self.tally.unchanged), LONGEST)
    }

    /// A delay, doubled with each measurement that got no answer.
    pub fn doubled(&self, delay: SignedDuration) -> SignedDuration {
        doubled(delay, self.tally.errored_in_a_row, LONGEST)
    }

    /// When the next measurement is due; none if no further one is taken. One is taken when the observe window ends. They go on for as long as
    /// the promotion is held after it.
    pub fn due(&self, span: Span) -> Option<Timestamp> {
        if self.has_failed() || self.has_errored() {
            return None;
        }
        let interval = crate::decide::moments::span(self.check.interval);
        let pace = if span.held { self.slow_pace() } else { self.pace() };
        let Some(last) = &self.tally.last else {
            let first = span.until.map_or(span.since, |_| first_after(self.check, span.since));
            // Another process took one before: a restart does not shorten the interval.
            let recorded = self.recorded.and_then(|report| report.at.as_ref());
            return Some(recorded.map_or(first, |at| first.max(later(at.0, interval))));
        };
        let next = later(last.at, pace);
        let next = match span.until {
            Some(until) if last.at < until => next.min(until),
            Some(until) if !span.held && self.end(Some(until)) != End::Open => return None,
            Some(_) | None => next,
        };
        Some(last.retry_at.map_or(next, |at| next.max(at)))
    }

    /// Whether a measurement is being taken.
    pub fn is_being_measured(&self, now: Timestamp) -> bool {
        self.asked.is_some_and(|asked| now < later(asked, LOST))
    }

    /// When a measurement that is being taken counts as lost.
    pub fn lost_at(&self) -> Option<Timestamp> {
        self.asked.map(|asked| later(asked, LOST))
    }

    /// Whether the record has to hold the newest measurement: it failed, or it differs in kind from what the record says.
    pub fn is_news(&self) -> bool {
        let Some(last) = self.tally.last.as_ref().filter(|_| self.is_new) else { return false };
        let recorded = self.recorded.map(from_record).unwrap_or_default();
        let was_bad = recorded.failed_in_a_row > 0 || recorded.errored_in_a_row > 0;
        match last.verdict {
            Verdict::Failed => true,
            Verdict::Errored => recorded.errored_in_a_row == 0 || self.has_errored(),
            Verdict::Passed => was_bad,
            // A metric without data, at first: a person may have to fix the query.
            Verdict::Inconclusive => {
                was_bad
                    || (self.tally.passed == 0
                        && self.recorded.and_then(|report| report.at.as_ref()).is_none())
            }
        }
    }

    /// The report for the record.
    pub fn report(&self, verdict: Option<Verdict>, query: Option<String>) -> CheckReport {
        let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        let last = self.tally.last.as_ref();
        let recorded = self.recorded;
        CheckReport {
            name: self.check.name.clone(),
            verdict,
            passed: number(self.tally.passed),
            failed: number(self.tally.failed),
            failed_in_a_row: number(self.tally.failed_in_a_row),
            errored_in_a_row: number(self.tally.errored_in_a_row),
            at: last.map(|last| Time(seconds(last.at))).or_else(|| recorded?.at.clone()),
            value: last.map_or_else(|| recorded.and_then(|it| it.value.clone()), |last| last.value.clone()),
            baseline: recorded.and_then(|report| report.baseline.clone()),
            query: recorded.and_then(|it| it.query.clone()).or(query),
            message: last
                .map(|last| last.message.clone())
                .or_else(|| recorded.and_then(|report| report.message.clone())),
            dry_run: self.check.dry_run,
        }
    }
}

/// The counts that the record holds.
fn from_record(report: &CheckReport) -> Tally {
    let number = |count: i32| u32::try_from(count).unwrap_or(0);
    Tally {
        failed: number(report.failed),
        failed_in_a_row: number(report.failed_in_a_row),
        errored_in_a_row: number(report.errored_in_a_row),
        ..Tally::default()
    }
}

/// Notes whether the objects of an answer are those that were read before.
fn notice(tally: &mut Tally, answered: &Answered) {
    let versions = match &answered.answer {
        Ok(Answer::Objects(objects)) => {
            let text = |object: &Value, field: &str| {
                object.pointer(field).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let version = |object: &Arc<Value>| {
                ["/metadata/name", "/metadata/uid", "/metadata/resourceVersion"]
                    .map(|field| text(object, field))
                    .join(" ")
            };
            Some(objects.iter().map(version).collect::<Vec<_>>().join("\n"))
        }
        Ok(_) | Err(_) => None,
    };
    let is_same = versions.is_some() && versions == tally.versions;
    tally.unchanged = if is_same { tally.unchanged.saturating_add(1) } else { 0 };
    tally.versions = versions;
}

/// Adds a measurement to the counts.
fn count(tally: &mut Tally, assessed: Assessed) {
    match assessed.verdict {
        Verdict::Passed => {
            tally.passed = tally.passed.saturating_add(1);
            tally.taken = tally.taken.saturating_add(1);
            (tally.failed_in_a_row, tally.errored_in_a_row, tally.silent) = (0, 0, 0);
        }
        Verdict::Failed => {
            tally.failed = tally.failed.saturating_add(1);
            tally.failed_in_a_row = tally.failed_in_a_row.saturating_add(1);
            tally.errored_in_a_row = 0;
        }
        Verdict::Inconclusive => {
            tally.taken = tally.taken.saturating_add(1);
            tally.silent = tally.silent.saturating_add(1);
            (tally.failed_in_a_row, tally.errored_in_a_row) = (0, 0);
        }
        Verdict::Errored => tally.errored_in_a_row = tally.errored_in_a_row.saturating_add(1),
    }
    tally.last = Some(assessed);
}
