//! The report as a tree for a terminal, and as Markdown. [`super::html`] shows the same as a page.

use super::{InEnvironment, Report};
use crate::api::{Incident, StageFigures};
use crate::view::record::Event;
use crate::view::screen::{Branch, Cell, Layout, Table, markdown};
use crate::view::times;
use crate::view::tone::{Tone, of_state};
use jiff::{SignedDuration, Timestamp};
use std::fmt::Write;

impl Report {
    /// The report for a terminal: the release, its way, its incidents, and what happened.
    pub fn lines(&self, layout: Layout) -> Vec<String> {
        let phase = format!("{:?}", self.phase);
        let title =
            vec![Cell::plain("Release"), Cell::plain(&self.release), Cell::toned(&phase, of_state(&phase))];
        let facts = self.facts().into_iter().map(|(name, value)| Branch::new(vec![Cell::plain(name)], value));
        let message = self.message.as_deref().unwrap_or_default();
        let mut lines = Branch::new(title, message).with(facts).lines(layout);
        lines.push(String::new());
        lines.extend(self.environments().lines(layout));
        if !self.incidents.is_empty() {
            lines.push(String::new());
            lines.extend(self.incidents().lines(layout));
        }
        lines.push(String::new());
        lines.extend(self.events().lines(layout));
        lines
    }

    /// What is known about the release.
    pub(super) fn facts(&self) -> Vec<(&'static str, String)> {
        let by = self.created_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
        let mut facts = vec![("created", format!("{}{by}", second(self.created_at)))];
        facts.extend(self.end());
        let Some(change) = &self.change else { return facts };
        let about = &change.description;
        facts.push(("type", change.type_.as_str().to_owned()));
        facts.extend(about.summary.clone().map(|summary| ("summary", summary)));
        facts.extend(about.owner.clone().map(|owner| ("owner", owner)));
        facts.extend(about.risk.map(|risk| ("risk", format!("{risk:?}"))));
        let listed = [("tickets", &about.tickets), ("stakeholders", &about.stakeholders)];
        let listed = listed.into_iter().filter(|(_, names)| !names.is_empty());
        facts.extend(listed.map(|(name, names)| (name, names.join(", "))));
        facts
    }

    /// How it ended, and its review.
    fn end(&self) -> Vec<(&'static str, String)> {
        let ended = self.ending.as_ref().zip(self.ended_at);
        let mut facts: Vec<(&'static str, String)> =
            ended.iter().map(|(how, at)| ("ended", format!("{how}, {}", second(*at)))).collect();
        match &self.review {
            Some(review) => {
                let by = review.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
                let notes = review.notes.as_ref().map(|notes| format!(": {notes}")).unwrap_or_default();
                let outcome = review.outcome.as_str();
                facts.push(("review", format!("{outcome}{by}, {}{notes}", second(review.at))));
                facts.extend(review.actions.iter().map(|action| ("action", action.clone())));
            }
            None if ended.is_some() => {
                let command = format!("kubectl towpath review {} --outcome OUTCOME", self.release);
                facts.push(("review", format!("open; close it with: {command}")));
            }
            None => {}
        }
        facts
    }

    fn environments(&self) -> Table {
        let headings = ["ENVIRONMENT", "STATE", "TRIES", "LEAD TIME", "FOR PEOPLE", "OTHERWISE", "WORKED"];
        let mut table = Table::new(&headings, "WAITED AT");
        for row in &self.environments {
            let [lead, people, other, worked] = row.lengths();
            table.row(
                vec![
                    Cell::plain(&row.figures.environment),
                    Cell::toned(&row.state, of_state(&row.state)),
                    Cell::plain(row.figures.tries.to_string()),
                    Cell::plain(lead),
                    Cell::plain(people),
                    Cell::plain(other),
                    Cell::plain(worked),
                ],
                row.gates(),
            );
        }
        table
    }

    fn incidents(&self) -> Table {
        let mut table = Table::new(&["INCIDENT", "ENVIRONMENT", "RESTORED", "AFTER"], "CAUSE");
        for incident in &self.incidents {
            let [restored, after] = repair(incident);
            let tone = if incident.restored_at.is_some() { Tone::Plain } else { Tone::Bad };
            table.row(
                vec![
                    Cell::plain(second(incident.began_at.0)),
                    Cell::plain(&incident.environment),
                    Cell::toned(restored, tone),
                    Cell::plain(after),
                ],
                cause(incident),
            );
        }
        table
    }

    fn events(&self) -> Table {
        let mut table = Table::new(&["TIME", "EVENT", "IN", "BY", "RESULT"], "DETAILS");
        for event in &self.events {
            let result = event.result.as_deref().unwrap_or_default();
            table.row(
                vec![
                    Cell::plain(second(event.at)),
                    Cell::plain(kind(event)),
                    Cell::plain(event.environment.as_deref().unwrap_or_default()),
                    Cell::plain(event.by.as_deref().unwrap_or_default()),
                    Cell::toned(result, of_state(result)),
                ],
                event.message.as_deref().unwrap_or_default(),
            );
        }
        table
    }

    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        let mut line = |line: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{line}");
        };
        line(format!("# {} {}: {:?}\n", markdown(&self.application), markdown(&self.version), self.phase));
        if let Some(message) = &self.message {
            line(format!("{}\n", markdown(message)));
        }
        for (name, value) in self.facts() {
            line(format!("- {name}: {}", markdown(&value)));
        }
        line("\n## Environments\n".to_owned());
        line(
            "| Environment | State | Tries | Lead time | Waited for people | Waited otherwise | Worked |"
                .to_owned(),
        );
        line("|---|---|---|---|---|---|---|".to_owned());
        for row in &self.environments {
            let (name, state) = (markdown(&row.figures.environment), markdown(&row.state));
            line(format!("| {name} | {state} | {} | {} |", row.figures.tries, row.lengths().join(" | ")));
        }
        if !self.incidents.is_empty() {
            line(
                "\n## Incidents\n\n| Began | Environment | Cause | Restored | After |\n|---|---|---|---|---|"
                    .to_owned(),
            );
            for incident in &self.incidents {
                let (began, why) = (second(incident.began_at.0), markdown(&cause(incident)));
                let [restored, after] = repair(incident);
                let environment = markdown(&incident.environment);
                line(format!("| {began} | {environment} | {why} | {} | {after} |", markdown(&restored)));
            }
        }
        line(
            "\n## What happened\n\n| Time | Event | Environment | By | Details |\n|---|---|---|---|---|"
                .to_owned(),
        );
        for event in &self.events {
            let words: Vec<&str> = event.result.iter().chain(&event.message).map(String::as_str).collect();
            let [environment, by] = [event.environment.as_deref(), event.by.as_deref()]
                .map(|word| markdown(word.unwrap_or_default()));
            let details = markdown(&words.join(": "));
            line(format!("| {} | {} | {environment} | {by} | {details} |", second(event.at), kind(event)));
        }
        text
    }
}

impl InEnvironment {
    /// Lead time, waits for people, other waits, and work.
    pub(super) fn lengths(&self) -> [String; 4] {
        let length = |seconds: i64| times::length(SignedDuration::from_secs(seconds));
        let StageFigures { lead_time, waited_for_people, waited_otherwise, worked, .. } = &self.figures;
        let lead = lead_time.map_or_else(|| "-".to_owned(), length);
        [lead, length(*waited_for_people), length(*waited_otherwise), length(*worked)]
    }

    /// `Approval 5h, Window 3d (2 times)`.
    pub(super) fn gates(&self) -> String {
        let gates = self.waits.iter().map(|wait| {
            let length = times::length(SignedDuration::from_secs(wait.seconds));
            match wait.times {
                0 | 1 => format!("{} {length}", wait.gate),
                times => format!("{} {length} ({times} times)", wait.gate),
            }
        });
        gates.collect::<Vec<_>>().join(", ")
    }
}

/// What was restored, and after what time.
pub(super) fn repair(incident: &Incident) -> [String; 2] {
    match &incident.restored_at {
        None => ["nothing yet".to_owned(), String::new()],
        Some(at) => {
            let what = incident.restored.clone().unwrap_or_else(|| "what ran before".to_owned());
            [what, times::length(at.0.duration_since(incident.began_at.0))]
        }
    }
}

/// The cause of an incident, in one word and in a sentence.
pub(super) fn cause(incident: &Incident) -> String {
    let words = std::iter::once(&incident.cause).chain(&incident.message);
    words.map(String::as_str).collect::<Vec<_>>().join(": ")
}

/// What happened, and whether to a rollback.
pub(super) fn kind(event: &Event) -> String {
    match event.rollback {
        true => format!("{:?} (rollback)", event.event),
        false => format!("{:?}", event.event),
    }
}

pub(super) fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
