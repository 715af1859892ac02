//! Workloads reduced to the fields that health needs. One process watches tens of thousands.
//!
//! Invariants: fields that these types do not name are not stored and cannot break decoding; an absent field reads as the
//! default of the API. Strings that can end up in a status or an Event are truncated here.

mod condition;
mod job;
mod meta;
mod owned;
mod pod;
mod text;
mod wire;
mod workload;

pub use condition::{Condition, ConditionStatus};
pub use job::Job;
pub use meta::{Meta, OwnedMeta};
pub use owned::Owned;
pub use pod::{Container, ContainerState, Pod, PodPhase, RestartRule, RestartRules, Terminated, Waiting};
pub use text::{Time, Word};
pub use wire::{Slim, Wire};
pub use workload::{
    DaemonSet, Deployment, Namespace, PodManagement, ReplicaSet, StatefulSet, UpdateStrategy,
    UpdateStrategyType,
};

#[cfg(test)]
mod tests;
