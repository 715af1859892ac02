//! `towpath crds`: the CustomResourceDefinitions, generated from the types in `api`.
//!
//! What the derive macros cannot express is added here, once for every kind, so that the types stay plain.

use crate::api::{
    Approval, ChangeFreeze, Channel, CheckProvider, ClusterChangeFreeze, Content, Environment, Promotion,
    Recall, Release, Review, RollbackPolicy,
};
use anyhow::Context;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::PathBuf;

/// Print the CustomResourceDefinitions as YAML.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Write one file per kind, `<plural>.towpath.dev.yaml`, to this directory instead of stdout.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the command.
pub fn run(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    for (name, yaml) in documents()? {
        match &arguments.out {
            None => write!(out, "---\n{yaml}").context("cannot print the definitions")?,
            Some(directory) => {
                let path = directory.join(name);
                let shown = path.display();
                fs::create_dir_all(directory)
                    .with_context(|| format!("cannot create the directory {}", directory.display()))?;
                fs::write(&path, yaml).with_context(|| format!("cannot write {shown}"))?;
            }
        }
    }
    Ok(())
}

/// File name and YAML of every kind, sorted by file name.
pub fn documents() -> anyhow::Result<Vec<(String, String)>> {
    let mut documents = Vec::new();
    for definition in definitions()? {
        let name = definition["metadata"]["name"].as_str().context("a definition has no name")?;
        documents.push((format!("{name}.yaml"), serde_yaml::to_string(&definition)?));
    }
    documents.sort();
    Ok(documents)
}

/// The definition of every kind, as it is applied to the API server.
pub fn definitions() -> anyhow::Result<Vec<Value>> {
    [
        Approval::crd(),
        ChangeFreeze::crd(),
        Channel::crd(),
        CheckProvider::crd(),
        ClusterChangeFreeze::crd(),
        Content::crd(),
        Environment::crd(),
        Promotion::crd(),
        Recall::crd(),
        Review::crd(),
        Release::crd(),
        RollbackPolicy::crd(),
    ]
    .into_iter()
    .map(finish)
    .collect()
}

fn finish(definition: CustomResourceDefinition) -> anyhow::Result<Value> {
    let mut definition = serde_json::to_value(definition)?;
    let versions = definition["spec"]["versions"].as_array_mut().context("a definition has no versions")?;
    for version in versions {
        let schema = &mut version["schema"]["openAPIV3Schema"];
        tidy(schema);
        if let Some(status) = schema.pointer_mut("/properties/status") {
            // Tools such as `kubectl wait` take an object without a status for current. This default marks it as not observed.
            status["default"] = json!({ "observedGeneration": -1 });
        }
    }
    Ok(definition)
}

/// Walks a schema and everything below it.
fn tidy(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    // The name of the Rust type; `kind` is the name for users.
    fields.remove("title");
    if let Some(description) = fields.get_mut("description") {
        *description = unwrapped(description);
    }
    for bound in ["minimum", "maximum"] {
        if let Some(figure) = fields.get_mut(bound) {
            *figure = whole(figure);
        }
    }
    if let Some(default) = fields.get_mut("default") {
        *default = plain(default);
    }
    if let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(tidy);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(schema) = fields.get_mut(inner) {
            tidy(schema);
        }
    }
}

/// A description without the line breaks of its doc comment, because `kubectl explain` wraps lines to the width of the terminal.
fn unwrapped(description: &Value) -> Value {
    let paragraphs = description.as_str().unwrap_or_default().split("\n\n");
    let joined: Vec<String> = paragraphs.map(|paragraph| paragraph.replace('\n', " ")).collect();
    Value::String(joined.join("\n\n"))
}

/// `600` instead of `600.0`, as the API server returns it, so that `kubectl diff` shows no difference.
fn whole(figure: &Value) -> Value {
    match figure.as_f64() {
        Some(number) if number.fract() == 0.0 && number.abs() < 1e15 => json!(number as i64),
        _ => figure.clone(),
    }
}

/// A default in the form that a user would write. The default of an object is `{}`, because each of its fields has a default.
fn plain(default: &Value) -> Value {
    if default.is_object() {
        return json!({});
    }
    default.as_str().and_then(plain_duration).map_or_else(|| default.clone(), Value::String)
}

/// `5m` for `300s`, `0s` for `0ns`; `None` if the text is not a duration.
fn plain_duration(text: &str) -> Option<String> {
    if text == "0ns" {
        return Some("0s".into());
    }
    let seconds: u64 = text.strip_suffix('s')?.parse().ok()?;
    Some(match seconds {
        0 => "0s".into(),
        hours if hours % 3600 == 0 => format!("{}h", hours / 3600),
        minutes if minutes % 60 == 0 => format!("{}m", minutes / 60),
        seconds => format!("{seconds}s"),
    })
}
