//! One release: its path, what it waits for, what it changes, what happened.

use super::{Request, act, environment_of, links, missing, title, word};
use crate::api::{EnvironmentName, Meta, PromotionPhase, Reason, Release, ReleaseName};
use crate::view::changelog::changelog;
use crate::view::explain::{Explanation, RowState, explain};
use crate::view::report::report;
use crate::view::screen::printable;
use crate::view::status::of_release;
use crate::web::action::Action;
use maud::{Markup, html};

pub(super) fn page(request: &Request<'_>, name: &ReleaseName) -> Markup {
    let everything = &request.snapshot.everything;
    let found = everything.project.releases.get(name).zip(request.snapshot.lists.release(name));
    let Some((cached, release)) = found else { return missing("release", name, &request.route.project) };
    let report = report(request.snapshot.record(), release, request.now);
    let explained: Vec<Explanation> = report
        .environments
        .iter()
        .filter_map(|row| {
            let environment = &row.figures.environment;
            explain(&everything.project, cached, environment, everything.is_whole, request.now)
        })
        .collect();
    let next = explained.iter().find(|it| it.state != PromotionPhase::Verified.as_str());
    let changes = next.and_then(|it| everything.project.environments.get(&it.environment));
    let changes = changes.map(|environment| changelog(&everything.project, environment, cached));
    let link = links(request.route, &[("ENVIRONMENT", environment_of)]);
    html! {
        (title(&html! { (printable(&report.application)) " " (printable(&report.version)) ": " (word(&format!("{:?}", report.phase))) }))
        div.acts { (actions(release, name)) (lifts(request, release)) }
        (links_of(release))
        (report.sections(request.now))
        h2 { "Environments now" }
        @for it in &explained {
            section.stage {
                h3 { (it.environment) ": " (word(&it.state)) }
                p { (printable(&it.message)) }
                p.dim { "Next: " (printable(&it.next)) }
                div.acts { (stage_actions(name, it)) }
                @if !it.gates.is_empty() {
                    details {
                        summary { "Gates" }
                        (it.table(request.now).markup(&format!("Gates of {}", it.environment), &link, &|_| None))
                    }
                }
            }
        }
        @if let Some(changes) = changes {
            h2 { "What changes in " (changes.environment) }
            (changes.tree().markup(&|_, _| None))
        }
        h2 { "Details" }
        (of_release(&everything.project, cached, request.pods, request.now).markup(&|_, _| None))
        p.dim { "All times are UTC." }
    }
}

/// What the release links to. The API server admits only http and https; a page follows nothing else either.
fn links_of(release: &Release) -> Markup {
    let links = release.spec.change.iter().flat_map(|change| &change.description.links);
    let links: Vec<_> = links.filter(|link| is_web(&link.url)).collect();
    html! {
        @if !links.is_empty() {
            ul { @for link in links {
                li { a href=(link.url) rel="noopener noreferrer" target="_blank" { (printable(&link.title)) } }
            } }
        }
    }
}

/// Whether a link leads to a site, and runs nothing.
fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// The buttons that lift the recalls of the content.
fn lifts(request: &Request<'_>, release: &Release) -> Markup {
    let digest = release.status.as_ref().and_then(|status| status.digest.as_deref());
    let recalls = request.snapshot.everything.project.recalls.iter();
    let named = recalls.filter(|recall| digest.is_some_and(|digest| recall.names(digest)));
    html! { @for recall in named { (act(Action::Lift, &[("name", recall.name())])) " " (recall.name()) " " } }
}

fn actions(release: &Release, name: &ReleaseName) -> Markup {
    let of = [("release", name.as_str())];
    let hold = if release.spec.hold == Some(true) { Action::Resume } else { Action::Hold };
    html! { @for action in [hold, Action::Recall, Action::Review] { (act(action, &of)) " " } }
}

/// What can be done about a release in one environment.
fn stage_actions(name: &ReleaseName, it: &Explanation) -> Markup {
    let environment: &EnvironmentName = &it.environment;
    let of = [("release", name.as_str()), ("environment", environment.as_str())];
    let closed =
        |gate: Reason| it.gates.iter().any(|row| row.state == RowState::Closed && row.gate == gate.as_str());
    let state = Reason::from(it.state.as_str());
    let mut actions = Vec::new();
    if closed(Reason::Approval) && it.promotion.is_some() {
        actions.extend([Action::Approve, Action::Reject]);
    }
    if matches!(state, Reason::Failed | Reason::RolledBack | Reason::Inconclusive) {
        actions.push(Action::Retry);
    } else if matches!(state, Reason::Manual | Reason::FailureHold | Reason::EvidenceHold) {
        actions.push(Action::Promote);
    }
    if it.gates.iter().any(|row| row.state == RowState::Closed) {
        actions.push(Action::Override);
    }
    let moves = matches!(state, Reason::Promoting | Reason::Observing);
    let abort = it.promotion.as_ref().filter(|_| moves);
    html! {
        @for action in actions { (act(action, &of)) " " }
        @if let Some(promotion) = abort { (act(Action::Abort, &[("promotion", promotion)])) }
    }
}
