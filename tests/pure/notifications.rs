//! What channels send, byte by byte: the files of `golden/notifications`. UPDATE_GOLDEN=1 writes them again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is how a test fails")]

use cdevents_sdk::CDEvent;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::path::Path;
use towpath::api::{ChannelSpec, NotifyEvent};
use towpath::decide::decision::Message;
use towpath::decide::notify::{Notice, Scope, message};

fn at() -> Timestamp {
    "2026-11-02T12:00:00Z".parse().unwrap()
}

/// A failure whose texts hold what means something in one of the formats.
fn notice(event: NotifyEvent) -> Notice {
    let some = |text: &str| Some(text.to_owned());
    let is_rollback = event.is_of_rollback();
    Notice {
        id: format!("0b5c1c3e-77a1-4d3c-9e43-3a5a2d1f9a10.{}", event.as_str()),
        event,
        at: at(),
        project: some("shop"),
        environment: some("prod"),
        application: some("shop"),
        version: some("1.1.0+build 7"),
        restores: some("1.0.0").filter(|_| is_rollback),
        release: some("shop-1.1.0"),
        promotion: some("prod-shop-1.1.0"),
        revision: Some(2),
        reason: some("CrashLoopBackOff"),
        message: some(
            r#"web: "<!channel> & <https://evil.example|click>" *bold* [link](http://evil.example) {{.}} ${x} \u{202e}"#,
        ),
        by: some("alice@example.com"),
        owner: some("team-shop"),
        stakeholders: vec!["sales".to_owned(), "support".to_owned()],
        tickets: vec!["SHOP-1".to_owned()],
        scope: Scope::Environment("shop".into(), "prod".into()),
    }
}

fn channel(receiver: Value) -> ChannelSpec {
    let mut spec = json!({ "projects": ["shop"] });
    spec.as_object_mut().unwrap().append(&mut receiver.as_object().unwrap().clone());
    serde_json::from_value(spec).unwrap()
}

fn channels() -> [(&'static str, ChannelSpec); 5] {
    let smtp =
        json!({ "smtp": { "host": "mail", "from": "towpath@example.com", "to": ["shop@example.com"] } });
    [
        ("webhook", channel(json!({ "webhook": { "url": "https://a", "key": "b" } }))),
        ("slack", channel(json!({ "slack": { "url": "a" } }))),
        ("teams", channel(json!({ "teams": { "url": "a" } }))),
        ("mail", channel(smtp)),
        ("cdevents", channel(json!({ "cdevents": { "url": "http://a" } }))),
    ]
}

fn pretty(json: &str) -> String {
    serde_json::to_string_pretty(&serde_json::from_str::<Value>(json).unwrap()).unwrap()
}

fn shown(message: &Message) -> String {
    match message {
        Message::Json { id, body } => format!("id: {id}\n\n{}\n", pretty(body)),
        Message::Mail { id, at, subject, text } => {
            format!("id: {id}\nat: {at}\nsubject: {subject}\n\n{text}")
        }
        Message::CloudEvent(it) => format!(
            "id: {}\nsource: {}\ntype: {}\nsubject: {}\ntime: {}\n\n{}\n",
            it.id,
            it.source,
            it.type_,
            it.subject,
            it.at,
            pretty(&it.body)
        ),
    }
}

#[test]
fn every_format_is_as_it_was() {
    let mut faults = Vec::new();
    for (name, channel) in channels() {
        for event in [NotifyEvent::Failed, NotifyEvent::RolledBack, NotifyEvent::ApprovalNeeded] {
            let text = shown(&message::of(&channel, &notice(event)));
            let file = format!(
                "{}/tests/pure/golden/notifications/{name}-{}.txt",
                env!("CARGO_MANIFEST_DIR"),
                event.as_str()
            );
            let path = Path::new(&file);
            if std::env::var("UPDATE_GOLDEN").is_ok() {
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, &text).unwrap();
            } else if std::fs::read_to_string(path).ok().as_ref() != Some(&text) {
                faults.push(format!("{file} is another now (UPDATE_GOLDEN=1 writes it):\n{text}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_event_has_a_title_of_its_own() {
    let titles: Vec<String> = NotifyEvent::ALL.map(|event| notice(event).title()).to_vec();
    assert_eq!(
        titles,
        [
            "Promotion of shop 1.1.0+build 7 started in prod (project shop)",
            "shop 1.1.0+build 7 is verified in prod (project shop)",
            "shop 1.1.0+build 7 failed in prod (project shop)",
            "shop 1.1.0+build 7 is inconclusive in prod (project shop)",
            "Promotion of shop 1.1.0+build 7 was superseded in prod (project shop)",
            "Rollback of shop 1.1.0+build 7 to 1.0.0 started in prod (project shop)",
            "shop 1.1.0+build 7 was rolled back to 1.0.0 in prod (project shop)",
            "Rollback of shop 1.1.0+build 7 to 1.0.0 failed in prod (project shop)",
            "shop 1.1.0+build 7 needs approval for prod (project shop)",
            "shop 1.1.0+build 7 is on hold (project shop)",
            "Content of shop 1.1.0+build 7 was recalled (project shop)",
            "Promotions are frozen in prod (project shop)",
        ]
    );
}

/// Slack refuses a text of more than 3,000 characters, and JSON that a quote in a message breaks.
#[test]
fn the_longest_notice_is_accepted_by_a_chat() {
    let long = |count: usize| Some("&\"\\".repeat(count / 3));
    let names = || (0..20).map(|_| "<".repeat(100)).collect::<Vec<_>>();
    let notice = Notice {
        message: long(1_500),
        stakeholders: names(),
        tickets: names(),
        ..notice(NotifyEvent::Failed)
    };
    for (name, channel) in channels() {
        let bytes = match message::of(&channel, &notice) {
            Message::Json { body, .. } => {
                let body: Value = serde_json::from_str(&body).unwrap();
                let text = body["text"].as_str().unwrap_or_default();
                assert!(text.chars().count() <= 3_000, "{name}: {}", text.chars().count());
                body.to_string().len()
            }
            Message::Mail { subject, text, .. } => subject.len() + text.len(),
            Message::CloudEvent(event) => event.body.len(),
        };
        assert!(bytes < 28_000, "{name}: {bytes} bytes; Teams refuses more than 28 kB");
    }
}

/// The types of the SDK refuse an unknown field, an empty id, and what is no URI.
#[test]
fn cdevents_are_valid_against_their_schemas() {
    let (_, channel) = channels().into_iter().find(|(name, _)| *name == "cdevents").unwrap();
    let mut standard = 0;
    for event in NotifyEvent::ALL {
        let nothing = Notice {
            project: None,
            environment: None,
            application: None,
            version: None,
            promotion: None,
            release: None,
            reason: None,
            ..notice(event)
        };
        let first = Notice { revision: Some(1), ..notice(event) };
        for notice in [notice(event), nothing, first] {
            let Message::CloudEvent(sent) = message::of(&channel, &notice) else { panic!("no event") };
            let mut value: Value = serde_json::from_str(&sent.body).unwrap();
            assert_eq!(value["context"]["specversion"], "0.5.0");
            assert_eq!(
                (&value["context"]["id"], &value["context"]["type"]),
                (&json!(sent.id), &json!(sent.type_))
            );
            assert_eq!(value["subject"]["id"], json!(sent.subject));
            if sent.type_.starts_with("dev.cdevents.") {
                standard += 1;
            } else {
                // A custom event has any content; everything else is as in a standard one.
                let own = "dev.cdeventsx.towpath-";
                assert!(sent.type_.starts_with(own) && sent.type_.ends_with(".0.1.0"), "{}", sent.type_);
                value["context"]["type"] = json!("dev.cdevents.service.deployed.0.3.0");
                value["subject"]["content"] =
                    json!({ "artifactId": "pkg:generic/a@1", "environment": { "id": "a" } });
            }
            let event: CDEvent =
                serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value:#}"));
            assert_eq!(event.version(), "0.5.0");
        }
    }
    assert_eq!(standard, 4 * 3, "Verified, Failed, RolledBack and RollbackFailed");
}
