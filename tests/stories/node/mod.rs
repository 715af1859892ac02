//! Does the product tell good releases from bad ones where real processes run, crash and answer?
//!
//! As `cases`, but every pod runs on a real node, and what counts in the end is what the application itself answers.

pub mod bad_releases;
pub mod good_releases;
mod shop;
pub mod silent_kubelet;
pub mod stateful_and_daemon_sets;
pub mod tests_of_releases;
