//! What holds without a cluster: the laws of the code, the definitions of the kinds, `decide` over arbitrary worlds, whole releases
//! through a toy cluster, and what the documentation tells other tools.

mod architecture;
mod argo_cd_health;
mod crds;
mod documentation;
mod hostile_checks;
mod lint;
mod monitoring;
mod notifications;
mod plugin;
mod properties;
mod questions;
mod screens;
mod screens_ahead;
mod screens_changes;
mod screens_of_files;
mod screens_of_people;
mod screens_of_records;
mod simulate;
