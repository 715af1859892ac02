//! Views: what people read, for the terminal, JSON and the page alike.
//!
//! A view is a pure function from the objects of a project to plain data. [`screen`] lays that data out for a terminal. No view makes a
//! request, and none needs another right than to read the objects that it shows.

mod approvals;
pub mod attention;
pub mod board;
pub mod calendar;
pub mod changelog;
pub mod checkup;
pub mod choice;
pub mod diff;
pub mod explain;
pub mod findings;
pub mod history;
pub mod intent;
pub mod log;
pub mod manifests;
pub mod outlook;
pub mod plan;
pub mod proposal;
pub mod record;
pub mod report;
pub mod right;
pub mod screen;
pub mod status;
pub mod suggestion;
pub mod times;
pub mod tone;
pub mod values;
pub mod versions;
pub mod waiting;

/// Version of the JSON of all views. It changes when a field is removed or changes its meaning.
pub const VERSION: &str = "view.towpath.dev/v1alpha1";
