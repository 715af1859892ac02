//! What the admission policies refuse and let pass, on a real API server with the chart installed and no controller running:
//! the API server is the judge.
//!
//! One control plane for all tests here; each test has namespaces of its own. A refusal is checked by its words, so that it
//! is the policy in question that refuses.

pub mod bindings;
pub mod escalation;
pub mod forged_approvals;
pub mod forged_requests;
pub mod freeze;
pub mod granted_accounts;
mod people;
pub mod pinned_images;
pub mod recalls;
pub mod record;
pub mod requests;
pub mod reviews;
pub mod shipped_roles;
mod support;
pub mod unstamped_requester;
pub mod withdrawals;
