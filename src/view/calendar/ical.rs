//! The calendar as an iCalendar file (RFC 5545), which calendar programs subscribe to.

use super::{Calendar, Entry, Kind};
use crate::view::screen::printable;
use icalendar::{Component, Event};
use jiff::Timestamp;

impl Calendar {
    /// The calendar in the format iCalendar. `now` is the time at which it was made.
    pub fn ical(&self, now: Timestamp) -> String {
        let mut calendar = icalendar::Calendar::new();
        calendar.name(&format!("Towpath {}", self.project));
        for entry in &self.entries {
            calendar.push(self.event(entry, now));
        }
        calendar.done().to_string()
    }

    fn event(&self, entry: &Entry, now: Timestamp) -> Event {
        let title = match (entry.kind, entry.environment.as_str()) {
            (Kind::Window, environment) => format!("{environment}: window open"),
            (Kind::Freeze, "") => format!("frozen: {}", entry.name),
            (Kind::Freeze, environment) => format!("{environment} frozen: {}", entry.name),
            (Kind::Promotion, environment) => format!("{environment}: {} {}", entry.name, entry.details),
            (Kind::Plan, environment) => format!("{environment}: {} planned", entry.name),
            (Kind::Planned, environment) => format!("{environment}: {} at the earliest", entry.name),
        };
        // The same entry keeps its identity when the file is made again.
        let uid = [
            entry.kind.word(),
            self.project.as_str(),
            entry.environment.as_str(),
            &entry.name.replace(' ', "-"),
            &stamp(entry.from),
        ];
        let uid = match entry.kind {
            // The time of a promotion that has not started may move.
            Kind::Plan | Kind::Planned => uid[..4].join("."),
            Kind::Freeze | Kind::Window | Kind::Promotion => uid.join("."),
        };
        let mut event = Event::new();
        event
            .uid(&format!("{uid}@towpath.dev"))
            .summary(&printable(&title))
            .add_property("DTSTAMP", stamp(now))
            .add_property("DTSTART", stamp(entry.from))
            .add_property("DTEND", stamp(entry.to.max(entry.from)));
        if !entry.details.is_empty() {
            event.description(&printable(&entry.details));
        }
        // A window does not make anybody busy.
        if entry.kind == Kind::Window {
            event.add_property("TRANSP", "TRANSPARENT");
        }
        event.done()
    }
}

/// `20261102T090000Z`.
fn stamp(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}
