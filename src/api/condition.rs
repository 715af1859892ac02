//! Conditions, as kstatus reads them.

pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// Nothing is being done and nothing failed.
pub const READY: &str = "Ready";
/// Towpath is working on the object.
pub const RECONCILING: &str = "Reconciling";
/// A final verdict against the object, or a spec that cannot work.
pub const STALLED: &str = "Stalled";
/// A failed promotion stops automation in its lane.
pub const HOLDS: &str = "Holds";
/// Verified in the last environment that the release may reach.
pub const VERIFIED: &str = "Verified";
