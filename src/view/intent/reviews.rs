//! The review of a release.

use super::{Intent, Kind, Request, created};
use crate::api::{ReleaseName, Review, ReviewOutcome, ReviewSpec};
use crate::view::right::{Right, Role};

/// The review of a release, which closes it. The reason of the request is its notes.
pub fn review(
    request: Request<'_>,
    release: &ReleaseName,
    outcome: ReviewOutcome,
    actions: &[String],
) -> Intent {
    let spec = ReviewSpec {
        release: release.clone(),
        outcome,
        notes: request.reason.map(str::to_owned),
        actions: actions.to_vec(),
        author: request.by.cloned(),
    };
    let name = format!("{release}-");
    created(
        request,
        &name,
        Kind::Review,
        Review::new(&name, spec),
        Role::Reviewer,
        vec![Right::to("create", "reviews"), Right::to("review", "releases")],
    )
}
