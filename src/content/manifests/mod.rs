//! Reads manifests: YAML or JSON, several documents in one text, Lists. The result is input for `ObjectSet::new`.
//!
//! Invariant: errors name the key, the document and the line, never their text, because conditions must not show what a ConfigMap
//! holds.

mod budgeted;

use super::error::{ContentError, quoted};
use super::object::key::ObjectKey;
use super::object::kinds::admit_anywhere;
use super::object::paths;
use super::object::paths::JsonPath;
use super::object::strip::clean;
use super::object::templates::pod_template_mut;
use budgeted::{Budget, Read};
use serde::de::DeserializeSeed;
use serde_json::Value;
use std::collections::BTreeMap;

/// Bytes of all texts. A ConfigMap has at most 1 MiB.
const MAX_TEXT: usize = 1024 * 1024;
/// Open brackets at any point of a text. The YAML scanner visits all of them for each token.
const MAX_OPEN: usize = 100;
/// Lists within Lists.
const MAX_LISTS: usize = 3;
/// Values and bytes of all documents once they are read.
const MAX_VALUES: usize = 200_000;
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Reads the objects of a ConfigMap's values, in the order of the keys.
pub fn parse(texts: &BTreeMap<String, String>) -> Result<Vec<Value>, ContentError> {
    let bytes = texts.values().map(String::len).sum();
    if bytes > MAX_TEXT {
        return Err(ContentError::TooLarge { what: "the manifests".into(), bytes, limit: MAX_TEXT });
    }
    let mut budget = Budget::new(MAX_VALUES, MAX_BYTES);
    let mut objects = Vec::new();
    for (key, text) in texts {
        let location = format!("key {}", quoted(key));
        for (index, document) in documents(&location, text, &mut budget)?.into_iter().enumerate() {
            // There is no text between two separators.
            if !document.is_null() {
                collect(&format!("{location}, document {}", index + 1), document, MAX_LISTS, &mut objects)?;
            }
        }
    }
    Ok(objects)
}

/// Reads the objects that a Release holds itself, in `spec.source.manifests`.
pub fn inline(manifests: &[Value]) -> Result<Vec<Value>, ContentError> {
    let mut objects = Vec::new();
    for (index, manifest) in manifests.iter().enumerate() {
        collect(&format!("spec.source.manifests[{index}]"), manifest.clone(), MAX_LISTS, &mut objects)?;
    }
    Ok(objects)
}

fn invalid(location: &str, problem: impl Into<String>) -> ContentError {
    ContentError::Manifest { location: location.to_owned(), problem: problem.into() }
}

fn documents(location: &str, text: &str, budget: &mut Budget) -> Result<Vec<Value>, ContentError> {
    if text.trim_start().starts_with(['{', '[']) {
        let mut json = serde_json::Deserializer::from_str(text);
        // A budget of its own: when this is not JSON, it may still be YAML in flow style.
        let mut attempt = budget.clone();
        match Read(&mut attempt).deserialize(&mut json) {
            Ok(document) if json.end().is_ok() => {
                *budget = attempt;
                return Ok(vec![document]);
            }
            // It is JSON with invalid data, which would be as invalid in YAML.
            Err(error) if error.is_data() => {
                let line = format!(" at line {} column {}", error.line(), error.column());
                return Err(invalid(
                    &format!("{location}, document 1"),
                    problem(&attempt, &error.to_string(), &line),
                ));
            }
            Ok(_) | Err(_) => {}
        }
    }
    if opens_more_than(text, MAX_OPEN) {
        return Err(invalid(
            location,
            format!("more than {MAX_OPEN} brackets are open at the same time: flatten it"),
        ));
    }
    // The scanner compares each directive with all others. These are its line breaks.
    if text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).any(|line| line.starts_with("%TAG")) {
        return Err(invalid(location, "it has a %TAG directive, and tags are not supported: remove it"));
    }
    let mut documents = Vec::new();
    for (index, document) in serde_yaml::Deserializer::from_str(text).enumerate() {
        match Read(budget).deserialize(document) {
            Ok(document) => documents.push(document),
            Err(error) => {
                let line =
                    error.location().map(|at| format!(" at line {} column {}", at.line(), at.column()));
                let problem = problem(budget, &error.to_string(), &line.unwrap_or_default());
                return Err(invalid(&format!("{location}, document {}", index + 1), problem));
            }
        }
    }
    Ok(documents)
}

/// The problem that a parser reports, without the path of keys that it adds in front.
fn problem(budget: &Budget, error: &str, line: &str) -> String {
    const OWN: &str = "invalid type: ";
    match (budget.failure, error.rfind(OWN)) {
        (Some(what), _) => format!("{what}{line}"),
        (None, Some(start)) => error.get(start..).unwrap_or(OWN).to_owned(),
        (None, None) => error.to_owned(),
    }
}

/// Whether more than `limit` brackets are open at some point. Brackets in quotes count, too; they are usually closed.
fn opens_more_than(text: &str, limit: usize) -> bool {
    let mut open = 0_usize;
    text.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        open > limit
    })
}

fn collect(
    location: &str,
    document: Value,
    lists: usize,
    objects: &mut Vec<Value>,
) -> Result<(), ContentError> {
    let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default();
    if kind.ends_with("List") && document.get("items").is_some_and(Value::is_array) {
        if lists == 0 {
            return Err(invalid(location, "Lists are nested too deeply: list the objects in one List"));
        }
        let Value::Object(mut list) = document else { return Ok(()) };
        let items = list.remove("items").and_then(|items| match items {
            Value::Array(items) => Some(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => None,
        });
        for (index, item) in items.into_iter().flatten().enumerate() {
            collect(&format!("{location}, item {}", index + 1), item, lists - 1, objects)?;
        }
        return Ok(());
    }
    let key = ObjectKey::of(&document).map_err(|error| invalid(location, error.to_string()))?;
    admit_anywhere(&key).map_err(|error| invalid(location, error.to_string()))?;
    let mut object = clean(&document);
    if let Some(template) = pod_template_mut(&mut object) {
        read_octal_modes(template);
    }
    objects.push(object);
    Ok(())
}

/// Reads file modes of volumes. `0644` is a number in YAML 1.1, which kubectl reads, and text in YAML 1.2, which the parser reads.
fn read_octal_modes(template: &mut Value) {
    const MODES: [JsonPath; 10] = [
        &["spec", "volumes", "*", "configMap", "defaultMode"],
        &["spec", "volumes", "*", "configMap", "items", "*", "mode"],
        &["spec", "volumes", "*", "secret", "defaultMode"],
        &["spec", "volumes", "*", "secret", "items", "*", "mode"],
        &["spec", "volumes", "*", "downwardAPI", "defaultMode"],
        &["spec", "volumes", "*", "downwardAPI", "items", "*", "mode"],
        &["spec", "volumes", "*", "projected", "defaultMode"],
        &["spec", "volumes", "*", "projected", "sources", "*", "configMap", "items", "*", "mode"],
        &["spec", "volumes", "*", "projected", "sources", "*", "secret", "items", "*", "mode"],
        &["spec", "volumes", "*", "projected", "sources", "*", "downwardAPI", "items", "*", "mode"],
    ];
    paths::update_all(template, &MODES, |mode| {
        let octal = mode.as_str().filter(|text| text.len() <= 5 && text.starts_with('0'));
        if let Some(number) = octal.and_then(|text| i64::from_str_radix(text, 8).ok()) {
            *mode = number.into();
        }
    });
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
