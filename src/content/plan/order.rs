//! When an object is written: its wave, or its hook. Users set both by annotations.

use crate::api::mark;
use crate::content::error::{ContentError, quoted};
use crate::content::object::key::ObjectKey;
use crate::content::object::metadata::annotations;
use serde_json::Value;

/// When a Job with the annotation `towpath.dev/hook` runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// After the config is written, before the first wave.
    PrePromote,
    /// After the last wave is healthy.
    PostPromote,
    /// Before anything is rolled back.
    PreRollback,
    /// After everything that was rolled back is healthy.
    PostRollback,
}

impl Hook {
    /// The value of the annotation.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrePromote => "pre-promote",
            Self::PostPromote => "post-promote",
            Self::PreRollback => "pre-rollback",
            Self::PostRollback => "post-rollback",
        }
    }
}

/// The wave that the annotation of an object sets, if it has one.
pub fn wave(key: &ObjectKey, object: &Value) -> Result<Option<i32>, ContentError> {
    let expected = "write a whole number in quotes, such as \"-1\" or \"2\"";
    let Some(value) = annotations(object).and_then(|all| all.get(mark::WAVE)) else { return Ok(None) };
    match value.as_str().and_then(|text| text.parse().ok()) {
        Some(wave) => Ok(Some(wave)),
        None => Err(invalid(key, mark::WAVE, value, expected)),
    }
}

/// The hook that the annotation of an object sets, if it has one.
pub fn hook(key: &ObjectKey, object: &Value) -> Result<Option<Hook>, ContentError> {
    let Some(value) = annotations(object).and_then(|all| all.get(mark::HOOK)) else { return Ok(None) };
    if !key.is("batch", "Job") {
        return Err(invalid(key, mark::HOOK, value, "only a Job can be a hook; remove the annotation"));
    }
    let all = [Hook::PrePromote, Hook::PostPromote, Hook::PreRollback, Hook::PostRollback];
    match all.into_iter().find(|hook| value.as_str() == Some(hook.as_str())) {
        Some(hook) => Ok(Some(hook)),
        None => Err(invalid(
            key,
            mark::HOOK,
            value,
            "write one of pre-promote, post-promote, pre-rollback, post-rollback",
        )),
    }
}

fn invalid(key: &ObjectKey, annotation: &'static str, value: &Value, expected: &'static str) -> ContentError {
    let value = value.as_str().map_or_else(|| "not text".to_owned(), quoted);
    ContentError::Annotation { object: key.to_string(), annotation, value, expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(kind: &str, annotation: &str, value: Value) -> (ObjectKey, Value) {
        let api_version = if kind == "Job" { "batch/v1" } else { "apps/v1" };
        let object = json!({
            "apiVersion": api_version, "kind": kind,
            "metadata": {"name": "x", "annotations": {annotation: value}},
        });
        (ObjectKey::of(&object).unwrap(), object)
    }

    #[test]
    fn a_wave_is_a_whole_number() {
        for (value, expected) in [("0", 0), ("-3", -3), ("+2", 2)] {
            let (key, object) = object("Deployment", mark::WAVE, json!(value));
            assert_eq!(wave(&key, &object), Ok(Some(expected)));
        }
        for value in [json!("first"), json!("1.5"), json!(""), json!("99999999999"), json!(1), json!(null)] {
            let (key, object) = object("Deployment", mark::WAVE, value.clone());
            let error = wave(&key, &object).unwrap_err().to_string();
            assert!(error.starts_with("Deployment x: annotation towpath.dev/wave"), "{error}");
        }
    }

    #[test]
    fn a_hook_is_a_job_with_a_valid_annotation() {
        let (key, job) = object("Job", mark::HOOK, json!("post-promote"));
        assert_eq!(hook(&key, &job), Ok(Some(Hook::PostPromote)));
        for (kind, value) in
            [("Job", json!("before")), ("Job", json!(true)), ("Deployment", json!("pre-promote"))]
        {
            let (key, object) = object(kind, mark::HOOK, value);
            let error = hook(&key, &object).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{kind} x: annotation towpath.dev/hook")), "{error}");
        }
    }
}
