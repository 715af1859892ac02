//! The delivery figures of a project.

use super::{Request, environment_of, links, title};
use crate::view::report::delivery::{Figures, delivery};
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
            (view.table().markup("The figures of DORA, by application and environment", &link, &|number| {
                view.rows.get(number).map(trend)
            }))
            @if view.rows.iter().any(|row| row.means) {
                p.dim { "~: a mean, because promotions of some days are gone. Other times are medians." }
            }
            @if view.incomplete {
                p.dim { "Older promotions were dropped from the record: the figures may be incomplete." }
            }
        }
    }
}

/// Deployments over the period, oldest first.
fn trend(row: &Figures) -> Markup {
    let most = row.trend.iter().copied().max().unwrap_or_default().max(1);
    let label = row.trend.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    html! {
        svg.trend viewBox="0 0 100 20" role="img" aria-label=(format!("Deployments per period, oldest first: {label}")) {
            @for (number, count) in row.trend.iter().enumerate() {
                @let height = count * 18 / most + 1;
                rect.busy x=(number * 10) y=(20 - height) width="8" height=(height) {}
            }
        }
    }
}
