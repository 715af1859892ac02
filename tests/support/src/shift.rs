//! Another clock: every time in what an API server says and is told, moved by some seconds.
//!
//! A controller behind it sees a server whose clock differs from its own by so much, with everything that follows: the `Date` of the
//! answers, the times in objects and in watches, and those that the controller writes itself. Everybody else sees the true times.

use axum::body::{Body, Bytes, to_bytes};
use futures::StreamExt;
use http::header::DATE;
use http::{HeaderMap, HeaderValue};
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use std::mem;

/// Characters of a time in seconds, such as `2026-11-26T12:00:00`.
const LENGTH: usize = 19;

/// The text with every time moved. Its length stays.
pub fn text(mut text: Vec<u8>, seconds: i64) -> Vec<u8> {
    if seconds == 0 {
        return text;
    }
    let mut at = 0;
    while at + LENGTH < text.len() {
        let follows = text[at + LENGTH];
        let moved = (text[at + 10] == b'T' && (follows == b'Z' || follows == b'.'))
            .then(|| time(&text[at..at + LENGTH], seconds))
            .flatten();
        match moved {
            Some(moved) => {
                text[at..at + LENGTH].copy_from_slice(moved.as_bytes());
                at += LENGTH;
            }
            None => at += 1,
        }
    }
    text
}

fn time(text: &[u8], seconds: i64) -> Option<String> {
    let time: Timestamp = format!("{}Z", std::str::from_utf8(text).ok()?).parse().ok()?;
    let moved = time.checked_add(SignedDuration::from_secs(seconds)).ok()?;
    Some(moved.strftime("%Y-%m-%dT%H:%M:%S").to_string()).filter(|moved| moved.len() == LENGTH)
}

/// Moves the `Date` of an answer.
pub fn date(headers: &mut HeaderMap, seconds: i64) {
    let date = headers.get(DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
    let moved = date.and_then(|date| date.checked_add(SignedDuration::from_secs(seconds)).ok());
    let shown = moved.map(|at| at.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    if let Some(Ok(value)) = shown.map(|shown| HeaderValue::from_str(&shown)) {
        headers.insert(DATE, value);
    }
}

/// A body that ends, with its times moved.
pub async fn body(body: Body, seconds: i64) -> anyhow::Result<Body> {
    let bytes = to_bytes(body, usize::MAX).await?;
    Ok(Body::from(text(bytes.to_vec(), seconds)))
}

/// The body of a watch, line by line.
pub fn lines(body: Body, seconds: i64) -> Body {
    let mut rest = Vec::new();
    let lines = body.into_data_stream().map(move |chunk| {
        chunk.map(|chunk| {
            rest.extend_from_slice(&chunk);
            let end = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let begun = rest.split_off(end);
            Bytes::from(text(mem::replace(&mut rest, begun), seconds))
        })
    });
    Body::from_stream(lines)
}

#[test]
fn times_are_moved_and_nothing_else() {
    for (before, after) in [
        (r#"{"at":"2026-11-26T12:00:00Z"}"#, r#"{"at":"2026-11-26T12:01:00Z"}"#),
        (r#"["2026-11-26T23:59:59.123456Z","1.0.0"]"#, r#"["2026-11-27T00:00:59.123456Z","1.0.0"]"#),
        ("2026-13-26T12:00:00Z", "2026-13-26T12:00:00Z"),
        ("2026-11-26", "2026-11-26"),
        ("", ""),
    ] {
        let moved = String::from_utf8(text(before.as_bytes().to_vec(), 60)).unwrap();
        assert_eq!(moved, after);
        assert_eq!(text(moved.into_bytes(), -60), before.as_bytes());
    }
    let mut headers = HeaderMap::new();
    headers.insert(DATE, HeaderValue::from_static("Thu, 26 Nov 2026 23:59:30 GMT"));
    date(&mut headers, 60);
    assert_eq!(headers[DATE], "Fri, 27 Nov 2026 00:00:30 GMT");
}
