//! The calendar: a month or a week of windows, freezes, plans and promotions.

use super::{Request, act, environment_of, links, title};
use crate::api::Meta;
use crate::view::calendar::{Calendar, Entry, Kind, calendar};
use crate::view::screen::printable;
use crate::web::action::Action;
use crate::web::route::Place;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ToSpan};
use maud::{Markup, html};

/// Most entries that are listed on one day.
const MOST: usize = 6;

/// The days that are shown.
struct Period {
    zone: TimeZone,
    zone_name: String,
    is_week: bool,
    first: Date,
    days: i64,
}

impl Period {
    fn of(request: &Request<'_>) -> Self {
        let choice = |name: &str| request.choices.get(name).map(String::as_str).unwrap_or_default();
        let zone_name = Some(choice("zone")).filter(|name| !name.is_empty()).unwrap_or("UTC").to_owned();
        let zone = TimeZone::get(&zone_name).unwrap_or(TimeZone::UTC);
        let today = request.now.to_zoned(zone.clone()).date();
        let day = choice("day").parse().unwrap_or(today);
        let is_week = choice("view") == "week";
        let (first, days) = match is_week {
            true => {
                let back = i64::from(day.weekday().to_monday_zero_offset());
                (day.checked_sub(Span::new().days(back)).unwrap_or(day), 7)
            }
            false => (day.first_of_month(), i64::from(day.days_in_month())),
        };
        Self { zone, zone_name, is_week, first, days }
    }

    fn start(&self, date: Date) -> Timestamp {
        date.to_zoned(self.zone.clone()).map(|zoned| zoned.timestamp()).unwrap_or(Timestamp::MIN)
    }

    fn day(&self, number: i64) -> Date {
        self.first.checked_add(Span::new().days(number)).unwrap_or(self.first)
    }

    fn query(&self, day: Date, is_week: bool) -> String {
        let view = if is_week { "week" } else { "month" };
        format!("?view={view}&day={day}&zone={}", self.zone_name.replace('+', "%2B"))
    }
}

pub(super) fn page(request: &Request<'_>) -> Markup {
    let period = Period::of(request);
    let everything = &request.snapshot.everything;
    let (from, to) = (period.start(period.first), period.start(period.day(period.days)));
    let view = calendar(&everything.project, from, to, request.now);
    let heading = if period.is_week { "Week of %-d %B %Y" } else { "%B %Y" };
    let named = |heading: &str, text: &str| {
        let entry = view.entries.iter().find(|entry| entry.name == text).filter(|_| heading == "NAME")?;
        match entry.kind {
            Kind::Promotion => Some(request.route.to(Place::Promotion(entry.name.clone()))),
            Kind::Plan | Kind::Planned => Some(request.route.to(Place::Release(entry.name.as_str().into()))),
            Kind::Freeze | Kind::Window => None,
        }
    };
    let environments = links(request.route, &[("ENVIRONMENT", environment_of)]);
    let link = |heading: &str, text: &str| {
        named(heading, text).or_else(|| environments(heading, text).filter(|_| text != "all"))
    };
    html! {
        (title(&html! { "Calendar: " (period.first.strftime(heading).to_string()) }))
        (tools(request, &period))
        div.wide tabindex="0" role="region" aria-label="Calendar" { (grid(&view, &period)) }
        div.acts {
            (act(Action::Freeze, &[])) " "
            @for freeze in request.snapshot.lists.freezes().filter(|it| it.spec.to.0 > request.now) {
                (act(Action::Unfreeze, &[("name", freeze.name())])) " " (freeze.name()) " "
            }
        }
        @if view.entries.is_empty() { p { "Nothing is in the calendar." } }
        @else { (view.table(&period.zone).markup(&format!("Entries, in {}", period.zone_name), &link, &|_| None)) }
    }
}

fn tools(request: &Request<'_>, period: &Period) -> Markup {
    let here = request.route.href();
    let step = if period.is_week { 7.days() } else { 1.month() };
    let (before, after) = (period.first.checked_sub(step), period.first.checked_add(step));
    let today = request.now.to_zoned(period.zone.clone()).date();
    html! {
        div.tools {
            @if let Ok(day) = before { a href=(format!("{here}{}", period.query(day, period.is_week))) { "earlier" } " " }
            a href=(format!("{here}{}", period.query(today, period.is_week))) { "today" } " "
            @if let Ok(day) = after { a href=(format!("{here}{}", period.query(day, period.is_week))) { "later" } " " }
            a href=(format!("{here}{}", period.query(period.first, !period.is_week))) { @if period.is_week { "month" } @else { "week" } }
            form data-go="zone" {
                input type="hidden" name="view" value=(if period.is_week { "week" } else { "month" });
                input type="hidden" name="day" value=(period.first);
                label for="zone" { "Time zone" }
                input #zone name="zone" value=(period.zone_name) list="zones" autocomplete="off" spellcheck="false";
                datalist #zones { @for name in jiff::tz::db().available() { option value=(name.to_string()) {} } }
            }
        }
    }
}

fn grid(view: &Calendar, period: &Period) -> Markup {
    let skipped = i64::from(period.first.weekday().to_monday_zero_offset());
    let weeks = (skipped + period.days + 6) / 7;
    html! {
        table.month {
            caption { "Windows, freezes, plans and promotions by day" }
            thead { tr { @for day in ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] { th scope="col" { (day) } } } }
            tbody {
                @for week in 0..weeks {
                    tr {
                        @for weekday in 0..7 {
                            @let number = week * 7 + weekday - skipped;
                            td { @if (0..period.days).contains(&number) { (day(view, period, period.day(number))) } }
                        }
                    }
                }
            }
        }
    }
}

fn day(view: &Calendar, period: &Period, date: Date) -> Markup {
    let on = |at: Timestamp| at.to_zoned(period.zone.clone()).date();
    let is_on = |entry: &&Entry| {
        // An entry that ends at midnight does not reach into the next day.
        let end = entry.to.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(entry.to).max(entry.from);
        on(entry.from) <= date && date <= on(end)
    };
    let entries: Vec<&Entry> = view.entries.iter().filter(is_on).collect();
    html! {
        span.day { (date.day()) }
        ul {
            @for entry in entries.iter().take(MOST) {
                li class=(class(entry.kind)) { (entry.kind.word()) " " (printable(&entry.environment)) " " (printable(&entry.name)) }
            }
            @if entries.len() > MOST { li.dim { (entries.len() - MOST) " more" } }
        }
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Freeze => "bad",
        Kind::Window => "good",
        Kind::Promotion => "busy",
        Kind::Plan | Kind::Planned => "waits",
    }
}
