//! What waits for a person, the visitor first.

use super::{Request, act, environment_of, links, title};
use crate::api::Reason;
use crate::view::waiting::{Row, Waiting, waiting};
use crate::web::action::Action;
use crate::web::route::Place;
use maud::{Markup, html};

pub(super) fn page(request: &Request<'_>) -> Markup {
    let all = waiting(&request.snapshot.everything.project);
    let mine = request.mine.cloned().unwrap_or(Waiting { rows: Vec::new() });
    let others = Waiting { rows: all.rows.into_iter().filter(|row| !mine.rows.contains(row)).collect() };
    html! {
        (title(&html! { "Waiting in " (request.route.project) }))
        h2 { "For you" }
        @if mine.rows.is_empty() { p { "Nothing waits for you." } } @else { (table(request, &mine, "What waits for you")) }
        h2 { "For others" }
        @if others.rows.is_empty() { p { "Nothing waits for others." } } @else { (table(request, &others, "What waits for others")) }
    }
}

fn table(request: &Request<'_>, rows: &Waiting, caption: &str) -> Markup {
    let link = |heading: &str, text: &str| {
        let row = rows.rows.iter().find(|row| row.name == text).filter(|_| heading == "NAME");
        let place = |row: &Row| match row.kind.as_str() {
            "promotion" => Place::Promotion(row.name.clone()),
            _ => Place::Release(row.name.as_str().into()),
        };
        row.map(|row| request.route.to(place(row)))
            .or_else(|| links(request.route, &[("ENVIRONMENT", environment_of)])(heading, text))
    };
    rows.table(request.now).markup(caption, &link, &|number| rows.rows.get(number).map(actions))
}

/// What can be done about a row.
fn actions(row: &Row) -> Markup {
    let environment = ("environment", row.environment.as_str());
    let release = ("release", row.name.as_str());
    let gate = Reason::from(row.gate.as_str());
    let actions: &[Action] = if gate == Reason::Approval {
        &[Action::Approve, Action::Reject]
    } else if gate == Reason::Hold {
        &[Action::Resume]
    } else if gate == Reason::Review {
        &[Action::Review]
    } else if matches!(gate, Reason::Manual | Reason::FailureHold | Reason::EvidenceHold) {
        &[Action::Promote]
    } else if matches!(gate, Reason::FailingAfterVerification | Reason::Recalled) {
        &[Action::Rollback]
    } else {
        &[]
    };
    let shown = if row.kind == "release" { actions } else { &[] };
    html! { @for action in shown { (act(*action, &[release, environment])) " " } }
}
