//! Writes Events from a bounded queue, in a task of its own.
//!
//! Invariants: pushing an event never waits and never fails; when the queue is full, or this replica does not lead, the
//! event is dropped and counted. Events are best effort: the record is in the status of the
//! Promotion.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::PostParams;
use tokio::sync::mpsc;

use super::error::{brief, code_of};
use super::fence::Fence;
use super::telemetry::Telemetry;

/// Maximum number of events in the queue.
const QUEUE: usize = 256;
/// Maximum bytes of a message (the API server's limit for `note`).
const MESSAGE: usize = 1024;
/// Maximum bytes of reason and action (the API server's limit).
const WORD: usize = 128;
/// Namespace of the Events about objects that have none.
const CLUSTER: &str = "default";
/// Name of the reporting controller.
const CONTROLLER: &str = "towpath.dev/controller";

/// The two types of Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// An expected transition.
    Normal,
    /// A transition that may need attention.
    Warning,
}

/// One transition to report as an Event.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// The object that it is about.
    pub object_ref: ObjectReference,
    /// Normal or Warning.
    pub type_: EventType,
    /// A constant, in CamelCase.
    pub reason: String,
    /// A sentence; truncated to 1 KiB.
    pub message: String,
    /// What was done about it; a constant, in CamelCase.
    pub action: &'static str,
}

/// Queues events. Cloned handles share the queue.
#[derive(Debug, Clone)]
pub struct EventQueue {
    queue: mpsc::Sender<(Timestamp, NewEvent)>,
    telemetry: Telemetry,
}

/// Writes the events that [`EventQueue`] queues.
#[derive(Debug)]
pub struct EventWriter {
    queue: mpsc::Receiver<(Timestamp, NewEvent)>,
    telemetry: Telemetry,
}

/// A queue, and the writer that empties it.
pub fn event_queue(telemetry: Telemetry) -> (EventQueue, EventWriter) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (EventQueue { queue: sender, telemetry: telemetry.clone() }, EventWriter { queue: receiver, telemetry })
}

impl EventQueue {
    /// Queues an event about a transition at `at`. Call this after the write that it reports succeeded.
    pub fn push(&self, at: Timestamp, new: NewEvent) {
        if self.queue.try_send((at, new)).is_err() {
            self.telemetry.event_dropped();
        }
    }
}

impl EventWriter {
    /// Writes events one after the other as `replica`, until every [`EventQueue`] is dropped.
    pub async fn run(mut self, client: kube::Client, fence: Fence, replica: String) {
        while let Some((at, new)) = self.queue.recv().await {
            if fence.epoch().is_none() {
                self.telemetry.event_dropped();
                continue;
            }
            let namespace = new.object_ref.namespace.clone().unwrap_or_else(|| CLUSTER.to_owned());
            let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
            let reason = new.reason.clone();
            if let Err(error) =
                events.create(&PostParams::default(), &event(at, new, namespace, &replica)).await
            {
                self.telemetry.event_dropped();
                match code_of(&error) {
                    // Permanent: an invalid Event, or a missing right.
                    Some(400..=428 | 430..=499) => {
                        tracing::warn!(reason, error = brief(&error), "event refused");
                    }
                    // A busy or unreachable API server is reported elsewhere.
                    Some(_) | None => tracing::debug!(reason, error = brief(&error), "event not written"),
                }
            }
        }
    }
}

fn event(at: Timestamp, new: NewEvent, namespace: String, replica: &str) -> Event {
    let about = new.object_ref.name.as_deref().unwrap_or("towpath");
    Event {
        metadata: ObjectMeta {
            generate_name: Some(generate_name(about)),
            namespace: Some(namespace),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(at)),
        action: Some(cut(new.action, WORD).to_owned()),
        reason: Some(cut(&new.reason, WORD).to_owned()),
        note: Some(cut(&new.message, MESSAGE).to_owned()),
        type_: Some(
            match new.type_ {
                EventType::Normal => "Normal",
                EventType::Warning => "Warning",
            }
            .to_owned(),
        ),
        regarding: Some(new.object_ref),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(cut(replica, WORD).to_owned()),
        ..Event::default()
    }
}

/// Returns a `generateName`. The API server rejects one that ends in a dot, and one with a dot before the dash.
fn generate_name(about: &str) -> String {
    format!("{}-", cut(about, 200).trim_end_matches(['.', '-']))
}

/// At most `limit` bytes of `text`, at a character boundary.
fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    fn new_event(message: String) -> NewEvent {
        let object_ref = ObjectReference {
            name: Some("web-1.2.0".to_owned()),
            namespace: Some("shop".to_owned()),
            ..ObjectReference::default()
        };
        NewEvent {
            object_ref,
            type_: EventType::Warning,
            reason: "RolledBack".into(),
            message,
            action: "Rollback",
        }
    }

    #[test]
    fn a_message_is_truncated_between_characters() {
        let event = event(Timestamp::UNIX_EPOCH, new_event("ä".repeat(MESSAGE)), "shop".to_owned(), "pod-0");
        assert_eq!(event.note.unwrap().len(), MESSAGE);
        assert_eq!(event.metadata.generate_name.as_deref(), Some("web-1.2.0-"));
        assert_eq!(event.type_.as_deref(), Some("Warning"));
    }

    #[test]
    fn a_name_truncated_at_a_dot_stays_valid() {
        assert_eq!(generate_name(&format!("{}.b", "a".repeat(199))), format!("{}-", "a".repeat(199)));
        assert_eq!(generate_name("web"), "web-");
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let telemetry = Telemetry::default();
        let (events, _writer) = event_queue(telemetry.clone());
        for _ in 0..(QUEUE + 3) {
            events.push(Timestamp::UNIX_EPOCH, new_event(String::new()));
        }
        let mut text = String::new();
        let mut registry = Registry::default();
        telemetry.register(&mut registry);
        encode(&mut text, &registry).unwrap();
        assert!(text.contains("events_dropped_total 3"), "{text}");
    }
}
