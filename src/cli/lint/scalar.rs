//! What a plain scalar means. kubectl reads YAML 1.1, where `yes` is true and `0777` is octal.

use serde_json::{Number, Value};

/// The value of a plain scalar.
pub fn scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" | "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => {
            return Value::Bool(true);
        }
        "false" | "False" | "FALSE" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => {
            return Value::Bool(false);
        }
        _ => {}
    }
    match whole(text).map(Number::from).or_else(|| decimal(text)) {
        Some(number) => Value::Number(number),
        None => Value::String(text.to_owned()),
    }
}

fn whole(text: &str) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    let digits = digits.replace('_', "");
    let radix = |prefix: &str, radix: u32| Some((digits.strip_prefix(prefix)?.to_owned(), radix));
    let octal = || Some(digits.clone()).filter(|it| it.len() > 1 && it.starts_with('0')).map(|it| (it, 8));
    let (digits, radix) = radix("0x", 16)
        .or_else(|| radix("0b", 2))
        .or_else(|| radix("0o", 8))
        .or_else(octal)
        .unwrap_or_else(|| (digits.clone(), 10));
    i64::from_str_radix(&digits, radix).ok()?.checked_mul(sign)
}

fn decimal(text: &str) -> Option<Number> {
    let is_of_number = |char: char| char.is_ascii_digit() || "+-.eE_".contains(char);
    let is_number = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        && text.contains(|char: char| char.is_ascii_digit())
        && text.chars().all(is_of_number);
    if !is_number {
        return None;
    }
    Number::from_f64(text.replace('_', "").parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_plain_scalar_means_what_kubectl_takes_it_for() {
        for (text, value) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("yEs", json!("yEs")),
            ("12", json!(12)),
            ("-3", json!(-3)),
            ("0777", json!(511)),
            ("0x1f", json!(31)),
            ("1_000", json!(1000)),
            ("089", json!(89.0)),
            ("1.5", json!(1.5)),
            ("1e3", json!(1000.0)),
            ("1.4.0", json!("1.4.0")),
            ("2026-11-03", json!("2026-11-03")),
            ("2026-11-03T10:00:00Z", json!("2026-11-03T10:00:00Z")),
            ("30s", json!("30s")),
            ("-", json!("-")),
            (".", json!(".")),
            ("shop", json!("shop")),
            ("99999999999999999999", json!(99999999999999999999.0)),
        ] {
            assert_eq!(scalar(text), value, "{text}");
        }
    }
}
