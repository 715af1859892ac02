//! What is: reads, and nothing but reads. One file per subject.
//!
//! Caches give our own kinds and the workloads; everything else is read as the derived identity of the environment. A world
//! older than one of our own writes is refused: the watch that brings the newer one wakes the object again.

mod admission;
pub mod approval;
mod capture;
mod contents;
mod copies;
pub mod environment;
mod error;
pub mod freezes;
mod grant;
mod health;
mod live;
mod pins;
mod project;
pub mod promotion;
pub mod release;
mod review;
mod rights;

pub use error::ObserveError;
