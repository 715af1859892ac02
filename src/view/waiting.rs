//! What waits for a person: approvals, holds, failures, inconclusive and irreversible releases, manual environments.

use super::outlook::needs_a_person;
use super::screen::{Cell, Table};
use super::times::since;
use super::tone::of_state;
use crate::api::{Environment, HOLDS, Meta, Promotion, Reason};
use crate::decide::environment::validate::in_order;
use crate::decide::world::Project;
use jiff::Timestamp;
use serde::Serialize;

/// Everything that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// One row per thing that waits.
    pub rows: Vec<Row>,
}

/// One thing that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Name of the environment.
    pub environment: String,
    /// Name of the release or, for a promotion that stopped, of the promotion.
    pub name: String,
    /// `release` or `promotion`: what the name is of.
    pub kind: String,
    /// What it waits for, in one word.
    #[serde(rename = "for")]
    pub gate: String,
    /// Since when, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What has to be done.
    pub message: String,
}

/// Everything in a project that waits for a person.
pub fn waiting(project: &Project) -> Waiting {
    let mut rows = Vec::new();
    for name in in_order(project) {
        let Some(environment) = project.environments.get(name) else { continue };
        let here = project.promotions.values().map(AsRef::as_ref);
        let here =
            || here.clone().filter(|promotion: &&Promotion| promotion.spec.environment == environment.name());
        let promoted: Vec<Row> = here().filter_map(pending).collect();
        // A release whose promotion waits is said once.
        let is_said = |row: &Row| promoted.iter().any(|other| other.name == row.name);
        rows.extend(gates(environment).into_iter().filter(|row| !is_said(row)).collect::<Vec<_>>());
        rows.extend(promoted);
        let is_newest = |promotion: &&Promotion| {
            let application = project.application_of(promotion).unwrap_or_default();
            let lane = here().filter(|other| project.application_of(other) == Some(application));
            lane.filter_map(Promotion::revision).max() == promotion.revision()
        };
        rows.extend(here().filter(is_newest).filter_map(stopped));
    }
    Waiting { rows }
}

/// Releases that wait at a gate which only a person opens.
fn gates(environment: &Environment) -> Vec<Row> {
    let applications = environment.status.iter().flat_map(|status| &status.applications);
    let waiting = applications.filter_map(|application| application.waiting.as_ref());
    let is_for_a_person = |gate: &str| needs_a_person(&Reason::from(gate));
    let row = |environment: &str, release: &str, gate: &str, message: &str| Row {
        environment: environment.to_owned(),
        name: release.to_owned(),
        kind: "release".to_owned(),
        gate: gate.to_owned(),
        since: None,
        message: message.to_owned(),
    };
    waiting
        .filter(|waiting| is_for_a_person(&waiting.gate))
        .map(|waiting| row(environment.name(), &waiting.release, &waiting.gate, &waiting.message))
        .collect()
}

/// A promotion that waits for a person before it starts.
fn pending(promotion: &Promotion) -> Option<Row> {
    let status =
        promotion.status.as_ref().filter(|_| promotion.phase() == crate::api::PromotionPhase::Pending)?;
    let gate = status.reason.as_deref().filter(|reason| needs_a_person(&Reason::from(*reason)))?;
    Some(Row {
        environment: promotion.spec.environment.to_string(),
        name: promotion.spec.release.to_string(),
        kind: "release".to_owned(),
        gate: gate.to_owned(),
        since: promotion.metadata.creation_timestamp.as_ref().map(|time| time.0),
        message: status.message.clone().unwrap_or_default(),
    })
}

/// A promotion that ended and holds its environment, or a rollout that waits until a person acts.
fn stopped(promotion: &Promotion) -> Option<Row> {
    let status = promotion.status.as_ref()?;
    let holds = status.conditions.iter().find(|it| it.type_ == HOLDS && it.status == "True");
    let row = |gate: &str, since: Option<Timestamp>, message: &str| Row {
        environment: promotion.spec.environment.to_string(),
        name: promotion.name().to_owned(),
        kind: "promotion".to_owned(),
        gate: gate.to_owned(),
        since,
        message: message.to_owned(),
    };
    if let Some(holds) = holds.filter(|_| promotion.phase().has_failed()) {
        return Some(row(&holds.reason, Some(holds.last_transition_time.0), &holds.message));
    }
    let since = status.waiting_since.as_ref().filter(|_| promotion.phase().is_running())?;
    let gate = status.reason.as_deref().unwrap_or("Rollout");
    Some(row(gate, Some(since.0), status.message.as_deref().unwrap_or_default()))
}

impl Waiting {
    /// The list as a table.
    pub fn table(&self, now: Timestamp) -> Table {
        self.laid_out(now, false)
    }

    /// The list as a table with more columns.
    pub fn wide(&self, now: Timestamp) -> Table {
        self.laid_out(now, true)
    }

    fn laid_out(&self, now: Timestamp, wide: bool) -> Table {
        let mut headings = vec!["ENVIRONMENT", "NAME", "WAITS FOR", "SINCE"];
        if wide {
            headings.extend(["KIND", "SINCE (UTC)"]);
        }
        let mut table = Table::new(&headings, "WHAT TO DO");
        for row in &self.rows {
            let mut cells = vec![
                Cell::plain(&row.environment),
                Cell::plain(&row.name),
                Cell::toned(&row.gate, of_state(&row.gate)),
                Cell::plain(row.since.map(|then| since(then, now)).unwrap_or_default()),
            ];
            if wide {
                let at = row.since.map(|then| then.strftime("%Y-%m-%d %H:%M").to_string());
                cells.extend([&row.kind, &at.unwrap_or_default()].map(Cell::plain));
            }
            table.row(cells, &row.message);
        }
        table
    }
}
