//! The JSON of chats, without markup: what a user wrote is shown as it was written.

use crate::decide::notify::notice::Notice;
use serde_json::json;

/// The longest text of a message for Slack, in bytes.
const LONGEST: usize = 2_990;

/// A message for an incoming webhook of Slack. `mrkdwn: false` turns formatting off; Slack reads `<`, `>` and `&` in any case.
/// <https://docs.slack.dev/messaging/formatting-message-text#escaping>
pub(super) fn slack(notice: &Notice) -> String {
    let lines = notice.lines().into_iter().map(|(name, value)| format!("{name}: {value}"));
    let text = [notice.title()].into_iter().chain(lines).collect::<Vec<_>>().join("\n");
    json!({ "text": escaped(&text), "mrkdwn": false }).to_string()
}

/// A text without markup, and no longer than Slack and servers like it accept.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        let length = escaped.len();
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            other => escaped.push(other),
        }
        if escaped.len() > LONGEST {
            escaped.truncate(length);
            escaped.push('…');
            break;
        }
    }
    escaped
}

/// An Adaptive Card. Its text blocks read Markdown, and the runs of a rich text block do not.
/// <https://adaptivecards.io/explorer/TextRun.html>
pub(super) fn teams(notice: &Notice) -> String {
    let line = |runs: Vec<serde_json::Value>| json!({ "type": "RichTextBlock", "inlines": runs });
    let run = |text: &str, is_bold: bool| json!({ "type": "TextRun", "text": text, "weight": if is_bold { "Bolder" } else { "Default" } });
    let title = line(vec![run(&notice.title(), true)]);
    let lines = notice.lines().into_iter();
    let fields = lines.map(|(name, value)| line(vec![run(&format!("{name}: "), true), run(&value, false)]));
    let body: Vec<serde_json::Value> = [title].into_iter().chain(fields).collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
            },
        }],
    })
    .to_string()
}
