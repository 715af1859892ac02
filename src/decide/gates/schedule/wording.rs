//! Why promotions may not start, as a sentence. Invariant: it depends on the deciding windows and not on the current time, so that a
//! status with this sentence does not change until they do.

use super::recurrence::Recurrence;
use super::zone::timestamp;
use super::{Schedule, YEAR};
use crate::api::WindowKind;
use jiff::tz::TimeZone;

/// Which window decides at a minute at which promotions may not start, and what happens at `until`, when they may start.
pub fn why_closed(schedule: &Schedule<'_>, now: i64, until: Option<i64>) -> String {
    match last_deny(schedule, now) {
        Some((deny, closes)) => denied(schedule, deny, closes, until),
        None => outside(schedule, until),
    }
}

/// The open Deny window that closes last, because the others do not delay the start. `None`: it does not close within a year.
fn last_deny<'a, 'w>(schedule: &'a Schedule<'w>, now: i64) -> Option<(&'a Recurrence<'w>, Option<i64>)> {
    let open = schedule.of_kind(WindowKind::Deny).filter(|deny| deny.is_open(now));
    let closing = open.map(|deny| (deny, deny.until(now, YEAR)));
    closing.reduce(|last, next| match (last.1, next.1) {
        (Some(earlier), Some(later)) if later > earlier => next,
        (Some(_), None) => next,
        (Some(_), Some(_)) | (None, _) => last,
    })
}

fn denied(schedule: &Schedule<'_>, deny: &Recurrence<'_>, closes: Option<i64>, until: Option<i64>) -> String {
    let end = match closes {
        Some(at) => format!("until {}", time(at, &deny.zone)),
        None => "and does not close within a year".to_owned(),
    };
    let mut text = format!("Deny window {} is open {end}", name(deny));
    if let Some(reason) = deny.window.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty()) {
        text = format!("{text}: {reason}");
    }
    match until {
        Some(at) if Some(at) == closes => text,
        Some(at) => {
            let zone = schedule.of_kind(WindowKind::Allow).find(|allow| allow.is_open(at)).unwrap_or(deny);
            format!("{text}; promotions may start at {}", time(at, &zone.zone))
        }
        None => format!("{text}; no promotion may start within four years"),
    }
}

fn outside(schedule: &Schedule<'_>, until: Option<i64>) -> String {
    let next = until.and_then(|at| {
        schedule.of_kind(WindowKind::Allow).find(|allow| allow.is_open(at)).map(|allow| (at, allow))
    });
    let Some((at, allow)) = next else {
        return "outside every Allow window, and none opens within four years at a time that no Deny window covers"
            .to_owned();
    };
    let zone = allow.window.time_zone.as_str();
    let window = format!("`{}` for {}", allow.window.schedule, length(allow.duration));
    let start = timestamp_text(at);
    let local = local(at, &allow.zone);
    let deny = schedule.of_kind(WindowKind::Deny).find(|deny| deny.is_open(at - 1) && !deny.is_open(at));
    match deny.filter(|_| allow.is_open(at - 1)) {
        None => format!("outside every Allow window; the next opens {start} ({local} {zone}, {window})"),
        Some(deny) => format!(
            "outside every Allow window; the next allows a start from {start} ({local} {zone}, {window}), when Deny window {} \
             closes",
            name(deny)
        ),
    }
}

/// Schedule and time zone of a window.
fn name(window: &Recurrence<'_>) -> String {
    format!("`{}` ({})", window.window.schedule, window.window.time_zone)
}

fn time(at: i64, zone: &TimeZone) -> String {
    let name = zone.iana_name().unwrap_or("UTC");
    format!("{} ({} {name})", timestamp_text(at), local(at, zone))
}

fn timestamp_text(at: i64) -> String {
    timestamp(at).map(|at| at.to_string()).unwrap_or_default()
}

/// `Mon 09:00`.
fn local(at: i64, zone: &TimeZone) -> String {
    timestamp(at).map(|at| at.to_zoned(zone.clone()).strftime("%a %H:%M").to_string()).unwrap_or_default()
}

/// `8h`, `30m`, `1h30m`.
fn length(minutes: i64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}m"),
        (hours, 0) => format!("{hours}h"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    }
}
