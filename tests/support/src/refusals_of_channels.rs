//! The rows about channels, and about what an environment sends to them.

use crate::refusals::Change;
use serde_json::{Value, json};

pub(crate) fn of_channels() -> Vec<Change> {
    let channel = |more: Value| {
        let mut spec = json!({ "projects": ["*"] });
        crate::merge(&mut spec, &more);
        spec
    };
    let webhook = |more: Value| {
        let mut spec = channel(json!({ "webhook": { "url": "https://a.b/c", "key": "hooks/key" } }));
        crate::merge(&mut spec, &more);
        spec
    };
    let smtp = |more: Value| {
        let mut spec = channel(json!({ "smtp": { "host": "mail", "from": "a@b.c", "to": ["d@e.f"] } }));
        crate::merge(&mut spec["smtp"], &more);
        spec
    };
    let login = json!({ "username": "a", "password": "mail/password" });
    let without_tls = json!({ "username": "a", "password": "mail/password", "security": "None" });
    let notify = |notify: Value| json!({ "namespace": "shop-dev", "notify": [notify] });
    const ONE: Option<&str> = Some("exactly one of webhook, slack, teams, smtp and cdevents");
    vec![
        ("Channel", "a webhook", None, webhook(json!({ "auth": { "bearer": "hooks/token" } })), None),
        ("Channel", "a chat", None, channel(json!({ "slack": { "url": "slack/url" } })), None),
        ("Channel", "a mail server", None, smtp(login), None),
        ("Channel", "no receiver", None, channel(json!({})), ONE),
        ("Channel", "two receivers", None, webhook(json!({ "cdevents": { "url": "http://a" } })), ONE),
        ("Channel", "no project", None, webhook(json!({ "projects": [] })), Some("projects")),
        (
            "Channel",
            "a webhook without a key",
            None,
            channel(json!({ "webhook": { "url": "https://a" } })),
            Some("key"),
        ),
        (
            "Channel",
            "a query in the address",
            None,
            webhook(json!({ "webhook": { "url": "https://a/?b=c" } })),
            Some("url"),
        ),
        (
            "Channel",
            "the URL of a chat",
            None,
            channel(json!({ "slack": { "url": "https://a/b" } })),
            Some("spec.slack.url: Invalid value: is the path of a file below the credentials folder"),
        ),
        (
            "Channel",
            "authentication to a chat",
            None,
            channel(json!({ "teams": { "url": "teams/url" }, "auth": { "bearer": "a/b" } })),
            Some("spec.auth is only allowed with webhook and cdevents"),
        ),
        (
            "Channel",
            "a user without a password",
            None,
            smtp(json!({ "username": "a" })),
            Some("both username and password"),
        ),
        ("Channel", "a password without TLS", None, smtp(without_tls), Some("never sent without TLS")),
        (
            "Channel",
            "a line break in an address",
            None,
            smtp(json!({ "to": ["a@b.c\r\nRCPT TO:<x@y.z>"] })),
            Some("to"),
        ),
        ("Environment", "all events", None, notify(json!({ "channel": "a" })), None),
        (
            "Environment",
            "some events",
            None,
            notify(json!({ "channel": "a", "events": ["Failed", "Held"] })),
            None,
        ),
        (
            "Environment",
            "an unknown event",
            None,
            notify(json!({ "channel": "a", "events": ["Paused"] })),
            Some("events"),
        ),
    ]
}
