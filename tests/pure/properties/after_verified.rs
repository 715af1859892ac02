//! Rollbacks of verified releases that fail, in arbitrary worlds.

use super::facts::keys;
use super::worlds::now;
use super::{hold, over_worlds};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use towpath::api::{
    AfterVerified, AfterVerifiedAction, ApplicationName, Budget, Delivery, FailureAction, Promotion,
    PromotionKind, PromotionPhase, PromotionStatus,
};
use towpath::decide::decision::Action;
use towpath::decide::environment;
use towpath::decide::history::lane::Lane;
use towpath::decide::world::{Container, Ended, EnvironmentWorld, Live, Pod, Watched, Workload};

/// The same world, in which the policy asks for it, what has ended or waits was verified just now, and every workload fails.
fn failing(world: &EnvironmentWorld) -> EnvironmentWorld {
    let mut world = world.clone();
    let policy = world.project.policies.entry("strict".into()).or_default();
    policy.action = FailureAction::Rollback;
    policy.budget = Budget::default();
    policy.after_verified =
        AfterVerified { action: AfterVerifiedAction::Rollback, ..AfterVerified::default() };
    Arc::make_mut(&mut world.environment).spec.rollback_policy_ref = Some("strict".into());
    for (number, promotion) in (6..).zip(world.project.promotions.values_mut()) {
        let promotion = Arc::make_mut(promotion);
        promotion.spec.environment = world.environment.environment_name();
        promotion.spec.application = Some("shop".into());
        let is_promote = promotion.spec.kind == PromotionKind::Promote;
        let status = promotion.status.get_or_insert_default();
        if status.revision.is_none() && is_promote {
            status.revision = Some(number);
            verify(status);
        } else if status.revision.is_some() && status.phase.is_final() {
            verify(status);
        }
    }
    let ended = Ended { reason: "Error".into(), code: 1, ..Ended::default() };
    let container = Container { restarts: 9, ended: Some(ended), ..Container::default() };
    let pod = Pod { containers: vec![container], ..Pod::default() };
    let workload = Workload { observed: true, desired: 1, pods: vec![pod], ..Workload::default() };
    let ours = Live::Present(Arc::new(json!({ "metadata": { "managedFields": [] } })));
    let workloads: BTreeMap<_, _> = keys().into_iter().map(|key| (key, workload.clone())).collect();
    let live = keys().into_iter().map(|key| (key, ours.clone())).collect();
    world.watched = Watched { workloads, live };
    world
}

fn verify(status: &mut PromotionStatus) {
    let just_now = now() - SignedDuration::from_secs(60);
    status.phase = PromotionPhase::Verified;
    status.finished_at = Some(Time(Timestamp::from_second(just_now.as_second()).unwrap()));
    (status.application, status.namespace_uid) = (None, None);
    status.digest = Some(format!("digest-{}", status.revision.unwrap_or_default() % 3));
    status.exits_before.clear();
    let write = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "action": "Update" });
    status.changes.push(serde_json::from_value(write).unwrap());
}

/// What is wrong with a rollback that an environment creates.
fn fault(
    world: &EnvironmentWorld,
    name: &str,
    application: &ApplicationName,
    to: Option<i64>,
) -> Option<&'static str> {
    let environment = &world.environment;
    let lane = Lane::of(&world.project, environment, application);
    let policy = environment.spec.rollback_policy_ref.as_deref();
    let policy = policy.and_then(|policy| world.project.policies.get(policy));
    let asks = policy.is_some_and(|policy| {
        policy.after_verified.action == AfterVerifiedAction::Rollback
            && policy.action == FailureAction::Rollback
    });
    let digest = |promotion: &Promotion| promotion.status.as_ref().and_then(|status| status.digest.clone());
    let current = lane.current();
    let target = to.and_then(|number| lane.revision(number));
    let is_verified = |promotion: &&Promotion| promotion.phase() == PromotionPhase::Verified;
    let proven = |target: &Promotion| {
        lane.here()
            .filter(is_verified)
            .any(|other| lane.content_of(other).is_some_and(|origin| origin.revision() == target.revision()))
    };
    let is_sound = current.zip(target).is_some_and(|(current, target)| {
        let is_other = digest(current).is_none() || digest(current) != digest(target);
        target.revision() < current.revision() && is_other && lane.recall_of_target(target).is_none()
    });
    [
        (!asks, "the policy does not ask for it"),
        (environment.spec.delivery == Delivery::Observed, "another tool deploys there"),
        (lane.running().is_some(), "another promotion runs"),
        (lane.waiting_rollbacks().next().is_some(), "another rollback waits"),
        (world.project.promotions.contains_key(name), "it exists"),
        (current.filter(is_verified).is_none(), "what runs there was not verified"),
        (
            current.is_some_and(|current| current.spec.kind == PromotionKind::Rollback),
            "a rollback is rolled back",
        ),
        (!is_sound, "the target is not an earlier revision with other content"),
        (!target.is_some_and(proven), "the target was not verified"),
    ]
    .into_iter()
    .find_map(|(is_wrong, what)| is_wrong.then_some(what))
}

#[test]
fn an_environment_rolls_back_only_a_verified_release_and_to_what_was_verified() {
    over_worlds(|_, environments, _| {
        for world in environments.iter().cloned().chain(environments.iter().map(failing)) {
            let (mut lanes, decision) = (Vec::new(), environment::decide(&world, now()));
            for action in &decision.actions {
                let Action::CreatePromotion { name, application, spec, .. } = action else { continue };
                hold(!lanes.contains(application), || format!("two in one lane: {decision:#?}"))?;
                lanes.push(application.clone());
                if spec.kind == PromotionKind::Rollback {
                    let fault = fault(&world, name, application, spec.to_revision);
                    hold(fault.is_none(), || format!("{fault:?}: {action:#?}\n{world:#?}"))?;
                }
            }
        }
        Ok(())
    });
}
