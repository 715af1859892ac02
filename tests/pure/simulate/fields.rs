//! Field sets of server-side apply: who owns which field, conflicts, and what is removed when it has no owner any more.

use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

pub fn entry(object: &Value, manager: &str, operation: &str) -> Value {
    let mut owned = object.clone();
    if let Some(metadata) = owned["metadata"].as_object_mut() {
        metadata.retain(|name, _| name == "labels" || name == "annotations");
    }
    let is_bare = owned["metadata"].as_object().is_none_or(Map::is_empty);
    for field in ["apiVersion", "kind"].into_iter().chain(is_bare.then_some("metadata")) {
        owned.as_object_mut().unwrap().remove(field);
    }
    json!({
        "manager": manager, "operation": operation, "apiVersion": object["apiVersion"], "fieldsType": "FieldsV1",
        "fieldsV1": fields(&owned),
    })
}

/// The field set of a value; lists are one field.
fn fields(value: &Value) -> Value {
    let members = value.as_object().into_iter().flatten();
    Value::Object(members.map(|(name, value)| (format!("f:{name}"), fields(value))).collect())
}

/// The first field of `body` that `owned` holds with another value.
pub fn conflict(owned: &Value, body: &Value, live: &Value) -> Option<String> {
    owned.as_object()?.iter().find_map(|(field, inner)| {
        let name = field.trim_start_matches("f:");
        let (wanted, found) = (body.get(name)?, live.get(name)?);
        match inner.as_object().is_none_or(Map::is_empty) {
            true => (wanted != found).then(|| name.to_owned()),
            false => conflict(inner, wanted, found).map(|rest| format!("{name}.{rest}")),
        }
    })
}

/// Removes what was owned and is not wanted any more, unless another manager owns it too.
pub fn prune(object: &mut Value, owned: &Value, wanted: &Value, others: &[&Value]) {
    let Some(members) = object.as_object_mut() else { return };
    let names: BTreeSet<&String> = owned.as_object().into_iter().flat_map(Map::keys).collect();
    for field in names {
        let name = field.trim_start_matches("f:");
        let inside: Vec<&Value> = others.iter().filter_map(|other| other.get(field)).collect();
        match wanted.get(field) {
            None if inside.is_empty() => _ = members.remove(name),
            inner => {
                if let Some(member) = members.get_mut(name) {
                    prune(member, &owned[field], inner.unwrap_or(&json!({})), &inside);
                }
            }
        }
    }
}

pub fn merge(into: &mut Value, from: &Value) {
    match (into.as_object_mut(), from.as_object()) {
        (Some(members), Some(from)) => {
            for (name, value) in from {
                merge(members.entry(name).or_insert(Value::Null), value);
            }
        }
        _ => *into = from.clone(),
    }
}

/// Removes from a field set what another manager has taken.
pub fn disown(owned: &mut Value, taken: &Value) {
    let Some(members) = owned.as_object_mut() else { return };
    for (field, inner) in taken.as_object().into_iter().flatten() {
        match inner.as_object().is_none_or(Map::is_empty) {
            true => _ = members.remove(field),
            false => members.get_mut(field).into_iter().for_each(|member| disown(member, inner)),
        }
    }
}
