//! A month as a grid: seven days a line, each with a mark for what happens.

use super::{Calendar, Kind};
use crate::view::screen::Layout;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan};

/// The width of the grid.
const WIDTH: usize = 7 * 4 - 1;

impl Calendar {
    /// The months of the calendar, with a mark at each day on which something happens. Empty on a terminal that is too narrow.
    pub fn months(&self, zone: &TimeZone, layout: Layout) -> Vec<String> {
        if layout.width.is_some_and(|width| width < WIDTH) {
            return Vec::new();
        }
        let mut lines = Vec::new();
        let last = self.to.to_zoned(zone.clone()).date();
        let mut month = self.from.to_zoned(zone.clone()).date().first_of_month();
        while month < last {
            lines.extend(self.month(month, zone));
            lines.push(String::new());
            let Ok(next) = month.checked_add(1.month()) else { break };
            month = next;
        }
        lines.push("F frozen  p promoted  P plan  + earliest  w window".to_owned());
        lines
    }

    fn month(&self, first: Date, zone: &TimeZone) -> Vec<String> {
        let title = first.strftime("%B %Y").to_string();
        let mut lines =
            vec![format!("{title:^WIDTH$}").trim_end().to_owned(), "Mon Tue Wed Thu Fri Sat Sun".to_owned()];
        let skipped = usize::try_from(first.weekday().to_monday_zero_offset()).unwrap_or_default();
        let mut cells: Vec<String> = vec![" ".repeat(3); skipped];
        let days = i64::from(first.days_in_month());
        for day in 0..days {
            let Ok(date) = first.checked_add(Span::new().days(day)) else { break };
            cells.push(format!("{:>2}{}", date.day(), self.mark(date, zone)));
        }
        lines.extend(cells.chunks(7).map(|week| week.join(" ").trim_end().to_owned()));
        lines
    }

    /// The mark of the most important entry of a day.
    fn mark(&self, date: Date, zone: &TimeZone) -> char {
        let is_on = |kind: Kind| {
            self.entries.iter().filter(|entry| entry.kind == kind).any(|entry| {
                let day = |at: jiff::Timestamp| at.to_zoned(zone.clone()).date();
                // An entry that ends at midnight does not reach into the next day.
                let end = entry.to.checked_sub(jiff::SignedDuration::from_nanos(1)).unwrap_or(entry.to);
                day(entry.from) <= date && date <= day(end.max(entry.from))
            })
        };
        let marks = [
            (Kind::Freeze, 'F'),
            (Kind::Promotion, 'p'),
            (Kind::Plan, 'P'),
            (Kind::Planned, '+'),
            (Kind::Window, 'w'),
        ];
        marks.into_iter().find(|(kind, _)| is_on(*kind)).map_or(' ', |(_, mark)| mark)
    }
}
