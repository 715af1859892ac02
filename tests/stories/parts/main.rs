//! Does the control plane do what its users rely on? One for all tests here, except where its own end is the question.

mod audit_log;
mod control_plane_lifetime;
mod identities;
mod lasting_readiness;
mod objects;
mod played_fates;
mod workloads;
