//! A recall: which environments run the recalled content, the rollbacks that follow, and the report.
//!
//! Invariant: all rollbacks are created in one pass, for the last environment first, and none waits for another. The name of a rollback is
//! a function of the revision that it rolls back, so a repeated decision creates no second one. A recall is a person's decision: `action`,
//! budget, windows and freezes do not apply to it.

mod disposition;
mod report;

pub use disposition::{Disposition, disposition, is_of_recall, no_target_left, why};

use super::conditions::cut;
use super::decision::{Action, Decision, Owner};
use super::environment::validate::in_order;
use super::history::lane::Lane;
use super::history::target::rollback_names;
use super::world::{Project, RecallWorld};
use crate::api::{Environment, Meta, Promotion, PromotionKind, PromotionSpec, Reason, Recall, RecallStatus};
use jiff::Timestamp;

/// Decides about one recall.
pub fn decide(world: &RecallWorld, now: Timestamp) -> Decision<RecallStatus> {
    let recall = world.recall.as_ref();
    if recall.deleting() {
        return Decision::default();
    }
    let (mut actions, mut lines) = (Vec::new(), Vec::new());
    for environment in environments(&world.project) {
        let lane = Lane::of(&world.project, environment, &recall.spec.application);
        let found = disposition(environment, &lane, recall);
        if let (Disposition::RollBack { name, to }, Some(current)) = (&found, lane.current()) {
            actions.push(roll_back(environment, &lane, current, recall, name, *to));
        }
        lines.extend(report::line(&world.project, &lane, recall, &found));
    }
    let mut decision = report::report(recall, lines, now);
    decision.actions = actions;
    decision
}

/// The environments of a project, the last one on the path of releases first.
fn environments(project: &Project) -> impl Iterator<Item = &Environment> {
    let names = in_order(project).into_iter().rev();
    let all = names.filter_map(|name| project.environments.get(name));
    all.map(AsRef::as_ref).filter(|environment| !environment.deleting())
}

/// The names that the rollbacks of a recall may get. One of them may belong to a promotion of another application.
pub fn names(project: &Project, recall: &Recall) -> Vec<Vec<String>> {
    let current = environments(project)
        .filter_map(|environment| Lane::of(project, environment, &recall.spec.application).current());
    current.map(|promotion| rollback_names(promotion, disposition::SUFFIX).collect()).collect()
}

fn roll_back(
    environment: &Environment,
    lane: &Lane<'_>,
    current: &Promotion,
    recall: &Recall,
    name: &str,
    to: i64,
) -> Action {
    let origin = lane.revisions.iter().copied().find(|other| other.name() == current.name());
    let origin = origin.and_then(|current| lane.content_of(current)).unwrap_or(current);
    Action::CreatePromotion {
        name: name.to_owned(),
        application: lane.application.clone(),
        spec: Box::new(PromotionSpec {
            release: origin.spec.release.clone(),
            environment: environment.environment_name(),
            application: Some(lane.application.clone()),
            kind: PromotionKind::Rollback,
            to_revision: Some(to),
            cause: Some(Reason::Recalled.to_string()),
            reason: Some(cut(&why(recall), 1024)),
            override_: None,
            dry_run: false,
            requested_by: None,
        }),
        owner: Owner::environment(environment),
    }
}
