//! Towpath: release management for Kubernetes.
//!
//! A release moves by `observe -> decide -> act`.

pub mod api;
pub mod cli;
