//! Notifications: which transitions are sent to which channel, in which order, and how far a channel has come.
//!
//! ```text
//!   promotions, releases, recalls, freezes -> notices -> Dispatch -> one Outbox per channel -> message -> the server
//!                                                                        |
//!                                                                        +-> Channel.status{through, failing, dropped}
//! ```
//!
//! A notice is computed from an object that the API server holds, so nothing is written when it is due. After a restart, everything since
//! `through` is computed and sent again, with the same id.
//!
//! Invariants: `through` never passes a notice that was neither sent nor dropped, and lies [`outbox::MARGIN`] before the current time: an
//! object shows its transition a while after the time that it names. A notice that appears while the process runs is sent whatever time it
//! names, so a clock that jumps loses none. Rollbacks are sent first.

pub mod audience;
pub mod dispatch;
pub mod message;
pub mod notice;
pub mod outbox;
mod transitions;

pub use audience::Audience;
pub use dispatch::Dispatch;
pub use notice::{Notice, Scope};
pub use outbox::{Failure, Outbox};
pub use transitions::{of_cluster_freeze, of_freeze, of_promotion, of_recall, of_release};

#[cfg(test)]
mod dispatch_tests;
#[cfg(test)]
mod given_up_tests;
#[cfg(test)]
mod restart_tests;
#[cfg(test)]
mod transitions_tests;
