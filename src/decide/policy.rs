//! A RollbackPolicy: whether its checks can be used.

use super::checks::validate;
use super::conditions;
use super::conditions::State;
use super::decision::Decision;
use super::world::PolicyWorld;
use crate::api::{Meta, Reason, RollbackPolicyStatus};
use jiff::Timestamp;

/// Decides about one policy.
pub fn decide(world: &PolicyWorld, now: Timestamp) -> Decision<RollbackPolicyStatus> {
    let policy = &world.policy;
    if policy.deleting() {
        return Decision::default();
    }
    let fault = validate::checks(&policy.spec, &world.project.name, &world.project.providers);
    let (state, reason, message) = match fault {
        None => (State::Ready, Reason::Valid, "the policy can be used".to_owned()),
        Some(message) => (State::Stalled, Reason::InvalidPolicy, message),
    };
    let stored = policy.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let status = RollbackPolicyStatus {
        observed_generation: policy.generation(),
        conditions: conditions::of_state(&state, &reason, &message, policy.generation(), stored, now),
    };
    Decision { report: (policy.status.as_ref() != Some(&status)).then_some(status), ..Decision::default() }
}
