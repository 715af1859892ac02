//! The definitions on disk are what the types say, every field is explained, and what is shipped as an example is valid.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "it is how a test fails")]

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use support::manifests::{documents, read, root};
use support::schema::misfits;
use towpath::api::{
    Approval, ChangeFreeze, ClusterChangeFreeze, Content, Environment, Promotion, Recall, Release, Review,
    RollbackPolicy,
};
use towpath::cli::verbs::crds;

const AGAIN: &str = "write them again with .ci/generate";

#[test]
fn the_files_are_what_the_types_say() {
    let generated: BTreeMap<String, String> = crds::documents().expect("definitions").into_iter().collect();
    for folder in ["crds", "charts/towpath/files/crds"] {
        let on_disk: BTreeMap<String, String> = files(folder)
            .into_iter()
            .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), read(&path)))
            .collect();
        let names: Vec<_> = on_disk.keys().collect();
        assert_eq!(names, generated.keys().collect::<Vec<_>>(), "{folder} holds other files: {AGAIN}");
        for (name, yaml) in &generated {
            assert!(on_disk[name] == *yaml, "{folder}/{name} is not what src/api says: {AGAIN}");
        }
    }
}

#[test]
fn every_field_is_described() {
    for (kind, schema) in schemas() {
        walk(&kind, &schema, &mut |path, schema| {
            let described = schema["description"].as_str().is_some_and(|text| text.len() > 5);
            assert!(described || path.ends_with("[]") || path.ends_with("{}"), "{path} has no description");
        });
    }
}

#[test]
fn the_readme_names_every_kind_with_its_short_names() {
    let readme = read(&root("README.md"));
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    for crd in crds::definitions().expect("definitions") {
        let names = &crd["spec"]["names"];
        let short = names["shortNames"].as_array().into_iter().flatten().map(|it| it.as_str().unwrap());
        let all: Vec<_> = short.chain(names["kind"].as_str()).map(|name| format!("`{name}`")).collect();
        let row = rows.iter().find(|row| all.iter().all(|name| row.contains(name)));
        assert!(row.is_some(), "no row of README.md names {all:?}");
    }
}

#[test]
fn numbers_have_formats_that_the_api_knows() {
    for (kind, schema) in schemas() {
        walk(&kind, &schema, &mut |path, schema| {
            let format = schema["format"].as_str().unwrap_or_default();
            assert!(matches!(format, "" | "int32" | "int64" | "date-time"), "{path} has the format {format}");
        });
    }
}

#[test]
fn unknown_fields_are_kept_only_where_any_object_may_stand() {
    let mut kept = Vec::new();
    for (kind, schema) in schemas() {
        walk(&kind, &schema, &mut |path, schema| {
            if schema["x-kubernetes-preserve-unknown-fields"] == true {
                kept.push(path.to_owned());
            }
        });
    }
    let meant = [
        "Environment.spec.overrides.patches[].operations[].value",
        "Environment.spec.tests[].template.spec",
        "Environment.spec.tests[].template.spec.containers[]",
        "Release.spec.source.manifests[]",
        "RollbackPolicy.spec.checks[].http.json.value",
        "RollbackPolicy.spec.checks[].object.compare.value",
    ];
    assert_eq!(kept, meant);
}

#[test]
fn a_fresh_object_says_that_it_was_not_observed_yet() {
    for (kind, schema) in schemas() {
        let status = &schema["properties"]["status"];
        match kind.as_str() {
            "Approval" | "Channel" | "CheckProvider" | "Environment" | "Promotion" | "Recall" | "Release"
            | "RollbackPolicy" => {
                assert_eq!(status["default"], json!({ "observedGeneration": -1 }), "{kind}");
                assert_eq!(status["properties"]["observedGeneration"]["default"], -1, "{kind}");
            }
            _ => assert!(status.is_null(), "{kind} has a status"),
        }
    }
}

#[test]
fn the_status_of_a_promotion_is_fenced_by_its_epoch() {
    let (_, promotion) = schemas().into_iter().find(|(kind, _)| kind == "Promotion").expect("Promotion");
    let rules = promotion["properties"]["status"]["x-kubernetes-validations"].to_string();
    assert!(rules.contains("self.epoch >= oldSelf.epoch"), "{rules}");
}

/// A field that no schema names is dropped by the server without a word, so here it is an error.
#[test]
fn the_examples_are_valid() {
    let schemas: BTreeMap<String, Value> = schemas().into_iter().collect();
    let mut seen = 0;
    for path in files("deploy/examples") {
        for object in documents(&read(&path)) {
            let shown = format!("{}: {} {}", path.display(), object["kind"], object["metadata"]["name"]);
            if object["apiVersion"] != "towpath.dev/v1alpha1" {
                continue;
            }
            seen += 1;
            let kind = object["kind"].as_str().expect("a kind");
            let mut schema = schemas.get(kind).unwrap_or_else(|| panic!("{shown}: unknown kind")).clone();
            schema["properties"]["apiVersion"] = json!({ "type": "string" });
            schema["properties"]["kind"] = json!({ "type": "string" });
            schema["properties"]["metadata"] =
                json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
            let faults = misfits("", &schema, &object);
            assert!(faults.is_empty(), "{shown}\n{}", faults.join("\n"));
            parse(kind, &object).unwrap_or_else(|error| panic!("{shown}: {error}"));
        }
    }
    assert!(seen >= 5, "the examples hold only {seen} objects of ours");
}

#[test]
fn an_invalid_example_would_be_found() {
    let schemas: BTreeMap<String, Value> = schemas().into_iter().collect();
    let spec = |kind: &str, spec: Value| misfits("", &schemas[kind]["properties"]["spec"], &spec);
    assert_eq!(spec("Environment", json!({ "namespace": "shop-dev", "soak": "30s" })), Vec::<String>::new());
    assert_eq!(spec("Environment", json!({ "namespace": "shop-dev", "soaks": "30s" })).len(), 1);
    assert_eq!(spec("Environment", json!({ "namespace": "Shop", "soak": "half a minute" })).len(), 2);
    assert_eq!(spec("Environment", json!({ "promotion": "Sometimes", "historyLimit": 0 })).len(), 3);
    assert_eq!(
        spec("Release", json!({ "application": "a", "version": "1", "source": { "manifests": [] } })).len(),
        1
    );
}

fn parse(kind: &str, object: &Value) -> Result<(), serde_json::Error> {
    fn read<T: DeserializeOwned>(object: &Value) -> Result<(), serde_json::Error> {
        T::deserialize(object).map(|_| ())
    }
    match kind {
        "Approval" => read::<Approval>(object),
        "Recall" => read::<Recall>(object),
        "ChangeFreeze" => read::<ChangeFreeze>(object),
        "ClusterChangeFreeze" => read::<ClusterChangeFreeze>(object),
        "Content" => read::<Content>(object),
        "Environment" => read::<Environment>(object),
        "Promotion" => read::<Promotion>(object),
        "Release" => read::<Release>(object),
        "Review" => read::<Review>(object),
        _ => read::<RollbackPolicy>(object),
    }
}

/// Kind and schema of every definition.
fn schemas() -> Vec<(String, Value)> {
    let definitions = crds::definitions().expect("definitions");
    let schema = |crd: &Value| crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    definitions
        .iter()
        .map(|crd| (crd["spec"]["names"]["kind"].as_str().unwrap().to_owned(), schema(crd)))
        .collect()
}

fn walk(path: &str, schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), inner, visit);
    }
    for (key, sign) in [("items", "[]"), ("additionalProperties", "{}")] {
        if schema[key].is_object() {
            walk(&format!("{path}{sign}"), &schema[key], visit);
        }
    }
}

/// The files of a folder, in the order in which kubectl applies them.
fn files(folder: &str) -> Vec<PathBuf> {
    let path = root(folder);
    let entries = fs::read_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}
