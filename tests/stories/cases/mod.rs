//! Does the product do what it promises, on a real control plane, with the real controller process?
//!
//! Each story has a project of its own. One controller serves them all, but for the stories that are about the controller
//! itself, count what it asks for, or stop it.

pub mod adoption;
pub mod after_verified;
pub mod approvals;
pub mod bad_objects;
pub mod calendar;
pub mod captures;
pub mod checks;
pub mod clocks;
pub mod conditions;
pub mod configuration;
pub mod costs;
pub mod crash;
mod crash_ends;
pub mod credentials;
pub mod custom_templates;
pub mod declared_types;
pub mod deletion;
pub mod documented_checks;
pub mod drift;
pub mod dropped_notifications;
pub mod failing_releases;
pub mod figures;
pub mod first_promotion;
pub mod grants;
pub mod hooks;
pub mod hostile_providers;
pub mod irreversible;
pub mod lost_jobs;
pub mod missing_policies;
pub mod notifications;
mod notified;
pub mod path_to_prod;
pub mod preflight;
pub mod prerequisites;
pub mod promotion_order;
pub mod recalls;
pub mod refused_content;
pub mod removals;
pub mod repeated;
pub mod replicas;
pub mod requires;
pub mod shared_namespaces;
pub mod takeover;
pub mod terminating;
pub mod tests_before;
pub mod tests_of_releases;
pub mod undecodable;
pub mod verdicts_of_checks;
pub mod withdrawn_consent;
