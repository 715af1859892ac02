//! What the tests share. Readers of manifests for those that need no cluster; for stories, the control plane of a run, projects
//! with their controllers, people, and what a failed story leaves behind.
//!
//! Nothing here knows the product's code: stories see it as its users do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is how a test fails")]

pub mod browser;
pub mod effective_rights;
pub mod failed;
pub mod figures;
pub mod helm;
pub mod hostile;
pub mod installation;
pub mod installed_controller;
pub mod judgement;
pub mod mail_server;
pub mod manifests;
pub mod metrics;
pub mod objects;
pub mod operator;
pub mod pages;
pub mod people;
pub mod project;
pub mod receiver;
pub mod refusals;
mod refusals_of_channels;
pub mod relay;
pub mod requests;
pub mod rights;
pub mod schema;
pub mod shift;
pub mod story;
pub mod terminal;
mod times;
pub mod waits;

pub use installation::{LEASES, SOON, SYSTEM, installed};
pub use project::{Project, in_project, merge, same, with_own_controller};
