//! The body of a notice in the format of each channel: fixed texts and fields, no template language.
//!
//! The texts of a notice are printable and bounded. Each format escapes what means something in it.

mod cdevent;
mod chat;
mod mail;
mod webhook;

use super::notice::Notice;
use crate::api::ChannelSpec;
use crate::decide::decision::Message;

/// The message of a channel about a notice.
pub fn of(channel: &ChannelSpec, notice: &Notice) -> Message {
    let id = notice.id.clone();
    if channel.slack.is_some() {
        return Message::Json { id, body: chat::slack(notice) };
    }
    if channel.teams.is_some() {
        return Message::Json { id, body: chat::teams(notice) };
    }
    if channel.smtp.is_some() {
        return mail::of(notice);
    }
    if channel.cdevents.is_some() {
        return cdevent::of(notice);
    }
    Message::Json { id, body: webhook::of(notice) }
}
