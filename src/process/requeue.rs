//! Objects to reconcile again because something ended that no watch reports, such as a measurement.

use crate::api::EnvironmentId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// An object to reconcile again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// A promotion.
    Promotion {
        /// Its environment, in its project.
        environment: EnvironmentId,
        /// Its name.
        name: String,
    },
    /// A CheckProvider, by name.
    Provider(String),
}

/// Where objects are requeued.
#[derive(Clone, Debug)]
pub struct Requeue(UnboundedSender<Due>);

impl Requeue {
    /// A sender, and the receiver that the controller reads.
    pub fn new() -> (Self, UnboundedReceiver<Due>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    /// Requeues an object. Without effect while the process stops.
    pub fn push(&self, due: Due) {
        let _ = self.0.send(due);
    }
}
