//! What the admission policies refuse and let pass, on a real API server with the chart installed and no controller running:
//! the API server is the judge.
//!
//! One control plane for all tests here; each test has namespaces of its own. A refusal is checked by its words, so that it
//! is the policy in question that refuses.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is how a test fails")]

mod bindings;
mod escalation;
mod forged_approvals;
mod forged_requests;
mod freeze;
mod people;
mod pinned_images;
mod record;
mod requests;
mod shipped_roles;
mod support;
mod unstamped_requester;
