//! The delivery figures of a project.

use super::{Request, environment_of, links, title};
use crate::view::report::delivery::delivery;
use crate::web::route::Place;
use maud::{Markup, html};

/// The periods that can be chosen, in days.
const PERIODS: [i64; 3] = [7, 30, 90];

pub(super) fn page(request: &Request<'_>) -> Markup {
    let days = request.choices.get("days").and_then(|days| days.parse().ok());
    let days = days.filter(|days| (1..=3650).contains(days)).unwrap_or(30);
    let view = delivery(request.snapshot.record(), &[], days, request.now);
    let link = links(request.route, &[("IN", environment_of)]);
    let here = request.route.to(Place::Delivery);
    html! {
        (title(&html! { "Delivery of " (request.route.project) }))
        p.tools {
            "Days: "
            @for period in PERIODS {
                a href=(format!("{here}?days={period}")) aria-current=[(period == days).then_some("true")] { (period) }
                " "
            }
        }
        @if view.rows.is_empty() { p { "Nothing was deployed in the last " (days) " days." } }
        @else {
            (view.table().markup("The figures of DORA, by application and environment", &link, &|_| None))
            @if view.rows.iter().any(|row| row.means) {
                p.dim { "~: a mean, because promotions of some days are gone. Other times are medians." }
            }
            @if view.incomplete {
                p.dim { "Older promotions were dropped from the record: the figures may be incomplete." }
            }
        }
    }
}
