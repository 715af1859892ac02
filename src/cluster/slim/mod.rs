//! Workloads as health needs them: a few fields each, in few bytes. One process watches tens of thousands.
//!
//! Invariants: what these types do not name is neither kept nor able to break their decoding; a field that is absent
//! reads as the API's own default. Strings of the cluster that end up in a status or an event are cut here.

mod condition;
mod job;
mod meta;
mod pod;
mod text;
mod wire;
mod workload;

pub use condition::{Condition, ConditionStatus};
pub use job::Job;
pub use meta::Meta;
pub use pod::{Container, ContainerState, Pod, PodPhase, Terminated, Waiting};
pub use text::{Time, Word};
pub use wire::{Slim, Wire};
pub use workload::{
    DaemonSet, Deployment, Namespace, ReplicaSet, StatefulSet, UpdateStrategy, UpdateStrategyType,
};

#[cfg(test)]
mod tests;
