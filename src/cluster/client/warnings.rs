//! Collects the warnings that the API server sends with an answer.
//!
//! Invariant: a sink collects only from the requests of the client (or the request extension) that it belongs to, and
//! holds a bounded number of texts of bounded length.

use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use http::header::WARNING;

/// Maximum number of warnings of one sink.
const LIMIT: usize = 64;
/// Maximum characters of one warning.
const LENGTH: usize = 512;

/// A sink for warnings. Cloned handles share one list. Also works as an extension of a raw request.
#[derive(Debug, Clone, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// An empty sink.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns what was collected, and empties the sink.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn collect(&self, headers: &HeaderMap) {
        let mut texts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for text in headers.get_all(WARNING).iter().filter_map(|value| text(value.as_bytes())) {
            if texts.len() < LIMIT && !texts.contains(&text) {
                texts.push(text);
            }
        }
    }
}

/// The quoted text of `299 - "text"` (RFC 7234, section 5.5; Kubernetes sends one warning per header).
fn text(value: &[u8]) -> Option<String> {
    let value = String::from_utf8_lossy(value);
    let quoted = value.strip_prefix("299 ")?.split_once(' ')?.1.strip_prefix('"')?;
    let mut text = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return Some(text.chars().take(LENGTH).collect()),
            '\\' => text.extend(characters.next()),
            other => text.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_text_is_taken_out_of_its_quotes() {
        assert_eq!(
            text(br#"299 - "unknown field \"spec.x\"""#).as_deref(),
            Some(r#"unknown field "spec.x""#)
        );
        assert_eq!(text(br#"299 kube "a, b" "date""#).as_deref(), Some("a, b"));
        assert_eq!(text(br#"299 - "cut"#), None);
        assert_eq!(text(br#"199 - "other""#), None);
    }

    #[test]
    fn a_sink_holds_each_text_once_and_is_bounded() {
        let mut headers = HeaderMap::new();
        for number in 0..(2 * LIMIT) {
            headers
                .append(WARNING, HeaderValue::from_str(&format!("299 - \"w{}\"", number / 2 * 2)).unwrap());
        }
        let warnings = Warnings::new();
        warnings.collect(&headers);
        warnings.collect(&headers);
        assert_eq!(warnings.take().len(), LIMIT);
        assert!(warnings.take().is_empty());
    }
}
