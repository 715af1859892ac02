//! Whether a live value is the written one: the API server adds defaults, and stores quantities in another form.

use serde_json::Value;

/// Whether a live value has everything that was written. `is_quantity`: whether `1000m` and `1` are the same.
pub(super) fn is_same(written: &Value, live: &Value, is_quantity: bool) -> bool {
    match (written, live) {
        (Value::Object(written), Value::Object(live)) => written.iter().all(|(name, value)| {
            let is_empty = value.is_null()
                || value.as_object().is_some_and(serde_json::Map::is_empty)
                || value.as_array().is_some_and(Vec::is_empty);
            let is_quantity = is_quantity || matches!(name.as_str(), "limits" | "requests");
            live.get(name).map_or(is_empty, |live| is_same(value, live, is_quantity))
        }),
        (Value::Array(written), Value::Array(live)) => {
            let mut pairs = written.iter().zip(live);
            written.len() == live.len() && pairs.all(|(written, live)| is_same(written, live, is_quantity))
        }
        (Value::Null, _) => true,
        (written, live) if written == live => true,
        (written, live) if is_quantity => {
            quantity(written).zip(quantity(live)).is_some_and(|(one, other)| one == other)
        }
        (Value::Number(number), Value::String(text)) | (Value::String(text), Value::Number(number)) => {
            number.to_string() == *text
        }
        (_, _) => false,
    }
}

/// A quantity in billionths; none if it is no quantity, or too large.
fn quantity(value: &Value) -> Option<i128> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let binary = |power: u32| 1024_i128.checked_pow(power)?.checked_mul(1_000_000_000);
    let scale = match suffix {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "" => 1_000_000_000,
        "k" => 1_000_000_000_000,
        "M" => 1_000_000_000_000_000,
        "G" => 1_000_000_000_000_000_000,
        "T" => 1_000_000_000_000_000_000_000,
        "P" => 1_000_000_000_000_000_000_000_000,
        "Ki" => binary(1)?,
        "Mi" => binary(2)?,
        "Gi" => binary(3)?,
        "Ti" => binary(4)?,
        "Pi" => binary(5)?,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.trim_end_matches('0');
    let unit = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    Some(digits.checked_mul(scale)? / unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_that_the_api_server_completed_or_stores_in_another_form_is_the_same() {
        for (written, live, is_quantity, expected) in [
            (json!({"a": 1}), json!({"a": 1, "b": 2}), false, true),
            (json!({"a": 1, "b": {}}), json!({"a": 1}), false, true),
            (json!({"a": 1}), json!({"b": 1}), false, false),
            (json!(["a"]), json!(["a", "b"]), false, false),
            (json!("1000m"), json!("1"), true, true),
            (json!(1), json!("1"), true, true),
            (json!("0.5"), json!("500m"), true, true),
            (json!("1024Mi"), json!("1Gi"), true, true),
            (json!("1000M"), json!("1G"), true, true),
            (json!("1G"), json!("1Gi"), true, false),
            (json!("1000m"), json!("1"), false, false),
            (json!({"limits": {"cpu": "1000m"}}), json!({"limits": {"cpu": "1"}}), false, true),
            (json!("x"), json!("y"), true, false),
            (json!(8080), json!("8080"), false, true),
            (json!(true), json!("true"), false, false),
        ] {
            assert_eq!(is_same(&written, &live, is_quantity), expected, "{written} {live}");
        }
    }
}
