//! One environment: what runs, its rules, its history, its drift.

use super::{Request, act, links, missing, promotion_of, release_of, title, word};
use crate::api::{ApplicationStatus, Environment, EnvironmentName, RecordEntry, ready};
use crate::view::choice::revisions;
use crate::view::history::{Row, history};
use crate::view::record::entries;
use crate::view::screen::printable;
use crate::view::status::of_environment;
use crate::web::action::Action;
use maud::{Markup, html};

pub(super) fn page(request: &Request<'_>, name: &EnvironmentName) -> Markup {
    let project = &request.snapshot.everything.project;
    let Some(environment) = project.environments.get(name) else {
        return missing("environment", name, &request.route.project);
    };
    let record = request.snapshot.record();
    let recorded: Vec<RecordEntry> = entries(&record.releases, &record.environments).cloned().collect();
    let history = history(project, &recorded, Some(name), None);
    let status = environment.status.clone().unwrap_or_default();
    let state = ready(&status.conditions).map_or("Unknown", |it| it.reason.as_str());
    let link = links(request.route, &[("RELEASE", release_of), ("PROMOTION", promotion_of)]);
    html! {
        (title(&html! { (name) ": " (word(state)) }))
        @if let Some(message) = &status.message { p { (printable(message)) } }
        dl {
            @for (word, value) in rules(environment) { dt { (word) } dd { (printable(&value)) } }
        }
        h2 { "What runs" }
        (of_environment(project, environment, request.pods, request.now).markup(&|_, _| None))
        @for application in &status.applications {
            div.acts { (actions(name, application)) }
        }
        @if !status.drift.is_empty() {
            h2 { "Drift" }
            ul { @for field in &status.drift { li { (printable(&field.sentence())) } } }
        }
        h2 { "History" }
        @if history.rows.is_empty() { p { "Nothing was promoted yet." } }
        @else {
            (history.wide(request.now).markup("Revisions", &link, &|number| {
                history.rows.get(number).and_then(|row| back_to(&status.applications, row))
            }))
        }
    }
}

/// What a release manager sets, in words.
fn rules(environment: &Environment) -> Vec<(&'static str, String)> {
    let spec = &environment.spec;
    let mut rules = vec![("namespace", spec.namespace.to_string())];
    if !spec.after.is_empty() {
        let names: Vec<&str> = spec.after.iter().map(EnvironmentName::as_str).collect();
        rules.push(("after", names.join(", ")));
    }
    rules.push(("promotion", format!("{:?}", spec.promotion)));
    rules.extend(spec.soak.as_ref().map(|soak| ("soak", soak.to_string())));
    rules.extend(spec.approvals.as_ref().map(|rule| ("approvals", rule.required.to_string())));
    rules.extend(spec.windows.iter().map(|window| {
        (
            "window",
            format!("{:?}: {} for {}, {}", window.kind, window.schedule, window.duration, window.time_zone),
        )
    }));
    rules.extend(spec.rollback_policy_ref.clone().map(|name| ("policy", name)));
    rules.push(("drift", format!("{:?}", spec.drift)));
    rules
}

fn actions(environment: &EnvironmentName, application: &ApplicationStatus) -> Markup {
    let of = [("environment", environment.as_str()), ("application", application.name.as_str())];
    html! {
        @if let Some(active) = &application.active { (act(Action::Abort, &[("promotion", active)])) " " }
        @if application.current.is_some() { (act(Action::Rollback, &of)) " " (application.name) }
    }
}

/// The button that restores a revision, if it can be restored and does not run.
fn back_to(applications: &[ApplicationStatus], row: &Row) -> Option<Markup> {
    let lane = applications.iter().find(|lane| *lane.name == *row.application)?;
    let runs = lane.current.as_ref().is_some_and(|current| current.revision == row.revision);
    let known = revisions(lane).any(|record| record.revision == row.revision);
    (known && !runs).then(|| {
        let revision = row.revision.to_string();
        let fields =
            [("environment", row.environment.as_str()), ("application", &row.application), ("to", &revision)];
        act(Action::Rollback, &fields)
    })
}
