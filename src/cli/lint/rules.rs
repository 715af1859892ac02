//! Whether an object meets the CEL rules of its kind. Rules that compare with an older object are skipped, because there is none.

use super::schema::Problem;
use super::yaml::steps;
use kube_cel::{ErrorKind, RootContext, ValidationError, Validator};
use serde_json::Value;

/// What the rules say.
#[derive(Debug, Default)]
pub struct Judged {
    /// Rules that the object breaks.
    pub broken: Vec<Problem>,
    /// Rules that cannot be evaluated here, with the reason.
    pub unjudged: Vec<String>,
}

/// Evaluates the rules of a schema. `object` has its defaults.
pub fn judge(validator: &Validator, schema: &Value, object: &Value) -> Judged {
    let text = |field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let api_version = text("apiVersion");
    let group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
    let root = RootContext { api_version, api_group: group, kind: text("kind") };
    let Err(errors) = validator.validate_with_context(schema, object, None, Some(&root)) else {
        return Judged::default();
    };
    let mut judged = Judged::default();
    for error in errors {
        if error.kind == ErrorKind::ValidationFailure {
            judged.broken.push(Problem { path: steps(&error.field_path), message: error.message });
        } else {
            judged.unjudged.push(unjudged(&error));
        }
    }
    judged
}

fn unjudged(error: &ValidationError) -> String {
    let at = if error.field_path.is_empty() { "the object" } else { &error.field_path };
    format!("the rule `{}` of {at} cannot be evaluated here: {}", error.rule, error.message)
}
