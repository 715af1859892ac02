//! The board: applications and environments, with what runs, what moves and what waits.

use super::attention::{self, Alarm};
use super::screen::{Cell, Table};
use super::times::{since, until};
use super::tone::{Tone, of_state};
use crate::api::{
    ApplicationName, ApplicationStatus, Environment, EnvironmentName, NamespaceName, ReleaseName,
    RevisionRecord, RevisionRef,
};
use crate::decide::environment::validate::in_order;
use crate::decide::world::Project;
use jiff::Timestamp;
use serde::Serialize;

/// The board of a project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Board {
    /// One row per application and environment: by application, then in the order of promotion.
    pub rows: Vec<Row>,
}

/// One application in one environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Name of the application.
    pub application: ApplicationName,
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// Namespace that it is promoted to.
    pub namespace: NamespaceName,
    /// What runs there. Absent before the first promotion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<Runs>,
    /// The promotion that is in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moves: Option<Moves>,
    /// The newest release that waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
    /// Why what runs needs attention: it fails after it was verified, or it is recalled and stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm: Option<Alarm>,
    /// What is wrong with the environment itself, such as missing consent, or how the last promotion failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Runs {
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Name of the release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseName>,
    /// Number of the revision.
    pub revision: i64,
    /// When its promotion started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How its promotion ended.
    pub state: String,
}

/// What moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moves {
    /// Name of the promotion.
    pub promotion: String,
    /// Name of the release that it promotes or rolls back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release: Option<ReleaseName>,
    /// Its phase.
    pub phase: String,
    /// What it does now.
    pub message: String,
}

/// What waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waits {
    /// Name of the release.
    pub release: ReleaseName,
    /// The closed gate.
    pub gate: String,
    /// Why it is closed, and what opens it.
    pub message: String,
    /// When it opens without a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// The board of a project.
pub fn board(project: &Project) -> Board {
    let mut rows = Vec::new();
    for (place, name) in in_order(project).into_iter().enumerate() {
        let Some(environment) = project.environments.get(name) else { continue };
        let applications =
            environment.status.as_ref().map(|status| status.applications.as_slice()).unwrap_or_default();
        rows.extend(applications.iter().map(|application| (place, row(project, environment, application))));
        if let (true, Some(fault)) = (applications.is_empty(), attention::of_environment(environment)) {
            let row = Row {
                application: ApplicationName::default(),
                environment: name.clone(),
                namespace: environment.spec.namespace.clone(),
                runs: None,
                moves: None,
                waits: None,
                alarm: None,
                fault: Some(fault),
            };
            rows.push((place, row));
        }
    }
    rows.sort_by(|(a, left), (b, right)| (&left.application, a).cmp(&(&right.application, b)));
    Board { rows: rows.into_iter().map(|(_, row)| row).collect() }
}

fn row(project: &Project, environment: &Environment, application: &ApplicationStatus) -> Row {
    let moves = application.active.as_ref().map(|active| {
        let promotion = project.promotions.get(active);
        let status = promotion.and_then(|promotion| promotion.status.as_ref());
        Moves {
            promotion: active.clone(),
            release: promotion.map(|promotion| promotion.spec.release.clone()),
            phase: status.map_or("Pending", |status| status.phase.as_str()).to_owned(),
            message: status.and_then(|status| status.message.clone()).unwrap_or_default(),
        }
    });
    let waits = application.waiting.as_ref().map(|waiting| Waits {
        release: waiting.release.clone(),
        gate: waiting.gate.clone(),
        message: waiting.message.clone(),
        until: waiting.until.as_ref().map(|time| time.0),
    });
    Row {
        application: application.name.clone(),
        environment: environment.environment_name(),
        namespace: environment.spec.namespace.clone(),
        runs: application.current.as_ref().map(|current| runs(application, current)),
        moves,
        waits,
        alarm: attention::alarm(application),
        fault: attention::fault(project, environment, application),
    }
}

fn runs(application: &ApplicationStatus, current: &RevisionRef) -> Runs {
    let is_current = |record: &&RevisionRecord| record.revision == current.revision;
    let record = application.history.iter().find(is_current);
    Runs {
        version: current.version.clone(),
        release: current.release.clone(),
        revision: current.revision,
        since: record.and_then(|record| record.started_at.as_ref()).map(|time| time.0),
        state: record.map(|record| record.outcome.clone()).unwrap_or_default(),
    }
}

impl Board {
    /// The board as a table.
    pub fn table(&self, now: Timestamp) -> Table {
        self.laid_out(now, false)
    }

    /// The board as a table with more columns.
    pub fn wide(&self, now: Timestamp) -> Table {
        self.laid_out(now, true)
    }

    fn laid_out(&self, now: Timestamp, wide: bool) -> Table {
        let mut headings = vec!["APPLICATION", "ENVIRONMENT", "RUNS", "SINCE", "STATE", "NEXT"];
        if wide {
            headings.extend(["NAMESPACE", "RELEASE", "REVISION", "PROMOTION"]);
        }
        let mut table = Table::new(&headings, "WHY");
        for row in &self.rows {
            let mut cells = row.cells(now);
            if wide {
                let runs = row.runs.as_ref();
                let revision = runs.map(|runs| runs.revision.to_string()).unwrap_or_default();
                let release = runs.and_then(|runs| runs.release.as_deref()).unwrap_or_default();
                let promotion = row.moves.as_ref().map(|moves| moves.promotion.as_str()).unwrap_or_default();
                cells.extend([row.namespace.as_str(), release, &revision, promotion].map(Cell::plain));
            }
            table.row(cells, row.why(now));
        }
        table
    }
}

impl Row {
    fn cells(&self, now: Timestamp) -> Vec<Cell> {
        let runs = self.runs.as_ref();
        let version = |version: &Option<String>| version.clone().unwrap_or_else(|| "?".to_owned());
        let next = match (&self.moves, &self.waits) {
            (Some(moves), _) => moves.release.as_deref().unwrap_or(&moves.promotion),
            (None, Some(waits)) => &waits.release,
            (None, None) => "",
        };
        let state = match (&self.moves, &self.alarm, runs) {
            (Some(moves), _, _) => moves.phase.clone(),
            (None, Some(alarm), _) => alarm.state.to_owned(),
            (None, None, Some(runs)) => runs.state.clone(),
            (None, None, None) => String::new(),
        };
        let is_alarm = self.alarm.is_some() && self.moves.is_none();
        let tone = if is_alarm { Tone::Bad } else { of_state(&state) };
        vec![
            Cell::plain(&self.application),
            Cell::plain(&self.environment),
            Cell::plain(runs.map(|runs| version(&runs.version)).unwrap_or_default()),
            Cell::plain(runs.and_then(|runs| runs.since).map(|then| since(then, now)).unwrap_or_default()),
            Cell::toned(&state, tone),
            Cell::toned(next, if self.moves.is_some() { Tone::Busy } else { Tone::Waits }),
        ]
    }

    /// Why the next release is not there yet.
    fn why(&self, now: Timestamp) -> String {
        if let Some(moves) = &self.moves {
            return moves.message.clone();
        }
        if let Some(alarm) = &self.alarm {
            return alarm.message.clone();
        }
        match (&self.waits, &self.fault) {
            (Some(waits), _) => match waits.until {
                Some(then) => format!("{}, opens {}: {}", waits.gate, until(then, now), waits.message),
                None => format!("{}: {}", waits.gate, waits.message),
            },
            (None, Some(fault)) => fault.clone(),
            (None, None) => String::new(),
        }
    }
}
