//! A JSONPath (RFC 9535) and the comparison of what it finds.
//!
//! Invariant: evaluating a path costs no more than a few walks over the document. A path with more than one descendant segment, filter
//! or root identifier, whose cost can grow with a power of the size, is refused.

use crate::api::{Comparison, Operator};
use crate::decide::test_runs::is_invisible;
use jsonpath_rust::parser::model::JpQuery;
use jsonpath_rust::parser::parse_json_path;
use jsonpath_rust::query::js_path_process;
use serde_json::Value;

/// Longest text of a value in a message.
const SHOWN: usize = 120;

/// What a comparison says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Every value passes; the first, as text.
    Passed(String),
    /// This value does not pass, as text.
    Failed(String),
    /// There is no value, or it cannot be compared; why.
    Unknown(String),
}

/// Why a path cannot be used, as a sentence.
pub fn parse(path: &str) -> Result<JpQuery, String> {
    for (sign, what) in [("..", "descendant segment `..`"), ("?", "filter `?`"), ("$", "root identifier `$`")]
    {
        if path.matches(sign).count() > 1 {
            let path = printable(path, SHOWN);
            return Err(format!("the path {path} has more than one {what}"));
        }
    }
    // A pattern is compiled again for every element.
    if path.contains("match(") || path.contains("search(") {
        let path = printable(path, SHOWN);
        return Err(format!("the path {path} uses match or search, which are not available"));
    }
    parse_json_path(path).map_err(|_| {
        let path = printable(path, SHOWN);
        format!("{path} is not a JSONPath (RFC 9535), such as $.status.phase")
    })
}

/// Compares every value that the path finds in a document.
pub fn compare(comparison: &Comparison, document: &Value) -> Compared {
    let path = &comparison.path;
    let query = match parse(path) {
        Ok(query) => query,
        Err(message) => return Compared::Unknown(message),
    };
    let found = match js_path_process(&query, document) {
        Ok(found) => found,
        Err(_) => return Compared::Unknown(format!("{path} cannot be evaluated")),
    };
    let mut first = None;
    for value in found.into_iter().map(|found| found.val()) {
        match passes(comparison.op, value, &comparison.value) {
            Some(true) => first = first.or_else(|| Some(shown(value))),
            Some(false) => return Compared::Failed(shown(value)),
            None => {
                let message = format!(
                    "{path} is {}, which cannot be compared with {}",
                    shown(value),
                    shown(&comparison.value)
                );
                return Compared::Unknown(message);
            }
        }
    }
    first.map_or_else(|| Compared::Unknown(format!("{path} finds no value")), Compared::Passed)
}

/// Why a value does not pass, such as `$.spec.replicas is 5, not at most 3`.
pub fn failure(comparison: &Comparison, found: &str) -> String {
    let Comparison { path, op, value } = comparison;
    let value = shown(value);
    let wanted = match op {
        Operator::Equal => value,
        Operator::NotEqual => return format!("{path} is {found}, and has to be another value"),
        Operator::Less => format!("less than {value}"),
        Operator::AtMost => format!("at most {value}"),
        Operator::Greater => format!("greater than {value}"),
        Operator::AtLeast => format!("at least {value}"),
    };
    format!("{path} is {found}, not {wanted}")
}

/// A value as text, cut to a length that fits into a sentence, without control characters.
pub fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    printable(&text, SHOWN)
}

/// A text of a server or of a user: cut, and without control characters.
pub fn printable(text: &str, length: usize) -> String {
    let escaped = |c: char| {
        let is_unsafe = c.is_control() || is_invisible(c);
        let (escape, plain) = if is_unsafe { (Some(c.escape_default()), None) } else { (None, Some(c)) };
        escape.into_iter().flatten().chain(plain)
    };
    let mut rest = text.chars().flat_map(escaped);
    let mut printable: String = rest.by_ref().take(length).collect();
    if rest.next().is_some() {
        printable.push('…');
    }
    printable
}

/// Whether a value passes. None if the two cannot be compared.
fn passes(operator: Operator, value: &Value, wanted: &Value) -> Option<bool> {
    let order = match (value, wanted) {
        (Value::Number(value), Value::Number(wanted)) => value.as_f64()?.partial_cmp(&wanted.as_f64()?)?,
        (Value::String(value), Value::String(wanted)) => value.cmp(wanted),
        _ => {
            return match operator {
                Operator::Equal => Some(value == wanted),
                Operator::NotEqual => Some(value != wanted),
                Operator::Less | Operator::AtMost | Operator::Greater | Operator::AtLeast => None,
            };
        }
    };
    Some(match operator {
        Operator::Equal => order.is_eq(),
        Operator::NotEqual => order.is_ne(),
        Operator::Less => order.is_lt(),
        Operator::AtMost => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::AtLeast => order.is_ge(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_compared() {
        let document = json!({
            "status": { "phase": "Healthy", "ready": 3, "ok": true, "list": [{ "n": 1 }, { "n": 2 }], "none": null },
        });
        let passed = |text: &str| Compared::Passed(text.into());
        let failed = |text: &str| Compared::Failed(text.into());
        for (path, op, value, expected) in [
            ("$.status.phase", Operator::Equal, json!("Healthy"), passed("Healthy")),
            ("$.status.phase", Operator::NotEqual, json!("Healthy"), failed("Healthy")),
            ("$.status.ready", Operator::AtLeast, json!(3.0), passed("3")),
            ("$.status.ready", Operator::Less, json!(3), failed("3")),
            ("$.status.ok", Operator::Equal, json!(true), passed("true")),
            ("$.status.ok", Operator::Equal, json!("true"), failed("true")),
            ("$.status.list[*].n", Operator::AtMost, json!(2), passed("1")),
            ("$.status.list[*].n", Operator::AtMost, json!(1), failed("2")),
            ("$..n", Operator::Greater, json!(0), passed("1")),
            ("$.status.list[?@.n == 2].n", Operator::Equal, json!(2), passed("2")),
            ("$.status.none", Operator::Equal, json!(null), passed("null")),
            ("$.nothing", Operator::Equal, json!(1), Compared::Unknown("$.nothing finds no value".into())),
            (
                "$.status.phase",
                Operator::Less,
                json!(3),
                Compared::Unknown("$.status.phase is Healthy, which cannot be compared with 3".into()),
            ),
        ] {
            let comparison = Comparison { path: path.into(), op, value };
            assert_eq!(compare(&comparison, &document), expected, "{path}");
        }
    }

    #[test]
    fn a_failure_is_a_sentence() {
        for (op, sentence) in [
            (Operator::Equal, "$.n is 4, not 3"),
            (Operator::NotEqual, "$.n is 4, and has to be another value"),
            (Operator::Less, "$.n is 4, not less than 3"),
            (Operator::AtMost, "$.n is 4, not at most 3"),
            (Operator::Greater, "$.n is 4, not greater than 3"),
            (Operator::AtLeast, "$.n is 4, not at least 3"),
        ] {
            let comparison = Comparison { path: "$.n".into(), op, value: json!(3) };
            assert_eq!(failure(&comparison, "4"), sentence);
        }
    }

    #[test]
    fn a_path_that_is_none_or_costs_too_much_is_refused() {
        for path in
            ["", "status", "$.", "$..a..b", "$[?@.a == $.b]", "$[?@[?@.a]]", "$[", "$[?((((((", "$['a"]
        {
            assert!(parse(path).is_err(), "{path}");
        }
        for path in ["$", "$.a['b.c'][0]", "$.a[-1:]", "$..a"] {
            assert!(parse(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn bombs_are_refused_or_answered_at_once() {
        let wide = Value::Array((0..20_000).map(|n| json!({ "a": [n, n] })).collect());
        let many = |text: &str, count: usize| format!("${}", text.repeat(count));
        assert!(parse("$[?match(@.b, '(a*)*(a*)*(a*)*b')]").is_err());
        let paths = [
            many(".*", 100),
            many("[*]", 80),
            many("[0:]", 60),
            format!("$..{}", "[*]".repeat(60)),
            format!("$[?{}@.a{}]", "(".repeat(100), ")".repeat(100)),
            format!("$[?{}@.a]", "!".repeat(200)),
            format!("$[{}0]", "0,".repeat(100)),
            "$[99999999999999999999]".to_owned(),
            "$[-9007199254740991:9007199254740991:1]".to_owned(),
            "$[::0]".to_owned(),
            "$[::-1]".to_owned(),
        ];
        for path in paths {
            let comparison = Comparison { path, op: Operator::Equal, value: json!(0) };
            let _ = compare(&comparison, &wide);
        }
    }

    #[test]
    fn control_characters_are_escaped_and_long_texts_cut() {
        assert_eq!(printable("a\u{1b}[31m\nb", 100), "a\\u{1b}[31m\\nb");
        assert_eq!(printable(&"x".repeat(200), 3), "xxx…");
    }
}
