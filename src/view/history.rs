//! The revisions of an environment: what was promoted when, by whom, and how it ended.

use super::screen::{Cell, Table};
use super::times::{length, since};
use super::tone::of_state;
use crate::api::{EnvironmentName, Meta, Promotion, PromotionKind, RecordEntry, ReleaseName};
use crate::decide::environment::validate::in_order;
use crate::decide::world::Project;
use jiff::Timestamp;
use serde::Serialize;

/// Revisions, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    /// One row per promotion that has a revision.
    pub rows: Vec<Row>,
}

/// One revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Name of the environment.
    pub environment: EnvironmentName,
    /// Name of the application; `?` if it is not known.
    pub application: String,
    /// Number of the revision.
    pub revision: i64,
    /// Version that it brought; of a rollback, the one that it restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Name of the release.
    pub release: ReleaseName,
    /// Whether it is a rollback.
    pub rollback: bool,
    /// Name of the promotion.
    pub promotion: String,
    /// When it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Its phase.
    pub phase: String,
    /// Who requested it: a person, or `towpath`.
    pub by: String,
    /// How it ended.
    pub message: String,
}

/// The revisions of an environment, or of a release in all environments. `recorded`: what is left of promotions that were deleted.
pub fn history(
    project: &Project,
    recorded: &[RecordEntry],
    environment: Option<&EnvironmentName>,
    release: Option<&ReleaseName>,
) -> History {
    let order = in_order(project);
    let place = |name: &EnvironmentName| order.iter().position(|other| *other == name);
    let is_asked = |row: &Row| {
        environment.is_none_or(|name| row.environment == *name)
            && release.is_none_or(|name| row.release == *name)
    };
    let exists = |entry: &&RecordEntry| {
        let promotion = project.promotions.get(&entry.promotion);
        promotion.is_some_and(|promotion| promotion.uid() == entry.uid)
    };
    let deleted = recorded.iter().filter(|entry| !exists(entry)).filter_map(deleted);
    let promotions = project.promotions.values().filter_map(|promotion| row(project, promotion));
    let mut rows: Vec<Row> = promotions.chain(deleted).filter(is_asked).collect();
    rows.sort_by(|a, b| {
        let key = |row: &Row| (place(&row.environment), row.application.clone());
        key(a).cmp(&key(b)).then(b.revision.cmp(&a.revision))
    });
    History { rows }
}

fn row(project: &Project, promotion: &Promotion) -> Option<Row> {
    let status = promotion.status.as_ref()?;
    Some(Row {
        environment: promotion.spec.environment.clone(),
        application: project
            .application_of(promotion)
            .map_or_else(|| "?".to_owned(), |name| name.to_string()),
        revision: status.revision?,
        version: status.version.clone(),
        release: promotion.spec.release.clone(),
        rollback: promotion.spec.kind == PromotionKind::Rollback,
        promotion: promotion.name().to_owned(),
        started_at: status.started_at.as_ref().map(|time| time.0),
        finished_at: status.finished_at.as_ref().map(|time| time.0),
        phase: status.phase.as_str().to_owned(),
        by: promotion.requester().map_or("towpath", |user| user.username.as_str()).to_owned(),
        message: status.message.clone().unwrap_or_default(),
    })
}

/// The row of a promotion that was deleted.
fn deleted(entry: &RecordEntry) -> Option<Row> {
    Some(Row {
        environment: entry.environment.clone(),
        application: entry.application.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string),
        revision: entry.revision?,
        version: entry.version.clone(),
        release: entry.release.clone(),
        rollback: entry.kind == PromotionKind::Rollback,
        promotion: entry.promotion.clone(),
        started_at: entry.started_at.as_ref().map(|time| time.0),
        finished_at: entry.finished_at.as_ref().map(|time| time.0),
        phase: entry.phase.clone(),
        by: entry.by().to_owned(),
        message: entry.message.clone().unwrap_or_default(),
    })
}

impl History {
    /// The revisions as a table.
    pub fn table(&self, now: Timestamp) -> Table {
        self.laid_out(now, false)
    }

    /// The revisions as a table with more columns.
    pub fn wide(&self, now: Timestamp) -> Table {
        self.laid_out(now, true)
    }

    fn laid_out(&self, now: Timestamp, wide: bool) -> Table {
        let mut headings =
            vec!["ENVIRONMENT", "APPLICATION", "REVISION", "VERSION", "PHASE", "STARTED", "BY"];
        if wide {
            headings.extend(["TOOK", "RELEASE", "PROMOTION"]);
        }
        let mut table = Table::new(&headings, "HOW IT ENDED");
        for row in &self.rows {
            let version = row.version.as_deref().unwrap_or("?");
            let mut cells = vec![
                Cell::plain(&row.environment),
                Cell::plain(&row.application),
                Cell::plain(row.revision.to_string()),
                Cell::plain(if row.rollback { format!("{version} (back)") } else { version.to_owned() }),
                Cell::toned(&row.phase, of_state(&row.phase)),
                Cell::plain(row.started_at.map(|then| since(then, now)).unwrap_or_default()),
                Cell::plain(&row.by),
            ];
            if wide {
                let took = row.started_at.zip(row.finished_at);
                let took = took.map(|(start, end)| length(end.duration_since(start))).unwrap_or_default();
                cells.extend([took.as_str(), &row.release, &row.promotion].map(Cell::plain));
            }
            table.row(cells, &row.message);
        }
        table
    }
}
