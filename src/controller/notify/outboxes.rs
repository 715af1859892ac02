//! The outboxes, as the desk and the senders share them.

use crate::decide::notify::Dispatch;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The outboxes. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Outboxes(Arc<Mutex<Dispatch>>);

impl Outboxes {
    pub fn lock(&self) -> MutexGuard<'_, Dispatch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
