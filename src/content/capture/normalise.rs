//! From the objects that a capture listed to the objects as their owner wrote them: restores the originals of copied
//! ConfigMaps, then strips every object.
//!
//! Invariant: content -> `materialise` -> what the server makes of it -> `normalise` -> the same digest.

use crate::content::error::ContentError;
use crate::content::object::copies::{is_config_map, original_name, restore};
use crate::content::object::key::name_of;
use crate::content::object::references::{all_config_maps, rename_config_maps};
use crate::content::object::strip::strip;
use crate::content::object::templates::{pod_template_mut, pod_templates};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Turns live objects into content. Of the copies of one ConfigMap, only the one that pods refer to remains. It replaces a
/// ConfigMap of the original name that no pod refers to: an adopted workload used that one before.
pub fn normalise(captured: Vec<Value>) -> Result<Vec<Value>, ContentError> {
    let referenced = all_config_maps(pod_templates(&captured));
    let mut copies: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for object in &captured {
        if let Some(original) = original_name(object).filter(|_| referenced.contains(name_of(object))) {
            copies.entry(original.to_owned()).or_default().insert(name_of(object).to_owned());
        }
    }
    for (original, copies) in &mut copies {
        let plain = |object: &&Value| {
            is_config_map(object) && name_of(object) == original && original_name(object).is_none()
        };
        if referenced.contains(original)
            && let Some(object) = captured.iter().find(plain)
        {
            copies.insert(name_of(object).to_owned());
        }
        if copies.len() > 1 {
            let copies = copies.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(ContentError::CopiesDiffer { original: original.clone(), copies });
        }
    }
    let names: BTreeMap<String, String> = copies
        .iter()
        .flat_map(|(original, copies)| copies.iter().map(|copy| (copy.clone(), original.clone())))
        .collect();
    let remains = |object: &Value| {
        let replaced = is_config_map(object) && copies.contains_key(name_of(object));
        match original_name(object) {
            Some(_) => names.contains_key(name_of(object)),
            None => !replaced,
        }
    };
    Ok(captured
        .into_iter()
        .filter(remains)
        .map(|object| {
            let mut object = restore(object);
            if let Some(template) = pod_template_mut(&mut object) {
                rename_config_maps(template, &names);
            }
            strip(&object)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::object::copies::copy_of;
    use serde_json::json;

    fn config(name: &str, value: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": value}})
    }

    fn deployment(name: &str, config: &str) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"template": {"spec": {
            "containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": config}}]}],
        }}}})
    }

    #[test]
    fn only_the_copy_in_use_remains_under_its_original_name() {
        let (old, new) = (copy_of(&config("web-config", "1")), copy_of(&config("web-config", "2")));
        let captured = vec![old, new.clone(), config("web-config", "0"), deployment("web", name_of(&new))];
        assert_eq!(
            normalise(captured).unwrap(),
            [config("web-config", "2"), deployment("web", "web-config")]
        );
    }

    #[test]
    fn two_copies_in_use_are_an_error_that_names_both() {
        let (old, new) = (copy_of(&config("cfg", "1")), copy_of(&config("cfg", "2")));
        let mixed =
            vec![old.clone(), new.clone(), deployment("a", name_of(&old)), deployment("b", name_of(&new))];
        let error = normalise(mixed).unwrap_err().to_string();
        assert!(error.contains(name_of(&old)) && error.contains(name_of(&new)), "{error}");
        let with_plain =
            vec![old.clone(), config("cfg", "0"), deployment("a", name_of(&old)), deployment("b", "cfg")];
        assert!(normalise(with_plain).is_err());
    }

    #[test]
    fn normalising_twice_changes_nothing() {
        let copy = copy_of(&config("cfg", "1"));
        let once =
            normalise(vec![copy.clone(), deployment("a", name_of(&copy)), config("other", "x")]).unwrap();
        assert_eq!(normalise(once.clone()).unwrap(), once);
    }
}
