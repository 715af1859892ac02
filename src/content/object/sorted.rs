//! The canonical form of contents that were stored before RFC 8785: keys in the order of their code points, numbers as
//! serde_json writes them. Nothing new is written in this form.

use serde_json::Value;
use std::fmt::Write;

/// The JSON of a value in that form.
pub(in crate::content) fn sorted(value: &Value) -> String {
    let mut text = String::new();
    write_value(value, &mut text);
    text
}

// Keys are sorted here and not by the map type, because any crate in the tree may switch `serde_json` to insertion order.
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

    #[test]
    fn keys_are_sorted_and_numbers_stay_as_they_are() {
        let value: Value =
            serde_json::from_str(r#"{"b": [1.0, {"y": null, "x": "ü\n"}], "a": true}"#).unwrap();
        assert_eq!(sorted(&value), "{\"a\":true,\"b\":[1.0,{\"x\":\"ü\\n\",\"y\":null}]}");
    }
}
