//! Drift: fields that our manager wrote and that another manager changed or removed afterwards.
//!
//! The API server takes a field from our entry in managedFields when another manager changes its value or removes it. What it defaults
//! or stores in another form stays ours, and so does a field that others own beside us with the same value. The comparison therefore
//! starts from ownership, and compares values only where ours was lost.
//!
//! Invariant: a field that was not written, or that has the written value, has not drifted. `spec.replicas` and the annotation of
//! `kubectl rollout restart` never drift.

use super::entries::{entries, is_plain, manager, time};
use super::fields::{has_keys, keys_of, shown};
use super::values::is_same;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The annotation of `kubectl rollout restart`.
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
/// Metadata that is compared. Nothing else of it can be changed.
const METADATA: [&str; 3] = ["labels", "annotations", "finalizers"];

/// A field that was written and does not have the written value any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drift {
    /// The field, such as `spec.template.spec.containers[app].image`.
    pub field: String,
    /// Whether it does not exist any more.
    pub is_removed: bool,
    /// The manager that owns it now or, if it was removed, the manager that wrote to the object last. None if the API server records
    /// none: removing a field leaves no entry.
    pub manager: Option<String>,
    /// When that manager last changed a field of the object, by the clock of the API server.
    pub since: Option<Timestamp>,
}

/// The fields of a live object that drifted from what `our` manager wrote, at most `most`. Empty if our manager has no entry in the
/// managedFields of the object for the API version of `written`: then they do not tell who changed what.
pub fn drift(live: &Value, written: &Value, our: &str, most: usize) -> Vec<Drift> {
    let is_of_version = |entry: &&Value| entry.get("apiVersion") == written.get("apiVersion");
    let (ours, others): (Vec<&Value>, Vec<&Value>) =
        entries(live).iter().filter(|entry| is_plain(entry)).partition(|entry| manager(entry) == Some(our));
    let ours: Vec<&Value> = ours.into_iter().filter(is_of_version).collect();
    let Some(written_at) = ours.iter().map(|entry| time(entry)).max() else { return Vec::new() };
    let mut walk = Walk { others, written_at, path: Vec::new(), found: Vec::new(), most };
    let fields: Vec<&Value> = ours.iter().filter_map(|entry| entry.get("fieldsV1")).collect();
    walk.members(written, Some(live), &fields);
    walk.found
}

/// A step from a value to a part of it.
#[derive(Clone)]
enum Step<'a> {
    /// The member of an object.
    Member(&'a str),
    /// The item of an associative list, and how it is shown.
    Item(&'a Value, String),
    /// The item of a set.
    Element(&'a Value),
}

struct Walk<'a> {
    /// The entries of the other managers.
    others: Vec<&'a Value>,
    /// When our manager last wrote to the object.
    written_at: Option<Timestamp>,
    path: Vec<Step<'a>>,
    found: Vec<Drift>,
    most: usize,
}

impl<'a> Walk<'a> {
    /// Compares one value. `ours`: what our entries hold of it.
    fn value(&mut self, step: Step<'a>, written: &'a Value, live: Option<&'a Value>, ours: &[&Value]) {
        if self.found.len() >= self.most || is_empty(written) {
            return;
        }
        self.path.push(step);
        match (written, live) {
            // Owned as one, such as an atomic list.
            _ if ours.iter().any(|node| is_leaf(node)) => {}
            (_, Some(live)) if ours.is_empty() && is_same(written, live, self.is_quantity()) => {}
            (_, None) if ours.is_empty() => self.record(true),
            (Value::Object(_), _) => self.members(written, live, ours),
            (Value::Array(items), _) => self.items(items, live, ours),
            (_, _) if ours.is_empty() => self.record(false),
            (_, _) => {}
        }
        self.path.pop();
    }

    fn members(&mut self, written: &'a Value, live: Option<&'a Value>, ours: &[&Value]) {
        for (name, value) in written.as_object().into_iter().flatten() {
            if !self.counts(name) {
                continue;
            }
            let field = format!("f:{name}");
            let inner: Vec<&Value> = ours.iter().filter_map(|node| node.get(&field)).collect();
            self.value(Step::Member(name), value, live.and_then(|live| live.get(name)), &inner);
        }
    }

    /// Whether a member of the value at the current path is compared.
    fn counts(&self, name: &str) -> bool {
        match self.path.as_slice() {
            [] => !matches!(name, "apiVersion" | "kind" | "status"),
            [Step::Member("metadata")] => METADATA.contains(&name),
            [Step::Member("spec")] => name != "replicas",
            _ => name != RESTARTED_AT,
        }
    }

    fn items(&mut self, written: &'a [Value], live: Option<&'a Value>, ours: &[&Value]) {
        let live_items = live.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let known: Vec<&Value> = ours.iter().copied().chain(self.others_here()).collect();
        let elements = |prefix: &str| -> BTreeSet<&str> {
            let names = known.iter().filter_map(|node| node.as_object()).flat_map(Map::keys);
            names.map(String::as_str).filter(|name| name.starts_with(prefix)).collect()
        };
        if !elements("v:").is_empty() {
            for item in written {
                let element = format!("v:{item}");
                let inner: Vec<&Value> = ours.iter().filter_map(|node| node.get(&element)).collect();
                let found = live_items.iter().find(|live| *live == item);
                self.value(Step::Element(item), item, found, &inner);
            }
            return;
        }
        let named: BTreeSet<String> =
            elements("k:").into_iter().filter_map(keys_of).flat_map(names).collect();
        // No manager owns an item of it.
        let is_named =
            |list: &[Value]| list.iter().all(|item| item.get("name").is_some_and(Value::is_string));
        let named = match named.is_empty() && is_named(written) && is_named(live_items) {
            true => BTreeSet::from(["name".to_owned()]),
            false => named,
        };
        if named.is_empty() {
            return if ours.is_empty() {
                self.record(false)
            };
        }
        for item in written {
            let keys = keys(item, &named);
            let found = live_items.iter().find(|live| has_keys(live, &keys));
            let inner: Vec<&Value> = ours.iter().filter_map(|node| element_of(node, item)).collect();
            self.value(Step::Item(item, shown(&keys)), item, found, &inner);
        }
    }

    /// What the other managers own of the value at the current path.
    fn others_here(&self) -> Vec<&'a Value> {
        self.others.iter().filter_map(|entry| self.owned(entry)).collect()
    }

    /// What an entry holds of the value at the current path: all of it if it holds all of what the value is part of.
    fn owned(&self, entry: &'a Value) -> Option<&'a Value> {
        let mut at = entry.get("fieldsV1")?;
        for step in &self.path {
            if is_leaf(at) {
                return Some(at);
            }
            at = match step {
                Step::Member(name) => at.get(format!("f:{name}"))?,
                Step::Item(item, _) => element_of(at, item)?,
                Step::Element(item) => at.get(format!("v:{item}"))?,
            };
        }
        Some(at)
    }

    /// Adds the field at the current path, if another manager changed it.
    fn record(&mut self, is_removed: bool) {
        let owners = self.others.iter().filter(|entry| self.owned(entry).is_some());
        let later = self.others.iter().filter(|entry| time(entry) >= self.written_at);
        let entry = match is_removed {
            false => owners.max_by_key(|entry| time(entry)),
            true => later.max_by_key(|entry| time(entry)),
        };
        // What the API server stores in another form has no other owner.
        if entry.is_none() && !is_removed {
            return;
        }
        self.found.push(Drift {
            field: self.shown(),
            is_removed,
            manager: entry.and_then(|entry| manager(entry)).map(str::to_owned),
            since: entry.and_then(|entry| time(entry)),
        });
    }

    fn shown(&self) -> String {
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Member(name) if name.contains(['.', '/']) => path.push_str(&format!("[{name}]")),
                Step::Member(name) if path.is_empty() => path.push_str(name),
                Step::Member(name) => path.push_str(&format!(".{name}")),
                Step::Item(_, shown) => path.push_str(shown),
                Step::Element(item) => path.push_str(&format!("[{}]", item.as_str().unwrap_or_default())),
            }
        }
        path
    }

    /// Whether the value at the current path is a quantity, of which the API server keeps another form.
    fn is_quantity(&self) -> bool {
        const PARENTS: [&str; 6] = ["limits", "requests", "capacity", "sizeLimit", "divisor", "averageValue"];
        self.path.iter().any(|step| matches!(step, Step::Member(name) if PARENTS.contains(name)))
    }
}

/// Whether a node of a field set holds the whole value.
fn is_leaf(node: &Value) -> bool {
    node.as_object().is_none_or(Map::is_empty)
}

/// Whether a written value asks for nothing.
fn is_empty(written: &Value) -> bool {
    match written {
        Value::Null => true,
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// What a node of a field set holds of an item of an associative list.
fn element_of<'a>(node: &'a Value, item: &Value) -> Option<&'a Value> {
    let mut elements = node.as_object()?.iter();
    elements.find(|(name, _)| keys_of(name).is_some_and(|keys| has_keys(item, &keys))).map(|(_, inner)| inner)
}

fn names(keys: Map<String, Value>) -> impl Iterator<Item = String> {
    keys.into_iter().map(|(name, _)| name)
}

/// The keys that an item has, among those of its list.
fn keys(item: &Value, named: &BTreeSet<String>) -> Map<String, Value> {
    named.iter().filter_map(|name| Some((name.clone(), item.get(name)?.clone()))).collect()
}

#[cfg(test)]
#[path = "drift_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "drift_kinds_tests.rs"]
mod kinds_tests;
