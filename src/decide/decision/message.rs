//! A notification, ready to be sent.

use jiff::Timestamp;

/// A notification in the format of its channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The body of a webhook or a chat.
    Json {
        /// Id of the notification.
        id: String,
        /// JSON.
        body: String,
    },
    /// A mail.
    Mail {
        /// Id of the notification.
        id: String,
        /// When it happened.
        at: Timestamp,
        /// Subject, without line breaks.
        subject: String,
        /// Plain text.
        text: String,
    },
    /// A CloudEvent.
    CloudEvent(CloudEvent),
}

/// The attributes of a CloudEvent, and its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudEvent {
    /// Id of the notification.
    pub id: String,
    /// Where it happened, as a relative URI.
    pub source: String,
    /// Type.
    pub type_: String,
    /// What it is about.
    pub subject: String,
    /// When it happened.
    pub at: Timestamp,
    /// JSON.
    pub body: String,
}
