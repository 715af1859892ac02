//! The promotions of a release as a drawing: one row for each, by environment, from left to right in time.

use super::shown::second;
use super::{Report, Way};
use crate::view::screen::{middle, printable};
use crate::view::times;
use crate::view::tone::of_state;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

/// Width of the drawing.
const WIDTH: f64 = 1000.0;
/// Width of the names.
const NAMES: f64 = 150.0;
/// Height of a row.
const ROW: f64 = 28.0;
/// Height of the scale.
const SCALE: f64 = 26.0;
/// A bar is never narrower: a rollout of seconds in a wait of days stays visible.
const NARROWEST: f64 = 3.0;
/// Space between the last bar and the right edge, for its word.
const RIGHT: f64 = 90.0;

/// The period that is drawn.
struct Period {
    from: Timestamp,
    length: SignedDuration,
}

impl Period {
    fn of(report: &Report, now: Timestamp) -> Self {
        let last = report.promotions.iter().map(|way| way.finished_at.unwrap_or(now)).max();
        let length = last.unwrap_or(now).duration_since(report.created_at);
        Self { from: report.created_at, length: length.max(SignedDuration::from_secs(1)) }
    }

    /// Where a time is, from left to right.
    fn x(&self, at: Timestamp) -> f64 {
        let part = at.duration_since(self.from).as_secs_f64() / self.length.as_secs_f64();
        NAMES + part.clamp(0.0, 1.0) * (WIDTH - NAMES - RIGHT)
    }
}

/// One part of a promotion.
struct Bar {
    class: &'static str,
    from: Timestamp,
    to: Timestamp,
}

/// The drawing. The tables of the report say the same in words.
pub(super) fn time_line(report: &Report, now: Timestamp) -> Markup {
    let period = Period::of(report, now);
    let rows = rows(report);
    let tops = || std::iter::successors(Some(SCALE), |top| Some(top + ROW));
    let height = tops().nth(rows.len()).unwrap_or(SCALE) + 6.0;
    let length = times::length(period.length);
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {height:.0}")) role="img" aria-labelledby="time-line" {
            title id="time-line" {
                "Promotions by environment, from " (second(period.from)) " on, over " (length)
                ". Grey: waits, blue: rolls out, light blue: is observed."
            }
            text.dim x=(NAMES) y="14" { (second(period.from)) }
            text.dim x=(WIDTH - RIGHT) y="14" text-anchor="end" { "after " (length) }
            @for ((name, way), top) in rows.iter().zip(tops()) {
                @if let Some(name) = name {
                    line x1="0" x2=(WIDTH) y1=(top) y2=(top) {}
                    text x="0" y=(top + 18.0) { (middle(&printable(name), 20)) }
                }
                (drawn(way, &period, top, now))
            }
        }
    }
}

/// The promotions by environment; the first of each with the name of the environment.
fn rows(report: &Report) -> Vec<(Option<&str>, &Way)> {
    let named = report.environments.iter().flat_map(|row| {
        let name = &row.figures.environment;
        let here = report.promotions.iter().filter(move |way| way.environment == *name);
        here.enumerate().map(|(nth, way)| ((nth == 0).then_some(name.as_str()), way))
    });
    named.collect()
}

/// One promotion: its bars, and how it ended.
fn drawn(way: &Way, period: &Period, top: f64, now: Timestamp) -> Markup {
    let end = way.finished_at.unwrap_or(now);
    let x = |at: Timestamp| period.x(at);
    let what = if way.rollback { "rollback" } else { "promotion" };
    let mark = if way.rollback { "\u{21a9} " } else { "" };
    html! {
        g {
            title {
                (what) " " (printable(&way.promotion)) ": " (printable(&way.phase)) ", from "
                (second(way.created_at)) " to " (second(end))
            }
            @for bar in bars(way, end) {
                rect class=(bar.class) x=(short(x(bar.from))) y=(top + 6.0) height=(ROW - 12.0)
                    width=(short((x(bar.to) - x(bar.from)).max(NARROWEST))) {}
            }
            circle class=(of_state(&way.phase).as_str()) cx=(short(x(end))) cy=(top + ROW / 2.0) r="4" {}
            text x=(short(x(end) + 7.0)) y=(top + 18.0) { (mark) (middle(&printable(&way.phase), 12)) }
        }
    }
}

/// The parts of a promotion: it waited, it was rolled out, it was observed.
fn bars(way: &Way, end: Timestamp) -> Vec<Bar> {
    let started = way.started_at.unwrap_or(end);
    let rolled_out = way.rolled_out_at.unwrap_or(end).max(started);
    let all = [
        Bar { class: "wait", from: way.created_at, to: started },
        Bar { class: "work", from: started, to: rolled_out },
        Bar { class: "watch", from: rolled_out, to: end },
    ];
    all.into_iter().filter(|bar| bar.from < bar.to).collect()
}

/// A number with enough digits for a drawing.
fn short(number: f64) -> String {
    format!("{number:.1}")
}
