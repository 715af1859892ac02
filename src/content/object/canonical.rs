//! Canonical JSON and digests over it: keys sorted, no white space. Sorting is done here and not left to the map type,
//! because any crate in the tree may switch `serde_json` to insertion order.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// Canonical JSON of a value.
pub(in crate::content) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    text
}

/// SHA-256 in hexadecimal.
pub(in crate::content) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The first `length` hexadecimal digits of the digest over the canonical JSON.
pub(in crate::content) fn short_digest(value: &Value, length: usize) -> String {
    let mut digest = sha256(&canonical(value));
    digest.truncate(length);
    digest
}

/// Whether the value has more than `limit` levels. Looks no deeper than that.
pub(in crate::content) fn deeper_than(value: &Value, limit: usize) -> bool {
    let Some(rest) = limit.checked_sub(1) else { return true };
    match value {
        Value::Array(elements) => elements.iter().any(|element| deeper_than(element, rest)),
        Value::Object(members) => members.values().any(|member| deeper_than(member, rest)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Roughly the bytes of the value as JSON: text, keys, and a few for each value.
pub(in crate::content) fn weight(value: &Value) -> usize {
    const EACH: usize = 8;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => EACH,
        Value::String(text) => EACH + text.len(),
        Value::Array(elements) => EACH + elements.iter().map(weight).sum::<usize>(),
        Value::Object(members) => {
            EACH + members.iter().map(|(key, member)| key.len() + weight(member)).sum::<usize>()
        }
    }
}

fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Array(elements) => {
            text.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_value(element, text);
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (index, (key, member)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                let _ = write!(text, "{}:", JsonText(key));
                write_value(member, text);
            }
            text.push('}');
        }
        Value::String(string) => {
            let _ = write!(text, "{}", JsonText(string));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            let _ = write!(text, "{value}");
        }
    }
}

/// A string as JSON, quoted and escaped by serde_json.
struct JsonText<'a>(&'a str);

impl std::fmt::Display for JsonText<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(self.0).map_err(|_| std::fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_same_values_in_another_order_are_the_same_text() {
        let one: Value = serde_json::from_str(r#"{"b": [1, {"y": null, "x": "ü\n"}], "a": true}"#).unwrap();
        let two: Value = serde_json::from_str(r#"{"a": true, "b": [1, {"x": "ü\n", "y": null}]}"#).unwrap();
        assert_eq!(canonical(&one), "{\"a\":true,\"b\":[1,{\"x\":\"ü\\n\",\"y\":null}]}");
        assert_eq!(canonical(&one), canonical(&two));
        assert_eq!(serde_json::from_str::<Value>(&canonical(&one)).unwrap(), one);
    }

    #[test]
    fn the_digest_is_sha_256() {
        assert_eq!(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn depth_counts_the_leaf() {
        assert!(!deeper_than(&json!({"a": [1]}), 3));
        assert!(deeper_than(&json!({"a": [1]}), 2));
    }
}
