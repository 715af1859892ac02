//! What the tests share. Readers of manifests for those that need no cluster; for stories, the control plane of a run, projects
//! with their controllers, people, and what a failed story leaves behind.
//!
//! Nothing here knows the product's code: stories see it as its users do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is how a test fails")]

pub mod manifests;
pub mod schema;
