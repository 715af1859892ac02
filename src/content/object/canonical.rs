//! Canonical JSON and digests over it. The canonical form is RFC 8785 (JSON Canonicalization Scheme), so that any
//! implementation of it computes the same digest.
//!
//! Contents that were stored before keep the form in which they were written, see [`Form::Sorted`]: releases and approvals
//! name their digests.

use super::sorted::sorted;
use serde_json::{Number, Value};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// A canonical form of JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// RFC 8785.
    #[default]
    Rfc8785,
    /// The form before RFC 8785. It differs only in numbers such as `1.0` and in keys with characters above U+D7FF.
    Sorted,
}

impl Form {
    /// The canonical JSON of a value in this form.
    pub(in crate::content) fn json(self, value: &Value) -> String {
        match self {
            Self::Rfc8785 => canonical(value),
            Self::Sorted => sorted(value),
        }
    }

    /// The first `length` hexadecimal digits of the digest over the canonical JSON in this form.
    pub(in crate::content) fn short_digest(self, value: &Value, length: usize) -> String {
        let mut digest = sha256(&self.json(value));
        digest.truncate(length);
        digest
    }
}

/// Canonical JSON of a value, by RFC 8785.
pub(in crate::content) fn canonical(value: &Value) -> String {
    // Fails for numbers that are not finite and keys that are not text; a `Value` holds neither.
    serde_json_canonicalizer::to_string(value).unwrap_or_default()
}

/// The first integer of the value that its canonical JSON would round. RFC 8785 knows no numbers but doubles.
pub(in crate::content) fn rounded_integer(value: &Value) -> Option<&Number> {
    match value {
        Value::Number(number) => {
            // Integers up to 2^53 are exact.
            let is_small = number.as_i64().is_some_and(|n| n.unsigned_abs() <= 1 << 53);
            let is_exact = number.is_f64() || is_small || canonical(value) == number.to_string();
            (!is_exact).then_some(number)
        }
        Value::Array(elements) => elements.iter().find_map(rounded_integer),
        Value::Object(members) => members.values().find_map(rounded_integer),
        Value::Null | Value::Bool(_) | Value::String(_) => None,
    }
}

/// SHA-256 in hexadecimal.
pub(in crate::content) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Whether the value has more than `limit` levels. Does not descend further than that.
pub(in crate::content) fn deeper_than(value: &Value, limit: usize) -> bool {
    let Some(rest) = limit.checked_sub(1) else { return true };
    match value {
        Value::Array(elements) => elements.iter().any(|element| deeper_than(element, rest)),
        Value::Object(members) => members.values().any(|member| deeper_than(member, rest)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Roughly the bytes of the value as JSON: text, keys, and a few for each value.
pub(in crate::content) fn approximate_size(value: &Value) -> usize {
    const EACH: usize = 8;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => EACH,
        Value::String(text) => EACH + text.len(),
        Value::Array(elements) => EACH + elements.iter().map(approximate_size).sum::<usize>(),
        Value::Object(members) => {
            EACH + members.iter().map(|(key, member)| key.len() + approximate_size(member)).sum::<usize>()
        }
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

    /// The examples of RFC 8785, sections 3.2.2 and 3.2.3.
    #[test]
    fn the_form_is_that_of_rfc_8785() {
        let values: Value = serde_json::from_str(
            r#"{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
                "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#,
        )
        .unwrap();
        assert_eq!(
            canonical(&values),
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
        let keys =
            json!({"\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7});
        let digits: String = canonical(&keys).chars().filter(char::is_ascii_digit).collect();
        assert_eq!(digits, "21467153", "the values in the order of their keys in UTF-16, and the key 1");
    }

    #[test]
    fn the_forms_differ_in_numbers_and_in_the_order_of_rare_keys_only() {
        for value in
            [json!({"a": 1, "B": [-7, "\u{7f}\u{1}\"\\/ü€"]}), json!({"é": {"ü": 9_007_199_254_740_991_i64}})]
        {
            assert_eq!(Form::Rfc8785.json(&value), Form::Sorted.json(&value), "{value}");
        }
        for value in [json!(1.0), json!(1e16), json!({"\u{fb33}": 1, "\u{1f600}": 2})] {
            assert_ne!(Form::Rfc8785.json(&value), Form::Sorted.json(&value), "{value}");
        }
    }

    #[test]
    fn integers_that_a_double_cannot_hold_are_found() {
        for exact in
            [json!(0), json!(-9_007_199_254_740_992_i64), json!(1.5), json!(100_000_000_000_000_000_u64)]
        {
            assert_eq!(rounded_integer(&json!([{"a": exact}])), None, "{exact}");
        }
        for rounded in
            [json!(9_007_199_254_740_993_i64), json!(i64::MIN), json!(u64::MAX), json!(1_u64 << 60)]
        {
            assert_eq!(rounded_integer(&json!([{"a": rounded}])), rounded.as_number(), "{rounded}");
        }
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
