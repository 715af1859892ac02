//! Chooses the ConfigMaps of a content that are written as copies under other names: those whose names occur only in references of
//! the content's own pod templates, which can all be rewritten.
//!
//! A name that occurs in text may reach a program, which would not find the copy: annotations, commands, arguments, variables,
//! ConfigMap data, volume driver attributes, and any text of a custom kind. The name of another object (a Deployment, container,
//! volume, port, label or image) does not count, nor does a file path, because a ConfigMap is often mounted at a directory of its
//! name. In doubt the ConfigMap stays in place: it is rolled out and rolled back all the same.

use crate::api::mark;
use crate::content::error::{ContentError, quoted};
use crate::content::object::copies::is_config_map;
use crate::content::object::key::ObjectKey;
use crate::content::object::metadata::annotations;
use crate::content::object::paths;
use crate::content::object::paths::{JsonPath, each_string};
use crate::content::object::references::all_config_maps;
use crate::content::object::set::ObjectSet;
use crate::content::object::templates::{pod_template, pod_templates};
use serde_json::Value;
use std::collections::BTreeSet;

/// Value of the annotation `towpath.dev/config` that keeps a ConfigMap in place.
pub const IN_PLACE: &str = "InPlace";

/// Text that reaches programs, in objects of the default kinds.
const OBJECT_TEXT: [JsonPath; 3] = [
    &["spec", "jobTemplate", "metadata", "annotations", "*"],
    &["spec", "defaultBackend", "resource", "name"],
    &["spec", "rules", "*", "http", "paths", "*", "backend", "resource", "name"],
];
const TEMPLATE_TEXT: [JsonPath; 3] = [
    &["metadata", "annotations", "*"],
    &["spec", "volumes", "*", "csi", "volumeAttributes", "*"],
    &["spec", "volumes", "*", "flexVolume", "options", "*"],
];
const CONTAINER_TEXT: [JsonPath; 8] = [
    &["command", "*"],
    &["args", "*"],
    &["env", "*", "value"],
    &["lifecycle", "postStart", "exec", "command", "*"],
    &["lifecycle", "preStop", "exec", "command", "*"],
    &["livenessProbe", "exec", "command", "*"],
    &["readinessProbe", "exec", "command", "*"],
    &["startupProbe", "exec", "command", "*"],
];

/// Names of the ConfigMaps that are written as copies. All others of the content stay in place.
pub fn copied(content: &ObjectSet) -> Result<BTreeSet<String>, ContentError> {
    let referenced = all_config_maps(pod_templates(content.values()));
    let mut candidates = BTreeSet::new();
    for (key, object) in content.iter().filter(|(_, object)| is_config_map(object)) {
        if !stays_in_place(key, object)? && referenced.contains(key.name()) {
            candidates.insert(key.name());
        }
    }
    if candidates.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut occurring = BTreeSet::new();
    // What a test says reaches no program of the release.
    let is_test = |object: &Value| annotations(object).is_some_and(|all| all.contains_key(mark::TEST));
    for (key, object) in content.iter().filter(|(_, object)| !is_test(object)) {
        visit_texts(key, object, &mut |text| {
            occurring.extend(words(text).filter(|word| candidates.contains(word)).map(str::to_owned));
        });
    }
    Ok(candidates.into_iter().map(str::to_owned).filter(|name| !occurring.contains(name)).collect())
}

/// Whether its annotation keeps it in place.
fn stays_in_place(key: &ObjectKey, config_map: &Value) -> Result<bool, ContentError> {
    let Some(value) = annotations(config_map).and_then(|all| all.get(mark::CONFIG)) else {
        return Ok(false);
    };
    match value.as_str() {
        Some(IN_PLACE) => Ok(true),
        Some(_) | None => Err(ContentError::Annotation {
            object: key.to_string(),
            annotation: mark::CONFIG,
            value: value.as_str().map_or_else(|| "not text".to_owned(), quoted),
            expected: "write InPlace to keep the name of the ConfigMap, or remove the annotation",
        }),
    }
}

/// Visits the text of an object in which the name of a ConfigMap counts.
fn visit_texts<'a>(key: &ObjectKey, object: &'a Value, visit: &mut impl FnMut(&'a str)) {
    if is_config_map(object) {
        // Its own annotations may name itself.
        object.get("data").into_iter().for_each(|data| each_string(data, visit));
        return;
    }
    paths::all(object, &[&["metadata", "annotations", "*"]])
        .into_iter()
        .for_each(|text| each_string(text, visit));
    if crate::content::object::kinds::plural(key.api_version(), key.kind()).is_none() {
        let members = object.as_object().into_iter().flatten();
        for (name, member) in members {
            if !matches!(name.as_str(), "metadata" | "apiVersion" | "kind") {
                each_string(member, visit);
            }
        }
        return;
    }
    let mut texts = paths::all(object, &OBJECT_TEXT);
    if let Some(template) = pod_template(object) {
        texts.extend(paths::all(template, &TEMPLATE_TEXT));
        for container in crate::content::object::templates::containers(template) {
            texts.extend(paths::all(container, &CONTAINER_TEXT));
        }
    }
    texts.into_iter().for_each(|text| each_string(text, visit));
}

/// The words of a text that may be names. `--from=shop/web-config` has `from`, `shop` and `web-config`. The parts of a word that starts
/// with `/` are not names, because it is a file path or the rest of a URL, except for a path of the Kubernetes API.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/')))
        .filter(|word| !word.starts_with('/') || word.contains("/configmaps/"))
        .flat_map(|word| word.split('/'))
        .map(|word| word.trim_matches(['.', '-']))
}

#[cfg(test)]
#[path = "copied_tests.rs"]
mod tests;
