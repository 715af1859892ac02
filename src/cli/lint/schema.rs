//! Whether an object fits the schema of its kind, as the API server and `kubectl apply --validate=strict` check it.
//!
//! Kubernetes' structural schemas become JSON Schemas: unknown fields are refused, `nullable` and the ranges of integers are written
//! out. Lists with keys are checked here.

use super::yaml::Step;
use jsonschema::error::ValidationErrorKind as Misfit;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value, json};

/// Fields of metadata that a manifest may have.
const METADATA: [&str; 15] = [
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// What does not fit, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub path: Vec<Step>,
    pub message: String,
}

/// A schema that objects are compared with.
#[derive(Debug)]
pub struct Schema {
    /// The schema of the definition.
    pub structural: Value,
    validator: Validator,
}

impl Schema {
    /// The schema of a version of a definition.
    pub fn new(structural: &Value) -> anyhow::Result<Self> {
        let mut closed = closed(structural);
        let text = json!({ "type": "string" });
        let texts = json!({ "type": "object", "additionalProperties": text });
        let metadata: Map<String, Value> =
            METADATA.map(|name| (name.to_owned(), json!({}))).into_iter().collect();
        let mut metadata = json!({ "type": "object", "properties": metadata, "additionalProperties": false });
        for (name, schema) in [
            ("name", &text),
            ("generateName", &text),
            ("namespace", &text),
            ("labels", &texts),
            ("annotations", &texts),
        ] {
            metadata["properties"][name] = schema.clone();
        }
        for (name, schema) in [("apiVersion", text.clone()), ("kind", text), ("metadata", metadata)] {
            closed["properties"][name] = schema;
        }
        let options = jsonschema::options()
            .with_draft(Draft::Draft4)
            .should_validate_formats(true)
            .with_pattern_options(PatternOptions::regex());
        let validator = options.build(&closed).map_err(|error| error.to_owned())?;
        Ok(Self { structural: structural.clone(), validator })
    }

    /// Everything that does not fit.
    pub fn problems(&self, object: &Value) -> Vec<Problem> {
        let mut problems: Vec<Problem> = Vec::new();
        for error in self.validator.iter_errors(object) {
            let path = path_of(&error);
            let Misfit::AdditionalProperties { unexpected } = error.kind() else {
                problems.push(Problem { message: words(&error), path });
                continue;
            };
            let known = self.fields(&path);
            for name in unexpected {
                let mut path = path.clone();
                path.push(Step::Field(name.clone()));
                let like = crate::view::suggestion::suggestion(name, &known);
                problems.push(Problem { path, message: format!("unknown field {name:?}{like}") });
            }
        }
        duplicates(&self.structural, object, &mut Vec::new(), &mut problems);
        problems
    }

    /// The names of the fields that an object at this path may have.
    fn fields(&self, path: &[Step]) -> Vec<String> {
        if let [Step::Field(name)] = path
            && name == "metadata"
        {
            return METADATA.map(str::to_owned).to_vec();
        }
        let inner = path.iter().try_fold(&self.structural, |schema, step| inner(schema, step));
        let mut names: Vec<String> = inner
            .and_then(|schema| schema["properties"].as_object())
            .map(|fields| fields.keys().cloned().collect())
            .unwrap_or_default();
        if path.is_empty() {
            names.extend(["apiVersion", "kind", "metadata"].map(str::to_owned));
        }
        names
    }
}

/// The schema of a field or an item.
fn inner<'a>(schema: &'a Value, step: &Step) -> Option<&'a Value> {
    match step {
        Step::Field(name) => [&schema["properties"][name.as_str()], &schema["additionalProperties"]]
            .into_iter()
            .find(|it| it.is_object()),
        Step::Item(_) => Some(&schema["items"]).filter(|it| it.is_object()),
    }
}

fn keeps_unknown(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true
}

/// A structural schema as JSON Schema.
fn closed(schema: &Value) -> Value {
    let Some(keywords) = schema.as_object() else { return schema.clone() };
    let mut closed: Map<String, Value> = keywords
        .iter()
        .filter(|(keyword, _)| {
            !keyword.starts_with("x-kubernetes-") && !NOT_OF_JSON_SCHEMA.contains(&keyword.as_str())
        })
        .map(|(keyword, value)| {
            let value = match keyword.as_str() {
                "properties" => {
                    let fields = value.as_object().into_iter().flatten();
                    Value::Object(fields.map(|(name, inner)| (name.clone(), self::closed(inner))).collect())
                }
                "items" | "additionalProperties" => self::closed(value),
                _ => value.clone(),
            };
            (keyword.clone(), value)
        })
        .collect();
    if schema["properties"].is_object() && schema["additionalProperties"].is_null() && !keeps_unknown(schema)
    {
        closed.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    let range = match schema["format"].as_str() {
        Some("int32") => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        Some("int64") => Some((i64::MIN, i64::MAX)),
        Some(_) | None => None,
    };
    if let Some((least, most)) = range {
        closed.entry("minimum").or_insert_with(|| least.into());
        closed.entry("maximum").or_insert_with(|| most.into());
        closed.remove("format");
    }
    if schema["nullable"] == true {
        let with_null = |value: &Value| match value {
            Value::Array(all) => Value::Array(all.iter().cloned().chain([Value::Null]).collect()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                json!([value, null])
            }
        };
        if let Some(kinds) = closed.get("type").cloned() {
            closed.insert("type".to_owned(), json!([kinds, "null"]));
        }
        if let Some(values) = closed.get("enum").map(with_null) {
            closed.insert("enum".to_owned(), values);
        }
    }
    Value::Object(closed)
}

const NOT_OF_JSON_SCHEMA: [&str; 4] = ["nullable", "default", "description", "example"];

/// An object as the API server checks it: null counts as absent where a schema does not allow it, and defaults are set.
pub fn prepared(schema: &Value, object: &Value, keep_null: bool) -> Value {
    let mut object = without_null(schema, object, keep_null);
    // A default may be an object whose fields have defaults.
    for _ in 0..MOST_NESTED_DEFAULTS {
        let defaulted = kube_cel::apply_defaults(schema, &object);
        if defaulted == object {
            break;
        }
        object = defaulted;
    }
    object
}

const MOST_NESTED_DEFAULTS: usize = 8;

fn without_null(schema: &Value, value: &Value, keep: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter_map(|(name, field)| {
                let Some(schema) = inner(schema, &Step::Field(name.clone())) else {
                    return Some((name.clone(), field.clone()));
                };
                let is_kept = !field.is_null() || (keep && schema["nullable"] == true);
                is_kept.then(|| (name.clone(), without_null(schema, field, keep)))
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => items.iter().map(|item| without_null(&schema["items"], item, keep)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn path_of(error: &ValidationError<'_>) -> Vec<Step> {
    let pointer = error.instance_path().as_str().to_owned();
    let parts = pointer.split('/').skip(1);
    // A field may be called like an index; then its place is that of its parent.
    let step = |part: &str| match part.parse() {
        Ok(index) => Step::Item(index),
        Err(_) => Step::Field(part.replace("~1", "/").replace("~0", "~")),
    };
    parts.map(step).collect()
}

/// What does not fit, in the words of the API server.
fn words(error: &ValidationError<'_>) -> String {
    let found = error.instance();
    let short = || {
        let text = found.to_string();
        match text.char_indices().nth(LONGEST_VALUE) {
            Some((end, _)) => format!("{}..", text.get(..end).unwrap_or_default()),
            None => text,
        }
    };
    let items = |limit: u64| format!("{limit} {}", if limit == 1 { "item" } else { "items" });
    let kind = error.kind();
    if let Misfit::Enum { options } = kind {
        let options = options.as_array().into_iter().flatten().filter(|option| !option.is_null());
        let options: Vec<String> = options.map(Value::to_string).collect();
        return format!("{} is not supported; write one of {}", short(), options.join(", "));
    }
    if let Misfit::Required { property } = kind {
        return format!("the field {} is required", property.as_str().unwrap_or_default());
    }
    if let Misfit::Pattern { pattern } = kind {
        return format!("{} does not match the pattern {pattern}", short());
    }
    if let Misfit::MinLength { limit: 1 } = kind {
        return "must not be empty".to_owned();
    }
    if let Misfit::MaxLength { limit } = kind {
        return format!("must have at most {limit} characters");
    }
    if let Misfit::MinItems { limit } = kind {
        return format!("must have at least {}", items(*limit));
    }
    if let Misfit::MaxItems { limit } = kind {
        return format!("must have at most {}", items(*limit));
    }
    error.to_string()
}

const LONGEST_VALUE: usize = 80;

/// Items of a list that have the same keys, and items of a set that are equal.
fn duplicates(schema: &Value, value: &Value, path: &mut Vec<Step>, problems: &mut Vec<Problem>) {
    if let Some(items) = value.as_array() {
        let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let is_set = schema["x-kubernetes-list-type"] == "set";
        let identity = |item: &Value| match is_set {
            true => Some(item.clone()),
            false if keys.is_empty() => None,
            false => Some(keys.iter().map(|key| item[*key].clone()).collect()),
        };
        let mut seen = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let Some(identity) = identity(item) else { continue };
            if seen.contains(&identity) {
                let mut path = path.clone();
                path.push(Step::Item(index));
                let message = match is_set {
                    true => format!("duplicate entries: {item} occurs twice"),
                    false => format!("duplicate entries for key {}: {identity}", keys.join(", ")),
                };
                problems.push(Problem { path, message });
            }
            seen.push(identity);
        }
    }
    let items =
        value.as_array().into_iter().flatten().enumerate().map(|(index, item)| (Step::Item(index), item));
    let fields = value.as_object().into_iter().flatten().map(|(name, it)| (Step::Field(name.clone()), it));
    for (step, below) in items.chain(fields) {
        if let Some(schema) = inner(schema, &step) {
            path.push(step);
            duplicates(schema, below, path, problems);
            path.pop();
        }
    }
}
