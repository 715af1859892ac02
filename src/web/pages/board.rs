//! The board: applications and environments.

use super::{Request, act, title, word};
use crate::api::{ApplicationName, EnvironmentName, Promotion, Reason, StepResult};
use crate::decide::environment::validate::in_order;
use crate::decide::moments::span;
use crate::decide::world::Project;
use crate::view::board::{Moves, Row, board};
use crate::view::screen::printable;
use crate::view::times::{since, until};
use crate::web::action::Action;
use crate::web::route::Place;
use jiff::Timestamp;
use maud::{Markup, html};
use std::collections::BTreeMap;

pub(super) fn page(request: &Request<'_>) -> Markup {
    let project = &request.snapshot.everything.project;
    let rows = board(project).rows;
    let mut cells: BTreeMap<&ApplicationName, BTreeMap<&EnvironmentName, &Row>> = BTreeMap::new();
    let (faults, rows): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.application.is_empty());
    for row in rows {
        cells.entry(&row.application).or_default().insert(&row.environment, row);
    }
    let environments = in_order(project);
    html! {
        (title(&html! { "Board of " (request.route.project) }))
        div.tools {
            label for="filter" { "Filter" }
            input #filter type="search" data-filter="board" autocomplete="off";
            label { input type="checkbox" data-compact="board"; " Compact" }
        }
        @for row in faults { p.fault { (environment_link(request, &row.environment)) ": " (row.fault.as_deref().map(printable).unwrap_or_default()) } }
        @if cells.is_empty() { p { "Nothing was promoted yet." } }
        @else {
            div.wide tabindex="0" role="region" aria-label="Board" {
                table.board #board {
                    caption { "What runs in each environment, what moves and what waits" }
                    thead { tr {
                        th scope="col" { "application" }
                        @for name in &environments { th scope="col" { (environment_link(request, name)) } }
                    } }
                    tbody {
                        @for (application, row) in &cells {
                            tr #(format!("app-{application}")) {
                                th scope="row" { (application) }
                                @for name in &environments {
                                    td { @if let Some(row) = row.get(*name) { (cell(request, project, row)) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn environment_link(request: &Request<'_>, name: &EnvironmentName) -> Markup {
    html! { a href=(request.route.to(Place::Environment(name.clone()))) { (name) } }
}

fn cell(request: &Request<'_>, project: &Project, row: &Row) -> Markup {
    let now = request.now;
    let release = |name: &str, text: &str| {
        html! { a href=(request.route.to(Place::Release(name.into()))) { (printable(text)) } }
    };
    html! {
        @if let Some(runs) = &row.runs {
            div.runs {
                @let version = runs.version.as_deref().unwrap_or("?");
                strong {
                    @match &runs.release { Some(name) => (release(name, version)), None => (printable(version)) }
                }
                @if let Some(then) = runs.since { " " span.dim { (since(then, now)) } }
                " "
                @match &row.alarm {
                    Some(alarm) => { span.bad { (alarm.state) } }
                    None => (word(&runs.state)),
                }
            }
        }
        @if let Some(moves) = &row.moves { (moving(request, project, moves)) }
        @if let Some(waits) = &row.waits {
            div.waiting {
                (release(&waits.release, &waits.release)) " " (word(&waits.gate))
                @if let Some(then) = waits.until { " " span.dim { "opens " (until(then, now)) } }
                p.why { (printable(&waits.message)) }
                @if Reason::from(waits.gate.as_str()) == Reason::Approval {
                    (act(Action::Approve, &[("release", &waits.release), ("environment", &row.environment)]))
                }
            }
        }
        @if let Some(alarm) = &row.alarm { p.why { (printable(&alarm.message)) } }
        @else if let Some(fault) = row.fault.as_ref().filter(|_| row.waits.is_none()) { p.why { (printable(fault)) } }
    }
}

fn moving(request: &Request<'_>, project: &Project, moves: &Moves) -> Markup {
    let promotion = project.promotions.get(&moves.promotion);
    let done = promotion.and_then(|promotion| share(project, promotion, request.now));
    html! {
        div.moving {
            a href=(request.route.to(Place::Promotion(moves.promotion.clone()))) {
                (moves.release.as_deref().unwrap_or(&moves.promotion))
            }
            " " (word(&moves.phase))
            @if let Some((done, what)) = done {
                progress max="100" value=(done) aria-label=(what) { (done) "%" }
                span.dim { (what) }
            }
            p.why { (printable(&moves.message)) }
        }
    }
}

/// How far a promotion is, in percent, and what it does: first its steps, then its observe window.
fn share(project: &Project, promotion: &Promotion, now: Timestamp) -> Option<(i64, String)> {
    let status = promotion.status.as_ref()?;
    if let Some(at) = &status.rolled_out_at {
        let environment = project.environments.get(&promotion.spec.environment)?;
        let policy =
            environment.spec.rollback_policy_ref.as_ref().and_then(|name| project.policies.get(name));
        let window = policy.map(|policy| span(policy.observe_window).as_secs()).unwrap_or_default();
        let passed = now.duration_since(at.0).as_secs().clamp(0, window.max(1));
        return Some((passed * 100 / window.max(1), "observe window".to_owned()));
    }
    let ended = status.steps.iter().filter(|step| step.result != StepResult::Running).count();
    let (ended, all) = (i64::try_from(ended).ok()?, i64::try_from(status.steps.len()).ok()?);
    (all > 0).then(|| (ended * 100 / (all + 1), format!("{ended} of {all} steps ended")))
}
