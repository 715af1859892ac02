//! Reads the facts that a decision needs. One file per subject.
//!
//! The own kinds and the workloads come from the watches; everything else is read as the derived identity of the environment. A
//! view older than an own write is refused: the watch that delivers the newer one requeues the object.

pub mod admission;
pub mod approval;
mod capture;
mod contents;
mod copies;
mod custom;
mod disruption;
mod drift;
pub mod environment;
mod error;
mod events;
pub mod freezes;
pub mod grant;
mod health;
mod live;
mod pins;
mod pods;
pub mod policy;
mod project;
pub mod promotion;
pub mod provider;
pub mod recall;
pub mod release;
mod requires;
mod review;
mod rights;
mod settling;
mod standstill;
mod test_runs;

pub use error::ObserveError;
