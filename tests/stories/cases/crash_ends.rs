//! The end of a run in which the controller was killed, in a form that two runs can be compared by.

use anyhow::Result;
use control_plane::AuditEvent;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use support::{Project, SYSTEM};

const ENVIRONMENTS: [&str; 2] = ["staging", "prod"];

/// Everything that is left in the project and its targets, without what is another at each telling.
pub async fn end(project: &Project) -> Result<Value> {
    let mut end = Map::new();
    for plural in ["releases", "environments", "promotions", "recalls"] {
        for object in project.all(plural).await? {
            let kept = json!({ "spec": object["spec"], "status": object["status"] });
            end.insert(format!("{plural}/{}", named(&object)), kept);
        }
    }
    for object in project.all("contents").await? {
        end.insert(format!("contents/{}", named(&object)), object["spec"].clone());
    }
    for environment in ENVIRONMENTS {
        for kind in ["deployments", "configmaps"] {
            for object in project.list(environment, kind).await? {
                let meta = &object["metadata"];
                let kept = json!({
                    "generation": meta["generation"], "labels": meta["labels"], "annotations": meta["annotations"],
                    "spec": object["spec"], "data": object["data"], "immutable": object["immutable"],
                });
                end.insert(format!("{environment}/{kind}/{}", named(&object)), kept);
            }
        }
    }
    let mut end: Value = serde_json::from_str(&neutral(&Value::Object(end).to_string(), &project.name))?;
    forget(&mut end);
    Ok(end)
}

fn named(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

pub fn neutral(text: &str, project: &str) -> String {
    text.replace(project, "PROJECT")
}

/// Lengths of time.
const LENGTHS: [&str; 6] =
    ["waits", "waitedForPeople", "waitedOtherwise", "worked", "leadSeconds", "recoverySeconds"];

/// Moments, lengths of time, terms, identities, and the sentences in which they occur. How often a check passed is a matter of time, too.
fn forget(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| {
                let is_moment = name.ends_with("At")
                    || name.ends_with("Time")
                    || ["at", "since", "from", "to", "day"].contains(&name.as_str());
                let is_another = ["uid", "namespaceUid", "epoch", "message", "ca.crt", "job", "passed"]
                    .contains(&name.as_str());
                !is_moment && !is_another && !LENGTHS.contains(&name.as_str())
            });
            // "CrashLoopBackOff: Deployment web: pod web-..": which pod is chance.
            if let Some(Value::String(reason)) = fields.get_mut("reason") {
                reason.truncate(reason.find(':').unwrap_or(reason.len()));
            }
            fields.values_mut().for_each(forget);
        }
        Value::Array(items) => items.iter_mut().for_each(forget),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// How often the controller created and deleted each object, by the API server's own account.
pub fn counted(events: &[AuditEvent], project: &str) -> BTreeMap<String, usize> {
    let operator = format!("system:serviceaccount:{SYSTEM}:towpath");
    let places = ENVIRONMENTS.map(|environment| format!("{project}-{environment}"));
    let mut counts = BTreeMap::new();
    for event in events {
        let is_here = event.namespace == project || places.contains(&event.namespace);
        let is_passing = event.resource == "events" || event.api_group == "authorization.k8s.io";
        if event.user != operator || !is_here || is_passing || event.dry_run {
            continue;
        }
        let done = match (event.verb.as_str(), event.code) {
            ("create" | "patch", 201) => "created",
            ("delete", 200..=299) => "deleted",
            _ => continue,
        };
        // The name of a Job of a test follows from the UID of its promotion.
        let name = match event.resource.as_str() {
            "jobs" => event.name.rsplit_once('-').map_or("", |(name, _)| name),
            _ => event.name.as_str(),
        };
        let what = format!("{done} {}/{}/{name}", event.namespace, event.resource);
        *counts.entry(neutral(&what, project)).or_default() += 1;
    }
    counts
}

/// Where two values differ.
pub fn differences(path: &str, found: &Value, wanted: &Value) -> Vec<String> {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => {
            let names: BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
            let of =
                |fields: &Map<String, Value>, name: &String| fields.get(name).cloned().unwrap_or_default();
            names
                .into_iter()
                .flat_map(|name| differences(&format!("{path}/{name}"), &of(found, name), &of(wanted, name)))
                .collect()
        }
        (Value::Array(found), Value::Array(wanted)) if found.len() == wanted.len() => {
            let pairs = found.iter().zip(wanted).enumerate();
            pairs
                .flat_map(|(at, (found, wanted))| differences(&format!("{path}/{at}"), found, wanted))
                .collect()
        }
        (found, wanted) if found == wanted => Vec::new(),
        (found, wanted) => vec![format!("{path}: found {found}, wanted {wanted}")],
    }
}
