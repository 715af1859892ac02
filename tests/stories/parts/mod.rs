//! Do the control plane, the played node and the real node do what the other stories rely on?

pub mod audit_log;
pub mod control_plane_lifetime;
pub mod identities;
pub mod lasting_readiness;
pub mod node_lifetime;
mod objects;
pub mod played_fates;
mod real_node;
pub mod real_pods;
pub mod silent_kubelet;
pub mod workloads;
