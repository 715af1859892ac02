//! The ConfigMaps of a content. They become copies where that is possible; pods that read the others are rolled out by an annotation with
//! their digest.

use crate::api::mark;
use crate::content::object::canonical::{Form, canonical, sha256};
use crate::content::object::copies::{copy_name, is_config_map, payload};
use crate::content::object::references::{config_maps, rename_config_maps};
use crate::content::object::sealed::Digested;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Hexadecimal digits in the digest on pod templates.
const CONFIG_DIGITS: usize = 16;

/// Where content is written, and for which owner.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The target namespace.
    pub namespace: &'a str,
    /// `project.environment.application`.
    pub owner: &'a str,
    /// Identifies the promotion: each runs its own hooks.
    pub run: &'a str,
}

/// The ConfigMaps of a content: those that are copied and those that stay in place.
pub(super) struct Config {
    /// From the name in the content to the name of the copy.
    copies: BTreeMap<String, String>,
    /// From the name to a digest over its data.
    in_place: BTreeMap<String, String>,
    /// The canonical form of the content. The names of Jobs depend on it: an upgrade must not run a finished Job again.
    pub(super) form: Form,
}

impl Config {
    pub(super) fn of(content: &Digested, copied: &BTreeSet<String>) -> Self {
        let mut config = Self { copies: BTreeMap::new(), in_place: BTreeMap::new(), form: content.form() };
        for (key, object) in content.objects().iter().filter(|(_, object)| is_config_map(object)) {
            let name = key.name().to_owned();
            if copied.contains(&name) {
                config.copies.insert(name, copy_name(object));
            } else {
                config.in_place.insert(name, sha256(&canonical(&payload(object))));
            }
        }
        config
    }

    /// Whether a ConfigMap of the content is written as a copy.
    pub(super) fn is_copied(&self, name: &str) -> bool {
        self.copies.contains_key(name)
    }

    /// A ConfigMap of the content that the pods of a template read.
    pub(super) fn read_by(&self, template: &Value) -> Option<String> {
        let is_here = |name: &String| self.copies.contains_key(name) || self.in_place.contains_key(name);
        config_maps(template).into_keys().find(is_here)
    }

    /// Rewrites a template so that its pods read this config and are rolled out when it changes.
    pub(super) fn rewrite(&self, template: &mut Value, takes_annotations: bool) {
        let read: Map<String, Value> = config_maps(template)
            .into_keys()
            .filter_map(|name| self.in_place.get(&name).map(|digest| (name, digest.clone().into())))
            .collect();
        rename_config_maps(template, &self.copies);
        if !read.is_empty() && takes_annotations {
            annotate(
                template,
                mark::CONFIG_DIGEST,
                &self.form.short_digest(&Value::Object(read), CONFIG_DIGITS),
            );
        }
    }
}

/// Sets an annotation of an object or a template, and creates the maps that are missing.
pub(super) fn annotate(object: &mut Value, key: &str, value: &str) {
    let mut at = object;
    for member in ["metadata", "annotations"] {
        let Some(members) = at.as_object_mut() else { return };
        at = members.entry(member).or_insert_with(|| json!({}));
        if !at.is_object() {
            *at = json!({});
        }
    }
    if let Some(annotations) = at.as_object_mut() {
        annotations.insert(key.to_owned(), value.into());
    }
}
