//! The owners of the fields of a live object, by its managedFields, and the adoption of fields from the managers of `adoptFrom`.
//!
//! Invariant: an adoption moves ownership and changes no field. The apply that follows removes fields that the content lacks, and
//! still conflicts with every manager that is not in `adoptFrom`.

use super::derived;
use super::entries::{entries, is_plain, manager, operation, subresource, time};
use crate::api::mark;
use crate::content::object::metadata::annotation;
use crate::content::object::paths::prune;
use jiff::Timestamp;
use json_patch::jsonptr::PointerBuf;
use json_patch::{Patch, PatchOperation, ReplaceOperation, TestOperation};
use serde_json::{Map, Value, json};

/// One manager of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    /// Its name, such as `kubectl-client-side-apply`.
    pub name: String,
    /// The subresource through which it wrote, such as `scale`.
    pub subresource: Option<String>,
}

/// The owners of `spec.replicas`, sorted.
pub fn replicas_owners(live: &Value) -> Vec<Manager> {
    let mut owners: Vec<Manager> = entries(live)
        .iter()
        .filter(|entry| entry.pointer("/fieldsV1/f:spec/f:replicas").is_some())
        .filter_map(|entry| {
            Some(Manager {
                name: manager(entry)?.to_owned(),
                subresource: subresource(entry).map(str::to_owned),
            })
        })
        .collect();
    owners.sort();
    owners.dedup();
    owners
}

/// Whether `our` manager is the only owner of `spec.replicas`. Then each apply must repeat the live value, because omitting a field
/// with one owner resets it.
pub fn only_ours(live: &Value, our: &str) -> bool {
    let owners = replicas_owners(live);
    !owners.is_empty() && owners.iter().all(|owner| owner.name == our && owner.subresource.is_none())
}

/// The patch that moves the fields of exactly the managers in `adopt_from`, and the defaults that `written` rules out or changes, into our Apply
/// entry; none when there are none to move. `spec.replicas` stays with its owner, who set it for this environment.
///
/// Entries of subresources (`status`, `scale`) stay, and so do entries of another version of the kind, whose field paths may have
/// another meaning.
pub fn adoption_patch(live: &Value, written: &Value, adopt_from: &[String], our: &str) -> Option<Patch> {
    let resource_version = live.pointer("/metadata/resourceVersion")?.as_str()?;
    let is_ours =
        |entry: &Value| manager(entry) == Some(our) && operation(entry) == Some("Apply") && is_plain(entry);
    let ours = entries(live).iter().find(|entry| is_ours(entry));
    let version = ours.unwrap_or(live).get("apiVersion")?.as_str()?;
    let mut remaining = Vec::new();
    let mut moved = json!({});
    derived::outdated(live, written, our).for_each(|set| merge(&mut moved, set));
    let mut time = None;
    for entry in entries(live) {
        let named = manager(entry).is_some_and(|name| adopt_from.iter().any(|adopted| adopted == name));
        let same_version = entry.get("apiVersion").and_then(Value::as_str) == Some(version);
        match entry.get("fieldsV1").filter(|_| named && same_version && is_plain(entry) && !is_ours(entry)) {
            Some(fields) => {
                let mut fields = fields.clone();
                if fields.pointer("/f:spec/f:replicas").is_some() {
                    let mut replicas = entry.clone();
                    replicas["fieldsV1"] = json!({"f:spec": {"f:replicas": {}}});
                    remaining.push(replicas);
                    prune(&mut fields, &["f:spec"], "f:replicas");
                }
                merge(&mut moved, fields);
                time = time.max(entry.get("time").and_then(Value::as_str));
            }
            None => remaining.push(entry.clone()),
        }
    }
    if moved.as_object().is_none_or(Map::is_empty) {
        return None;
    }
    match remaining.iter_mut().find(|entry| is_ours(entry)).and_then(|entry| entry.get_mut("fieldsV1")) {
        Some(fields) => merge(fields, moved),
        None => {
            remaining.retain(|entry| !is_ours(entry));
            let mut entry = json!({
                "manager": our, "operation": "Apply", "apiVersion": version, "fieldsType": "FieldsV1", "fieldsV1": moved,
            });
            if let Some(time) = time {
                entry["time"] = time.into();
            }
            remaining.push(entry);
        }
    }
    let at = |field| PointerBuf::from_tokens(["metadata", field]);
    Some(Patch(vec![
        PatchOperation::Test(TestOperation { path: at("resourceVersion"), value: resource_version.into() }),
        PatchOperation::Replace(ReplaceOperation { path: at("managedFields"), value: remaining.into() }),
    ]))
}

/// A field that another manager changed after our manager wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The field, such as `spec.template.spec.containers[app].image`.
    pub field: String,
    /// The manager.
    pub manager: String,
}

/// The first field of the pod template that another manager wrote after `since` and our manager does not own: a change of a value moves
/// the ownership. Labels and annotations that `written` lacks, such as that of `kubectl rollout restart`, change nothing that runs.
pub fn changed_template(live: &Value, written: &Value, our: &str, since: Timestamp) -> Option<Changed> {
    let template = |entry: &Value| entry.pointer("/fieldsV1/f:spec/f:template").cloned();
    let written = written.pointer("/spec/template");
    let changed = first_taken(live, (our, since), template, written, false)?;
    Some(Changed { field: format!("spec.template{}", changed.field), ..changed })
}

/// The first field that another manager wrote after `since`, that our manager does not own, and that `written` holds. Metadata and status
/// are left out.
pub fn changed_field(live: &Value, written: &Value, our: &str, since: Timestamp) -> Option<Changed> {
    let body = |entry: &Value| {
        let mut fields = entry.get("fieldsV1")?.as_object()?.clone();
        fields.retain(|name, _| !matches!(name.as_str(), "f:metadata" | "f:status"));
        Some(Value::Object(fields))
    };
    let changed = first_taken(live, (our, since), body, Some(written), true)?;
    Some(Changed { field: changed.field.trim_start_matches('.').to_owned(), ..changed })
}

/// The first field within the `part` of a field set that another manager took.
fn first_taken(
    live: &Value,
    (our, since): (&str, Timestamp),
    part: impl Fn(&Value) -> Option<Value>,
    written: Option<&Value>,
    only_written: bool,
) -> Option<Changed> {
    let ours: Vec<Value> =
        entries(live).iter().filter(|entry| manager(entry) == Some(our)).filter_map(&part).collect();
    let is_later = |entry: &Value| time(entry).is_none_or(|time| time >= since);
    let others = entries(live).iter().filter(|entry| is_plain(entry) && manager(entry) != Some(our));
    for entry in others.filter(|entry| is_later(entry)) {
        let (Some(theirs), Some(name)) = (part(entry), manager(entry)) else { continue };
        let ours: Vec<&Value> = ours.iter().collect();
        if let Some(field) = taken(&theirs, &ours, written, only_written) {
            return Some(Changed { field, manager: name.to_owned() });
        }
    }
    None
}

/// The path of the first leaf of `theirs` that is in none of `ours`. Within `marks`, labels and annotations, only one that is written.
fn taken(theirs: &Value, ours: &[&Value], written: Option<&Value>, marks: bool) -> Option<String> {
    for (name, inner) in theirs.as_object()? {
        if name == "." {
            continue;
        }
        let (step, value) = member(written, name);
        let ours: Vec<&Value> = ours.iter().filter_map(|fields| fields.get(name)).collect();
        let is_leaf = inner.as_object().is_none_or(|inner| inner.keys().all(|key| key == "."));
        match is_leaf {
            true if ours.is_empty() && (!marks || value.is_some()) => return Some(step),
            true => {}
            false => {
                let marks = marks || matches!(name.as_str(), "f:labels" | "f:annotations");
                if let Some(rest) = taken(inner, &ours, value, marks) {
                    return Some(format!("{step}{rest}"));
                }
            }
        }
    }
    None
}

/// The step that an element of a field set (`f:image`, `k:{"name":"app"}`) is in a path, and the member of a value that it names.
fn member<'a>(value: Option<&'a Value>, element: &str) -> (String, Option<&'a Value>) {
    if let Some(field) = element.strip_prefix("f:") {
        return (format!(".{field}"), value.and_then(|value| value.get(field)));
    }
    let Some(keys) = keys_of(element) else { return (format!("[{element}]"), None) };
    let found =
        value.and_then(Value::as_array).and_then(|list| list.iter().find(|item| has_keys(item, &keys)));
    (shown(&keys), found)
}

/// The keys of an element of an associative list, such as `k:{"name":"app"}`.
pub(super) fn keys_of(element: &str) -> Option<Map<String, Value>> {
    serde_json::from_str(element.strip_prefix("k:")?).ok()
}

/// Whether an item of a list has these keys. A key that is absent in the manifest has its default, such as `protocol: TCP`.
pub(super) fn has_keys(item: &Value, keys: &Map<String, Value>) -> bool {
    keys.iter().all(|(key, value)| item.get(key).is_none_or(|found| found == value))
}

/// The step of an item with these keys in a path.
pub(super) fn shown(keys: &Map<String, Value>) -> String {
    let values: Vec<String> = keys.values().map(|value| value.to_string().replace('"', "")).collect();
    format!("[{}]", values.join("/"))
}

/// When a manager last applied the object, by the time of the API server.
pub fn applied_at(live: &Value, by: &str) -> Option<Timestamp> {
    let is_theirs =
        |entry: &&Value| manager(entry) == Some(by) && operation(entry) == Some("Apply") && is_plain(entry);
    entries(live).iter().filter(is_theirs).filter_map(time).max()
}

/// The revision that last wrote a live object.
pub fn written_by(live: &Value) -> Option<i64> {
    annotation(live, mark::REVISION)?.parse().ok()
}

/// When a revision wrote the object, by the clock of the API server: our last apply, if the object says that it is of this revision. None if
/// another revision wrote it last, or if the time is unknown. The time of an entry does not change when another manager takes fields of it.
pub fn written_at(live: &Value, our: &str, revision: Option<i64>) -> Option<Timestamp> {
    let own = written_by(live)?;
    applied_at(live, our).filter(|_| Some(own) == revision)
}

/// The managers without subresource that own fields of the object, for messages about conflicts.
pub fn managers(live: &Value) -> Vec<String> {
    let mut names: Vec<String> =
        entries(live).iter().filter(|e| is_plain(e)).filter_map(manager).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// The union of two field sets: maps all the way down, whose leaves are empty.
fn merge(into: &mut Value, from: Value) {
    let Value::Object(from) = from else { return };
    let Some(members) = into.as_object_mut() else {
        *into = Value::Object(from);
        return;
    };
    for (key, value) in from {
        merge(members.entry(key).or_insert_with(|| json!({})), value);
    }
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
