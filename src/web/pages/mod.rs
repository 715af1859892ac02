//! The pages: pure functions from the objects of a project to HTML. Every text of an object is escaped, and cleaned of invisible characters.

mod board;
mod calendar;
mod delivery;
mod environment;
mod promotion;
mod release;
mod waiting;

use super::route::{Place, Route};
use crate::user::followed::Snapshot;
use crate::user::standing::Standing;
use crate::view::screen::printable;
use crate::view::status::Pods;
use crate::view::waiting::{Waiting, waiting as everything_that_waits};
use jiff::Timestamp;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// What a page is made of.
pub struct Request<'a> {
    /// What is shown.
    pub route: &'a Route,
    /// Choices of the visitor, such as a month.
    pub choices: &'a BTreeMap<String, String>,
    /// The project.
    pub snapshot: &'a Snapshot,
    /// How current it is.
    pub standing: &'a Standing,
    /// Who reads it.
    pub user: &'a str,
    /// What waits for the visitor: the names of the rows. None if it was not asked.
    pub mine: Option<&'a Waiting>,
    /// The pods of the environments in which something moves or has failed. Empty on pages that do not show them.
    pub pods: &'a Pods,
    /// The time of the API server.
    pub now: Timestamp,
}

/// The page.
pub fn page(request: &Request<'_>) -> Markup {
    let content = match &request.route.place {
        Place::Board => board::page(request),
        Place::Waiting => waiting::page(request),
        Place::Calendar => calendar::page(request),
        Place::Delivery => delivery::page(request),
        Place::Release(name) => release::page(request, name),
        Place::Environment(name) => environment::page(request, name),
        Place::Promotion(name) => promotion::page(request, name),
    };
    html! {
        (head(request))
        main #main {
            @if let Some(note) = note(request) { p.note role="status" { (note) } }
            (content)
        }
    }
}

/// What keeps the page from being current or whole.
fn note(request: &Request<'_>) -> Option<String> {
    if let Standing::Behind(message) = request.standing {
        return Some(format!("This page may be old: {}", printable(message)));
    }
    if !request.snapshot.everything.is_whole && request.route.place == Place::Calendar {
        return Some(
            "Freezes of the cluster are not shown: you may not list clusterchangefreezes.".to_owned(),
        );
    }
    let (kind, name, error) = request.snapshot.lists.undecodable().first()?;
    Some(format!("{kind} {} cannot be read by this version: {}", printable(name), printable(error)))
}

/// The head of every page: where one is, who one is, and where one can go.
fn head(request: &Request<'_>) -> Markup {
    let route = request.route;
    let count = everything_that_waits(&request.snapshot.everything.project).rows.len();
    let places = [
        (Place::Board, "Board".to_owned()),
        (Place::Waiting, format!("Waiting ({count})")),
        (Place::Calendar, "Calendar".to_owned()),
        (Place::Delivery, "Delivery".to_owned()),
    ];
    html! {
        header {
            a.skip href="#main" { "Skip to the content" }
            form.project data-go="project" {
                label for="project" { "Project" }
                input #project name="project" value=(route.project) autocomplete="off" spellcheck="false";
            }
            nav aria-label="Pages" {
                @for (place, word) in places {
                    @let here = place == route.place;
                    a href=(route.to(place)) aria-current=[here.then_some("page")] { (word) }
                }
            }
            @if !request.user.is_empty() { span.user { (printable(request.user)) } }
        }
    }
}

/// The title of a page. It has the focus after a change of pages, so that a screen reader says it.
fn title(words: &Markup) -> Markup {
    html! { h1 tabindex="-1" { (words) } }
}

/// A word in the colour of its meaning. The word itself says the same.
fn word(word: &str) -> Markup {
    let word = printable(word);
    html! { span class=(crate::view::tone::of_state(&word).as_str()) { (word) } }
}

/// A button that opens the dialog of an action with these fields.
fn act(action: super::action::Action, fields: &[(&str, &str)]) -> Markup {
    let fields = super::action::encoded(fields);
    html! { button type="button" data-act=(action.word()) data-fields=(fields) { (action.label()) } }
}

/// A column of a table, and the place that a name in it leads to.
type Column = (&'static str, fn(&str) -> Place);

/// Links for the columns of tables that name objects.
fn links<'a>(route: &'a Route, columns: &'a [Column]) -> impl Fn(&str, &str) -> Option<String> + 'a {
    move |heading, text| {
        let (_, place) = columns.iter().find(|(column, _)| *column == heading)?;
        Some(route.to(place(text)))
    }
}

fn release_of(name: &str) -> Place {
    Place::Release(name.into())
}

fn promotion_of(name: &str) -> Place {
    Place::Promotion(name.to_owned())
}

fn environment_of(name: &str) -> Place {
    Place::Environment(name.into())
}

/// What is said about an object that does not exist.
fn missing(kind: &str, name: &str, project: &str) -> Markup {
    html! {
        (title(&html! { "No " (kind) " " (name) }))
        p { "Namespace " (project) " has no " (kind) " of this name. It may have been deleted." }
    }
}
