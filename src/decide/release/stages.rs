//! The path of a release through the environments: its stage in each.

use super::promoted::of_promotion;
use super::stage::{At, IN_PROGRESS, Stage, newer_is_verified};
use crate::api::{CachedRelease, Environment, PromotionPhase, Reason, ReleaseStatus};
use crate::decide::environment::validate::{self, in_order};
use crate::decide::gates::declared::declared;
use crate::decide::gates::gate::Gate;
use crate::decide::gates::{Requested, evaluate};
use crate::decide::history::lane::Lane;
use crate::decide::world::Project;
use jiff::Timestamp;
use std::sync::Arc;

/// The stage of a release in every environment of its project, in the order in which releases pass them. `status` is the last that was
/// reported for the release.
pub fn stages(
    project: &Project,
    release: &CachedRelease,
    status: &ReleaseStatus,
    now: Timestamp,
) -> Vec<Stage> {
    in_order(project)
        .into_iter()
        .filter_map(|name| project.environments.get(name))
        .map(|environment| stage(project, environment, release, status, now))
        .collect()
}

/// The stage of a release in one environment.
pub fn stage(
    project: &Project,
    environment: &Environment,
    release: &CachedRelease,
    status: &ReleaseStatus,
    now: Timestamp,
) -> Stage {
    let lane = Lane::of(project, environment, &release.application_name());
    if let Some(promotion) = lane.latest(release) {
        return of_promotion(project, environment, &lane, release, promotion, now);
    }
    if let Some(stage) = forgotten(project, &lane, release, status) {
        return stage;
    }
    let mut stage = Stage {
        name: environment.environment_name(),
        at: At::InProgress,
        until: None,
        message: String::new(),
        revision: None,
        promotion: None,
    };
    match evaluate(project, environment, release, Requested::ByController, &[], now) {
        Gate::Open => match validate::target(project, environment) {
            None => stage.message = IN_PROGRESS.into(),
            Some(fault) => {
                // The environment reports the other lines.
                stage.message = fault.message.lines().next().unwrap_or_default().to_owned();
                stage.at = At::Blocked(fault.reason);
            }
        },
        Gate::Never { why, message } => {
            stage.at = At::Skipped(why);
            stage.message = message;
        }
        Gate::Closed { gate, message, until } => {
            // A closed freeze says itself that the declared type does not count.
            let change = declared(project, environment, release);
            stage.message = change.explain(message, gate != Reason::Freeze);
            stage.at = At::Gate(gate);
            stage.until = until;
        }
    }
    stage
}

/// The stage of a promotion that ended and was deleted by the history limit: its outcome stays in the status.
fn forgotten(
    project: &Project,
    lane: &Lane<'_>,
    release: &CachedRelease,
    status: &ReleaseStatus,
) -> Option<Stage> {
    let line = status.environments.iter().find(|line| line.name == lane.environment)?;
    let promotion = line.promotion.as_ref().filter(|name| !project.promotions.contains_key(*name))?;
    let at = ended(&Reason::from(line.state.as_str()))?;
    let at = at.superseded_if(|| newer_is_verified(project, lane, release));
    Some(Stage {
        name: line.name.clone(),
        at,
        until: None,
        message: line.message.clone().unwrap_or_default(),
        revision: line.revision,
        promotion: Some(promotion.clone()),
    })
}

/// The outcome that a stored word stands for. None for a stage that has not ended.
fn ended(state: &Reason) -> Option<At> {
    let ends = [
        (Reason::Verified, At::Promotion(PromotionPhase::Verified)),
        (Reason::Cancelled, At::Promotion(PromotionPhase::Cancelled)),
        (Reason::Failed, At::Promotion(PromotionPhase::Failed)),
        (Reason::Inconclusive, At::Promotion(PromotionPhase::Inconclusive)),
        (Reason::Superseded, At::Promotion(PromotionPhase::Superseded)),
        (Reason::RolledBack, At::RolledBack),
        (Reason::RollbackFailed, At::RollbackFailed),
    ];
    ends.into_iter().find(|(word, _)| word == state).map(|(_, at)| at)
}

/// The environments that the release could enter now and that have no promotion of it. The release waits for the consent of their
/// namespace owners.
pub fn consent<'a>(
    project: &'a Project,
    release: &CachedRelease,
    now: Timestamp,
) -> Vec<&'a Arc<Environment>> {
    let exists =
        |environment: &Environment| project.namespace(environment).is_some_and(|facts| !facts.terminating);
    let could_enter = |environment: &Environment| {
        Lane::of(project, environment, &release.application_name()).of_release(release).next().is_none()
            && matches!(
                evaluate(project, environment, release, Requested::ByController, &[], now),
                // Once the content is captured, every gate may be open.
                Gate::Open | Gate::Closed { gate: Reason::Content, .. }
            )
    };
    let environments = project.environments.values();
    environments.filter(|environment| exists(environment) && could_enter(environment)).collect()
}
