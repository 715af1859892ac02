//! The calendar of a project: windows, freezes, planned and past promotions.

mod ical;
mod month;

use super::plan::plan_of;
use super::screen::{Cell, Table};
use super::tone::{Tone, of_state};
use crate::api::{EnvironmentName, Meta, ProjectName, PromotionPhase, Reason};
use crate::decide::gates::schedule::{Opening, opening};
use crate::decide::world::Project;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

/// The most openings of the windows of one environment that are listed.
const MOST_OPENINGS: usize = 2_000;

/// What happens between two times.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Calendar {
    /// Name of the project.
    pub project: ProjectName,
    /// Start of the period.
    pub from: Timestamp,
    /// End of the period.
    pub to: Timestamp,
    /// The entries, by start.
    pub entries: Vec<Entry>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Start.
    pub from: Timestamp,
    /// End. For what has not ended, the end of the period or, for a promotion, the start.
    pub to: Timestamp,
    /// What it is.
    pub kind: Kind,
    /// Name of the environment. Empty for a freeze of every environment.
    pub environment: EnvironmentName,
    /// The name of the freeze, or of the release.
    pub name: String,
    /// The reason of the freeze, the phase of the promotion, or what a planned promotion needs.
    pub details: String,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Kind {
    /// No promotion starts.
    Freeze,
    /// The windows of an environment are open.
    Window,
    /// A promotion or a rollback.
    Promotion,
    /// The start that a release plans.
    Plan,
    /// The earliest time of a promotion that has not started.
    Planned,
}

impl Kind {
    /// The word for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Window => "window",
            Self::Promotion => "promotion",
            Self::Plan => "plan",
            Self::Planned => "planned",
        }
    }
}

/// The calendar of a project between two times.
pub fn calendar(project: &Project, from: Timestamp, to: Timestamp, now: Timestamp) -> Calendar {
    let mut entries: Vec<Entry> = windows(project, from, to);
    entries.extend(freezes(project, from, to));
    entries.extend(promotions(project));
    entries.extend(plans(project));
    entries.extend(planned(project, now));
    entries.retain(|entry| entry.from < to && entry.to >= from);
    entries.sort();
    Calendar { project: project.name.clone(), from, to, entries }
}

/// The times at which the windows of the environments are open.
fn windows(project: &Project, from: Timestamp, to: Timestamp) -> Vec<Entry> {
    let mut entries = Vec::new();
    for environment in project.environments.values().filter(|it| !it.spec.windows.is_empty()) {
        let mut at = from;
        for _ in 0..MOST_OPENINGS {
            let next = match opening(&environment.spec.windows, at) {
                Opening::Open { until } => {
                    let until = until.unwrap_or(to);
                    entries.push(Entry {
                        from: at,
                        to: until,
                        kind: Kind::Window,
                        environment: environment.environment_name(),
                        name: String::new(),
                        details: String::new(),
                    });
                    until
                }
                Opening::Closed { until, .. } => until.unwrap_or(to),
            };
            if next <= at || next >= to {
                break;
            }
            at = next;
        }
    }
    entries
}

fn freezes(project: &Project, from: Timestamp, to: Timestamp) -> Vec<Entry> {
    let mut entries = Vec::new();
    for freeze in &project.freezes {
        let (all, named) = ([EnvironmentName::default()], freeze.environments.as_slice());
        for environment in if named.is_empty() { all.as_slice() } else { named } {
            entries.push(Entry {
                from: freeze.from.max(from),
                to: freeze.to.min(to),
                kind: Kind::Freeze,
                environment: environment.clone(),
                name: freeze.name.clone(),
                details: freeze.reason.clone(),
            });
        }
    }
    entries
}

fn promotions(project: &Project) -> impl Iterator<Item = Entry> {
    project.promotions.values().filter_map(|promotion| {
        let status = promotion.status.as_ref()?;
        let from = status.started_at.as_ref()?.0;
        Some(Entry {
            from,
            to: status.finished_at.as_ref().map_or(from, |time| time.0),
            kind: Kind::Promotion,
            environment: promotion.spec.environment.clone(),
            name: promotion.name().to_owned(),
            details: status.phase.as_str().to_owned(),
        })
    })
}

/// The starts that people planned, until the release has started there.
fn plans(project: &Project) -> impl Iterator<Item = Entry> {
    project.releases.values().filter(|release| release.phase().is_open()).flat_map(|release| {
        let status = release.status().unwrap_or_default();
        let waits = move |environment: &EnvironmentName| {
            let line = status.environments.iter().find(|line| line.name == *environment);
            line.is_none_or(|line| Reason::from(line.state.as_str()).is_wait())
        };
        let starts = release.change.iter().flat_map(|change| &change.planned_for);
        let starts = starts.filter(move |start| waits(&start.environment));
        starts.map(|start| Entry {
            from: start.at.0,
            to: start.at.0,
            kind: Kind::Plan,
            environment: start.environment.clone(),
            name: release.name().to_owned(),
            details: String::new(),
        })
    })
}

/// The promotions that releases still have before them.
fn planned(project: &Project, now: Timestamp) -> Vec<Entry> {
    let mut entries = Vec::new();
    for part in project.by_application().values() {
        for release in part.releases.values().filter(|release| release.phase().is_open()) {
            let steps = plan_of(part, release, now).steps.into_iter();
            entries.extend(steps.filter(|step| step.state != PromotionPhase::Verified.as_str()).filter_map(
                |step| {
                    let from = step.starts.filter(|starts| *starts >= now)?;
                    Some(Entry {
                        from,
                        to: step.verified.unwrap_or(from),
                        kind: Kind::Planned,
                        environment: step.environment,
                        name: release.name().to_owned(),
                        details: step.people.join("; "),
                    })
                },
            ));
        }
    }
    entries
}

impl Calendar {
    /// The entries by day, in a time zone.
    pub fn table(&self, zone: &TimeZone) -> Table {
        let mut table = Table::new(&["DAY", "TIME", "WHAT", "ENVIRONMENT", "NAME"], "DETAILS");
        let mut shown = None;
        for entry in &self.entries {
            let (from, to) = (entry.from.to_zoned(zone.clone()), entry.to.to_zoned(zone.clone()));
            let day = from.date();
            let heading = match shown.replace(day) == Some(day) {
                true => String::new(),
                false => from.strftime("%a %d %b").to_string(),
            };
            let time = match to.date() == day {
                true if entry.to == entry.from => from.strftime("%H:%M").to_string(),
                true => format!("{}-{}", from.strftime("%H:%M"), to.strftime("%H:%M")),
                false => format!("{}-{}", from.strftime("%H:%M"), to.strftime("%d %b %H:%M")),
            };
            let tone = match entry.kind {
                Kind::Freeze => Tone::Bad,
                Kind::Window => Tone::Good,
                Kind::Promotion => of_state(&entry.details),
                Kind::Plan | Kind::Planned => Tone::Waits,
            };
            let (what, details) = match entry.kind {
                Kind::Promotion => (entry.details.as_str(), ""),
                Kind::Freeze | Kind::Window | Kind::Plan | Kind::Planned => {
                    (entry.kind.word(), entry.details.as_str())
                }
            };
            let environment = if entry.environment.is_empty() { "all" } else { entry.environment.as_str() };
            let cells = vec![
                Cell::plain(heading),
                Cell::plain(time),
                Cell::toned(what, tone),
                Cell::plain(environment),
                Cell::plain(&entry.name),
            ];
            table.row(cells, details);
        }
        table
    }
}

#[cfg(test)]
#[path = "calendar/tests.rs"]
mod tests;
