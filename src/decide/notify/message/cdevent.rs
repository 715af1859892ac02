//! CDEvents 0.5. An event that CDEvents does not define is a custom event of Towpath.
//!
//! <https://github.com/cdevents/spec/blob/v0.5.0/spec.md>, <https://github.com/cdevents/spec/blob/v0.5.0/cloudevents-binding.md>

use crate::api::NotifyEvent;
use crate::decide::decision::{CloudEvent, Message};
use crate::decide::notify::notice::Notice;
use serde::Serialize;
use serde_json::{Value, json};

/// The version of the specification.
const SPEC: &str = "0.5.0";
/// What the custom events of Towpath begin with.
const CUSTOM: &str = "dev.cdeventsx.towpath-";
/// The version of the custom events.
const CUSTOM_VERSION: &str = "0.1.0";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CdEvent<'a> {
    context: Context<'a>,
    subject: Subject,
    custom_data: &'a Notice,
    custom_data_content_type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    specversion: &'static str,
    id: &'a str,
    source: &'a str,
    #[serde(rename = "type")]
    type_: &'a str,
    timestamp: String,
}

#[derive(Serialize)]
struct Subject {
    id: String,
    source: String,
    content: Value,
}

/// The event.
pub(super) fn of(notice: &Notice) -> Message {
    let project = notice.project.as_deref().unwrap_or("-");
    let source = format!("/towpath/{project}");
    let (type_, id, content) = kind(notice, &source);
    let event = CdEvent {
        context: Context {
            specversion: SPEC,
            id: &notice.id,
            source: &source,
            type_: &type_,
            timestamp: notice.at.to_string(),
        },
        subject: Subject { id: id.clone(), source: source.clone(), content },
        custom_data: notice,
        custom_data_content_type: "application/json",
    };
    // Serialization of these types cannot fail.
    let body = serde_json::to_string(&event).unwrap_or_default();
    let (id, at, subject) = (notice.id.clone(), notice.at, id);
    Message::CloudEvent(CloudEvent { id, source, type_, subject, at, body })
}

/// Type, id of the subject, and content.
fn kind(notice: &Notice, source: &str) -> (String, String, Value) {
    let text =
        |value: &Option<String>| value.clone().filter(|it| !it.is_empty()).unwrap_or_else(|| "-".to_owned());
    let (application, place) = (text(&notice.application), text(&notice.environment));
    let environment = json!({ "id": place, "source": source });
    let artifact =
        |version: &Option<String>| format!("pkg:generic/{application}@{}", encoded(&text(version)));
    let service = |predicate: &str, version: &Option<String>| {
        let content = json!({ "environment": environment, "artifactId": artifact(version) });
        (format!("dev.cdevents.service.{predicate}.0.3.0"), application.clone(), content)
    };
    let incident = || {
        let content = json!({
            "description": notice.title(),
            "environment": environment,
            "service": { "id": application, "source": source },
            "artifactId": artifact(&notice.version),
        });
        ("dev.cdevents.incident.detected.0.3.0".to_owned(), text(&notice.promotion), content)
    };
    let custom = |subject: &str, predicate: &str, id: &Option<String>| {
        (format!("{CUSTOM}{subject}.{predicate}.{CUSTOM_VERSION}"), text(id), json!({}))
    };
    match notice.event {
        NotifyEvent::Verified if notice.revision == Some(1) => service("deployed", &notice.version),
        NotifyEvent::Verified => service("upgraded", &notice.version),
        NotifyEvent::RolledBack => service("rolledback", &notice.restores),
        NotifyEvent::Failed | NotifyEvent::RollbackFailed => incident(),
        NotifyEvent::Started => custom("promotion", "started", &notice.promotion),
        NotifyEvent::Inconclusive => custom("promotion", "inconclusive", &notice.promotion),
        NotifyEvent::Superseded => custom("promotion", "superseded", &notice.promotion),
        NotifyEvent::RollbackStarted => custom("rollback", "started", &notice.promotion),
        NotifyEvent::ApprovalNeeded => custom("promotion", "approvalneeded", &notice.promotion),
        NotifyEvent::Held => custom("release", "held", &notice.release),
        NotifyEvent::Recalled => custom("release", "recalled", &notice.reason),
        NotifyEvent::Frozen => custom("environment", "frozen", &notice.environment),
    }
}

/// A version as a package URL holds it.
fn encoded(version: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let byte = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    version.bytes().map(byte).collect()
}
