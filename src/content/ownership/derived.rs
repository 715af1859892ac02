//! Defaults that the API server derives from other fields. No manager owns them, so an apply leaves them when the fields change that they
//! follow from.

use crate::content::object::key::group_kind;
use serde_json::{Value, json};

const ACCOUNT: &str = "serviceAccountName";
const ALIAS: &str = "serviceAccount";

/// Where workloads have the spec of their pods.
const PODS: [&[&str]; 2] =
    [&["spec", "template", "spec"], &["spec", "jobTemplate", "spec", "template", "spec"]];

/// The sets of the fields whose derived value does not follow from `written` any more.
pub(super) fn outdated(live: &Value, written: &Value, our: &str) -> impl Iterator<Item = Value> {
    [alias_of_account(live, written, our), types_of_policy(live, written)].into_iter().flatten()
}

/// The deprecated name of the ServiceAccount, if `written` names no account and our manager alone named one. Without an account, the API
/// server takes the one that this field names.
fn alias_of_account(live: &Value, written: &Value, our: &str) -> Option<Value> {
    PODS.into_iter().find_map(|place| {
        let path = format!("/{}", place.join("/"));
        let (wanted, found) = (written.pointer(&path)?, live.pointer(&path)?);
        let names_none = [ACCOUNT, ALIAS].iter().all(|name| wanted.get(*name).is_none());
        let owners_of = |name| owners(live, &format!("/fieldsV1/f:{}/f:{name}", place.join("/f:")));
        let was_ours = owners_of(ACCOUNT) == [our] && owners_of(ALIAS).is_empty();
        let alias = json!({ format!("f:{ALIAS}"): {} });
        let set = place.iter().rev().fold(alias, |inner, step| json!({ format!("f:{step}"): inner }));
        (names_none && was_ours && found.get(ALIAS).is_some()).then_some(set)
    })
}

/// The types of a NetworkPolicy, if `written` leaves them to the API server, no manager set them, and its rules make others.
fn types_of_policy(live: &Value, written: &Value) -> Option<Value> {
    let spec =
        written.get("spec").filter(|_| group_kind(written) == ("networking.k8s.io", "NetworkPolicy"))?;
    let has_any =
        |field: &str| spec.get(field).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let types = if has_any("egress") { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    let differ = live.pointer("/spec/policyTypes").is_some_and(|found| *found != types);
    let are_derived = !has_any("policyTypes") && owners(live, "/fieldsV1/f:spec/f:policyTypes").is_empty();
    (differ && are_derived).then(|| json!({"f:spec": {"f:policyTypes": {}}}))
}

/// The managers that own the field at this path of their entries.
fn owners<'a>(live: &'a Value, path: &str) -> Vec<&'a str> {
    let entries = live.pointer("/metadata/managedFields").and_then(Value::as_array).into_iter().flatten();
    let owning = entries.filter(|entry| entry.pointer(path).is_some());
    owning.filter_map(|entry| entry.get("manager")?.as_str()).collect()
}
