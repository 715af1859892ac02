//! Towpath: release management for Kubernetes.
//!
//! A release moves by `observe -> decide -> act`.

pub mod act;
pub mod api;
pub mod cli;
pub mod cluster;
pub mod content;
pub mod controller;
pub mod decide;
pub mod observe;
pub mod process;
