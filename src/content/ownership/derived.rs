//! Defaults of the API server that depend on other fields. No manager owns them, so an apply leaves them when those fields change. An apply
//! removes what is ours.

use super::entries::{entries, manager};
use crate::content::object::key::group_kind;
use crate::content::object::templates::PLACES;
use serde_json::{Map, Value, json};

const ACCOUNT: &str = "serviceAccountName";
const ALIAS: &str = "serviceAccount";

/// The sets of the fields whose default is another one with `written`, or is not valid beside it.
pub(super) fn outdated(live: &Value, written: &Value, our: &str) -> impl Iterator<Item = Value> {
    let account = alias_of_account(live, written, our);
    [rolling_update(live, written), account, types_of_policy(live, written)].into_iter().flatten()
}

/// The parameters of rolling updates, where `written` asks for another strategy and no manager set them: the API server refuses them beside it.
fn rolling_update(live: &Value, written: &Value) -> Option<Value> {
    const PARAMETERS: &str = "rollingUpdate";
    // The name in Deployments, and that in StatefulSets and DaemonSets.
    ["strategy", "updateStrategy"].into_iter().find_map(|strategy| {
        let wanted = written.pointer(&format!("/spec/{strategy}"))?;
        let other = wanted.get("type").and_then(Value::as_str).is_some_and(|name| name != "RollingUpdate");
        let defaults = live.pointer(&format!("/spec/{strategy}/{PARAMETERS}"))?.as_object()?;
        let is_owned = !owners(live, &format!("/fieldsV1/f:spec/f:{strategy}/f:{PARAMETERS}")).is_empty();
        if !other || wanted.get(PARAMETERS).is_some() || is_owned {
            return None;
        }
        let fields: Map<String, Value> =
            defaults.keys().map(|name| (format!("f:{name}"), json!({}))).collect();
        let parameters = Map::from_iter([(format!("f:{PARAMETERS}"), Value::Object(fields))]);
        Some(json!({ "f:spec": { format!("f:{strategy}"): parameters } }))
    })
}

/// The deprecated name of the ServiceAccount, if `written` names no account and our manager alone named one. Without an account, the API
/// server takes the one that this field names.
fn alias_of_account(live: &Value, written: &Value, our: &str) -> Option<Value> {
    PLACES.into_iter().find_map(|place| {
        let path = format!("{place}/spec");
        let (wanted, found) = (written.pointer(&path)?, live.pointer(&path)?);
        let names_none = [ACCOUNT, ALIAS].iter().all(|name| wanted.get(*name).is_none());
        let owners_of = |name| owners(live, &format!("/fieldsV1{}/f:{name}", path.replace('/', "/f:")));
        let was_ours = owners_of(ACCOUNT) == [our] && owners_of(ALIAS).is_empty();
        let alias = json!({ format!("f:{ALIAS}"): {} });
        let steps = path.rsplit('/').filter(|step| !step.is_empty());
        let set = steps.fold(alias, |inner, step| json!({ format!("f:{step}"): inner }));
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
    entries(live).iter().filter(|entry| entry.pointer(path).is_some()).filter_map(manager).collect()
}
