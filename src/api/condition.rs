//! Condition types. They follow kstatus.

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// The object is settled: nothing is in progress and nothing has failed.
pub const READY: &str = "Ready";
/// The controller is working on the object, or waits for something outside of it.
pub const RECONCILING: &str = "Reconciling";
/// A final failure of the object, or a spec that cannot work.
pub const STALLED: &str = "Stalled";
/// A failed promotion holds its lane: no release of the application is promoted automatically until a person creates a Promotion.
pub const HOLDS: &str = "Holds";
/// The release is verified in the last environment that it may reach.
pub const VERIFIED: &str = "Verified";

/// The condition `Ready`.
pub fn ready(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == READY)
}
