//! Sends notifications, beside the queue: no reconcile waits for a channel.
//!
//! ```text
//!   watches --Change--> Inbox --> Desk: what is new, and for whom --> one Sender per channel --> the server
//!                                                                          +--> the status of the channel
//! ```
//!
//! Invariant: only the leader sends, and everything here ends with its term. The next one starts from the cursors of the channels.

mod desk;
mod inbox;
mod outboxes;
mod sender;

pub use inbox::Inbox;

use crate::process::Handles;
use desk::Desk;
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// The delay before notifications start again after a panic.
const AFTER_PANIC: Duration = Duration::from_secs(60);

/// Sends notifications until it is dropped.
pub(super) async fn run(handles: Handles, inbox: Inbox) {
    loop {
        let work = Desk::new(handles.clone(), inbox.clone()).work();
        if AssertUnwindSafe(work).catch_unwind().await.is_err() {
            tracing::error!("notifications start again after a panic");
        }
        tokio::time::sleep(AFTER_PANIC).await;
    }
}
