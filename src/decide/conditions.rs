//! Conditions: one merge that preserves transition times, and one summary from which `Ready`, `Reconciling` and `Stalled` follow.

pub use crate::api::schema::cut;

use crate::api::{Condition, READY, RECONCILING, Reason, STALLED};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The state of an object, as kstatus defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is in progress and nothing failed.
    Ready,
    /// Something is in progress, or waits for a missing object.
    Reconciling,
    /// Failed. Only a change of an object can continue it.
    Stalled,
}

/// The conditions `Ready`, `Reconciling` and `Stalled` of one state, in this order.
pub fn of_state(
    state: &State,
    reason: &Reason,
    message: &str,
    generation: i64,
    stored: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    let flag = |on: bool| if on { "True" } else { "False" };
    let mut conditions = vec![(READY, flag(*state == State::Ready))];
    match state {
        State::Ready => {}
        State::Reconciling => conditions.push((RECONCILING, "True")),
        State::Stalled => conditions.push((STALLED, "True")),
    }
    conditions
        .into_iter()
        .map(|(type_, status)| condition(type_, status, reason, message, generation, stored, now))
        .collect()
}

/// One condition. Its transition time changes only with its status.
pub fn condition(
    type_: &str,
    status: &str,
    reason: &Reason,
    message: &str,
    generation: i64,
    stored: &[Condition],
    now: Timestamp,
) -> Condition {
    let before = stored.iter().find(|condition| condition.type_ == type_ && condition.status == status);
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: word(reason.as_str()),
        message: cut(message, 4096),
        observed_generation: Some(generation),
        last_transition_time: before
            .map_or(Time(seconds(now)), |condition| condition.last_transition_time.clone()),
    }
}

/// A reason in the form that the API demands: a letter, then letters, digits and `_`. A kubelet may report other text.
fn word(reason: &str) -> String {
    let word: String = reason.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    match word.chars().next().is_some_and(|first| first.is_ascii_alphabetic()) {
        true => word,
        false => "Unknown".to_owned(),
    }
}

/// Truncates a time to whole seconds, as the API stores it. A finer time would differ from the stored one.
pub fn seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// The time since which a condition has had this status.
pub fn since(conditions: &[Condition], type_: &str, status: &str) -> Option<Timestamp> {
    conditions
        .iter()
        .find(|condition| condition.type_ == type_ && condition.status == status)
        .map(|condition| condition.last_transition_time.0)
}
