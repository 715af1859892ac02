//! One promotion: what it did, and when.

use super::{Request, act, missing, title, word};
use crate::api::Meta;
use crate::view::log::log;
use crate::view::screen::printable;
use crate::view::status::of_promotion;
use crate::web::action::Action;
use crate::web::route::Place;
use maud::{Markup, html};

pub(super) fn page(request: &Request<'_>, name: &str) -> Markup {
    let project = &request.snapshot.everything.project;
    let Some(promotion) = project.promotion(name) else {
        return missing("promotion", name, &request.route.project);
    };
    let status = promotion.status.clone().unwrap_or_default();
    let (release, environment) = (&promotion.spec.release, &promotion.spec.environment);
    html! {
        (title(&html! { (name) ": " (word(promotion.phase().as_str())) }))
        @if let Some(message) = &status.message { p { (printable(message)) } }
        p {
            "Release " a href=(request.route.to(Place::Release(release.clone()))) { (release) }
            ", environment " a href=(request.route.to(Place::Environment(environment.clone()))) { (environment) }
            @if let Some(by) = promotion.requester() { ", requested by " (printable(&by.username)) }
        }
        @if !promotion.phase().is_final() { div.acts { (act(Action::Abort, &[("promotion", promotion.name())])) } }
        (of_promotion(promotion, request.pods, request.now).markup(&|_, _| None))
        @if !status.checks.is_empty() {
            h2 { "Checks" }
            @for check in &status.checks { (measurements(check)) }
        }
        h2 { "What happened" }
        (log(promotion).table().markup("Time line", &|_, _| None, &|_| None))
        p.dim { "All times are UTC." }
    }
}

/// The measurements of a check as a bar: how many passed, how many failed.
fn measurements(check: &crate::api::CheckReport) -> Markup {
    let all = (check.passed + check.failed).max(1);
    let part = |count: i32| f64::from(count) / f64::from(all) * 200.0;
    let verdict = check.verdict.map_or("Running", crate::api::Verdict::as_str);
    html! {
        div.check {
            span { (printable(&check.name)) " " (word(verdict)) }
            svg.bar viewBox="0 0 200 12" role="img" aria-label=(format!("{} passed, {} failed", check.passed, check.failed)) {
                rect.good x="0" y="0" height="12" width=(format!("{:.1}", part(check.passed))) {}
                rect.bad x=(format!("{:.1}", part(check.passed))) y="0" height="12" width=(format!("{:.1}", part(check.failed))) {}
            }
            span.dim { (check.passed) " passed, " (check.failed) " failed" }
            @if let Some(value) = &check.value { span.dim { "last " (printable(value)) } }
            @if let Some(baseline) = &check.baseline { span.dim { "before " (printable(baseline)) } }
        }
    }
}
