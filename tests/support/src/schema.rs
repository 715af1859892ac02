//! Whether an object fits a structural schema, as far as the schemas of our kinds go. A keyword that is not known here is a
//! panic, so that nothing is passed over. (A JSON Schema crate would change the features that serde_json has in
//! the product, and with them how it reads numbers.)

use regex::Regex;
use serde_json::{Map, Value};

/// What does not fit, each with its path. A field that the schema does not name counts: the server drops it without a word.
pub fn misfits(path: &str, schema: &Value, value: &Value) -> Vec<String> {
    if value.is_null() && schema["nullable"] == true {
        return Vec::new();
    }
    let empty = Map::new();
    let keywords = schema.as_object().unwrap_or(&empty);
    let mut found: Vec<String> = keywords
        .iter()
        .filter_map(|(keyword, limit)| misfit(keyword, limit, value))
        .map(|misfit| format!("{path}: {misfit}"))
        .collect();
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(misfits(&format!("{path}[{index}]"), &schema["items"], item));
    }
    for (name, field) in value.as_object().unwrap_or(&empty) {
        let inner = [&schema["properties"][name], &schema["additionalProperties"]];
        match inner.into_iter().find(|schema| schema.is_object()) {
            Some(inner) => found.extend(misfits(&format!("{path}.{name}"), inner, field)),
            None if keeps_unknown(schema) => {}
            None => found.push(format!("{path}.{name}: there is no such field")),
        }
    }
    found
}

fn keeps_unknown(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true
}

fn misfit(keyword: &str, limit: &Value, value: &Value) -> Option<String> {
    let text = value.as_str().unwrap_or_default();
    let fits = match keyword {
        "type" => has_type(limit.as_str().unwrap_or_default(), value),
        "required" => {
            limit.as_array().into_iter().flatten().all(|name| value.get(name.as_str().unwrap()).is_some())
        }
        "enum" => limit.as_array().is_some_and(|words| words.contains(value)),
        "pattern" => Regex::new(limit.as_str().unwrap()).unwrap().is_match(text),
        "minLength" => text.chars().count() as u64 >= figure(limit),
        "maxLength" => text.chars().count() as u64 <= figure(limit),
        "minItems" => value.as_array().is_some_and(|items| items.len() as u64 >= figure(limit)),
        "maxItems" => value.as_array().is_some_and(|items| items.len() as u64 <= figure(limit)),
        "maxProperties" => value.as_object().is_some_and(|fields| fields.len() as u64 <= figure(limit)),
        "minimum" => value.as_f64() >= limit.as_f64(),
        "maximum" => value.as_f64() <= limit.as_f64(),
        "properties"
        | "items"
        | "additionalProperties"
        | "nullable"
        | "default"
        | "description"
        | "format" => true,
        _ if keyword.starts_with("x-kubernetes-") => true,
        _ => panic!("the keyword {keyword} is not known here"),
    };
    (!fits).then(|| format!("{value} is against {keyword}: {limit}"))
}

fn figure(limit: &Value) -> u64 {
    limit.as_u64().expect("a whole limit")
}

fn has_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => panic!("the type {name} is not known here"),
    }
}
