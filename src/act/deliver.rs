//! Sends one notification to a channel.

use super::address::{auth, tls_files};
use crate::api::{Channel, ChannelSpec, ChatWebhook, Meta, Smtp, SmtpSecurity, Webhook};
use crate::decide::decision::{CloudEvent, Message};
use crate::probe::{Allowed, Endpoint, Mail, MailServer, Post, ProbeError, Security};
use crate::process::Handles;
use std::collections::BTreeMap;

/// Requests per second to a chat, which refuses more.
const CHAT_RATE: usize = 1;
/// Requests per second to another server.
const RATE: usize = 20;
const JSON: &str = "application/json";

/// Sends a message. It was accepted if this returns no error.
pub async fn deliver(handles: &Handles, channel: &Channel, message: Message) -> Result<(), ProbeError> {
    let spec = &channel.spec;
    match message {
        Message::Mail { id, at, subject, text } => {
            let smtp = spec.smtp.as_ref().ok_or_else(|| without("smtp"))?;
            let (from, to) = (smtp.from.clone(), smtp.to.clone());
            let mail = Mail { from, to, subject, text, id, at };
            handles.prober.mail(&server(spec, smtp)?, &mail).await
        }
        Message::CloudEvent(event) => {
            let receiver = spec.cdevents.as_ref().ok_or_else(|| without("cdevents"))?;
            let endpoint = endpoint(channel, receiver.url.clone(), RATE)?;
            handles.prober.post(&endpoint, of_event(event)).await
        }
        Message::Json { id, body } => match (&spec.webhook, spec.slack.as_ref().or(spec.teams.as_ref())) {
            (Some(webhook), _) => to_webhook(handles, channel, webhook, id, body).await,
            (None, Some(chat)) => to_chat(handles, channel, chat, body).await,
            (None, None) => Err(without("webhook")),
        },
    }
}

async fn to_webhook(
    handles: &Handles,
    channel: &Channel,
    webhook: &Webhook,
    id: String,
    body: String,
) -> Result<(), ProbeError> {
    let timestamp = handles.clock.now().as_second();
    let signature = handles.prober.signature(&webhook.key, &format!("{timestamp}.{body}"))?;
    let headers = BTreeMap::from([
        ("towpath-id", id),
        ("towpath-timestamp", timestamp.to_string()),
        ("towpath-signature", format!("sha256={signature}")),
    ]);
    let endpoint = endpoint(channel, webhook.url.clone(), RATE)?;
    let post = Post { content_type: JSON, headers, body, ..Post::default() };
    handles.prober.post(&endpoint, post).await
}

async fn to_chat(
    handles: &Handles,
    channel: &Channel,
    chat: &ChatWebhook,
    body: String,
) -> Result<(), ProbeError> {
    let (url, path) = handles.prober.url_of(&chat.url)?;
    let endpoint = endpoint(channel, url, CHAT_RATE)?;
    let post = Post { path, content_type: JSON, body, has_secret_path: true, ..Post::default() };
    handles.prober.post(&endpoint, post).await
}

/// A CloudEvent in binary mode: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#31-binary-content-mode>
fn of_event(event: CloudEvent) -> Post {
    let headers = BTreeMap::from([
        ("ce-specversion", "1.0".to_owned()),
        ("ce-id", attribute(&event.id)),
        ("ce-source", attribute(&event.source)),
        ("ce-type", attribute(&event.type_)),
        ("ce-subject", attribute(&event.subject)),
        ("ce-time", event.at.to_string()),
    ]);
    Post { content_type: JSON, headers, body: event.body, ..Post::default() }
}

/// An attribute as a header holds it.
fn attribute(text: &str) -> String {
    let is_plain = |c: char| ('!'..='~').contains(&c) && c != '"' && c != '%';
    let mut header = String::new();
    for c in text.chars() {
        if is_plain(c) {
            header.push(c);
        } else {
            let mut bytes = [0; 4];
            header.extend(c.encode_utf8(&mut bytes).bytes().map(|byte| format!("%{byte:02X}")));
        }
    }
    header
}

fn endpoint(channel: &Channel, url: String, rate: usize) -> Result<Endpoint, ProbeError> {
    let spec = &channel.spec;
    Ok(Endpoint {
        // Another name than that of a provider, which has a rate limit of its own.
        name: format!("channel/{}", channel.name()),
        url,
        allowed: Allowed::parse(&spec.allow_addresses).map_err(ProbeError::Url)?,
        tls: tls_files(spec.tls.as_ref()),
        auth: auth(spec.auth.as_ref()),
        headers: BTreeMap::new(),
        rate,
    })
}

fn server(spec: &ChannelSpec, smtp: &Smtp) -> Result<MailServer, ProbeError> {
    Ok(MailServer {
        host: smtp.host.clone(),
        port: smtp.port(),
        security: match smtp.security {
            SmtpSecurity::Tls => Security::Tls,
            SmtpSecurity::StartTls => Security::StartTls,
            SmtpSecurity::None => Security::None,
        },
        allowed: Allowed::parse(&spec.allow_addresses).map_err(ProbeError::Url)?,
        tls: tls_files(spec.tls.as_ref()),
        login: smtp.username.clone().zip(smtp.password.clone()),
    })
}

/// The spec changed since the message was made; the next attempt makes another.
fn without(field: &str) -> ProbeError {
    ProbeError::Url(format!("spec.{field}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_of_an_event_is_a_header() {
        assert_eq!(attribute("prod-shop-1.4.0+build"), "prod-shop-1.4.0+build");
        assert_eq!(attribute("50% \"ü\"\r\n"), "50%25%20%22%C3%BC%22%0D%0A");
    }
}
