//! Compares the admission policies on the server with those of the chart, whose files are part of this program.

use crate::decide::world::Admission;
use crate::process::Handles;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// The policy files of the chart, without those that only fill in names: other policies require what they fill in.
const FILES: [&str; 10] = [
    include_str!("../../charts/towpath/files/policies/approvals.yaml"),
    include_str!("../../charts/towpath/files/policies/bindings.yaml"),
    include_str!("../../charts/towpath/files/policies/deployers.yaml"),
    include_str!("../../charts/towpath/files/policies/freeze.yaml"),
    include_str!("../../charts/towpath/files/policies/preflight.yaml"),
    include_str!("../../charts/towpath/files/policies/recalls.yaml"),
    include_str!("../../charts/towpath/files/policies/record.yaml"),
    include_str!("../../charts/towpath/files/policies/requests.yaml"),
    include_str!("../../charts/towpath/files/policies/reviews.yaml"),
    include_str!("../../charts/towpath/files/policies/withdrawals.yaml"),
];

/// The state of the admission policies, from the watches.
pub fn admission(handles: &Handles) -> Admission {
    if !handles.settings.scope.admission {
        return Admission::Disabled;
    }
    let versions = versions(handles);
    let faults = handles.caches.policy_faults.get(&versions).unwrap_or_else(|| {
        let shipped = shipped(&handles.own.user.username, &handles.own.namespace);
        let faults: Vec<String> =
            shipped.iter().filter_map(|policy| fault(policy, live(handles, policy))).collect();
        handles.caches.policy_faults.insert(versions, faults.clone());
        faults
    });
    match faults.is_empty() {
        true => Admission::Enforced,
        false => Admission::Degraded(faults.join(", ")),
    }
}

/// Identifies the policies and bindings on the server.
fn versions(handles: &Handles) -> String {
    let stores = &handles.stores;
    let policies = stores.admission_policies.list("");
    let bindings = stores.admission_bindings.list("");
    let versions =
        policies.iter().map(|one| &one.0.metadata).chain(bindings.iter().map(|one| &one.0.metadata));
    versions
        .map(|meta| {
            format!("{} {}", meta.uid.as_deref().unwrap_or_default(), meta.generation.unwrap_or_default())
        })
        .collect::<Vec<_>>()
        .join(",")
}

/// The policies and bindings of this installation.
fn shipped(username: &str, namespace: &str) -> Vec<Value> {
    let text = FILES
        .map(|file| file.replace("OPERATOR_USERNAME", username).replace("OPERATOR_NAMESPACE", namespace));
    text.iter()
        .flat_map(|file| serde_yaml::Deserializer::from_str(file))
        .filter_map(|document| Value::deserialize(document).ok())
        .filter(|document| document.is_object())
        .collect()
}

/// The policies and bindings of every installation, each as `Kind name`.
pub fn shipped_policies() -> BTreeSet<String> {
    let text = |policy: &Value, pointer: &str| {
        policy.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    shipped("", "")
        .iter()
        .map(|policy| format!("{} {}", text(policy, "/kind"), text(policy, "/metadata/name")))
        .collect()
}

fn live(handles: &Handles, policy: &Value) -> Option<Value> {
    let name = policy.pointer("/metadata/name")?.as_str()?;
    let stores = &handles.stores;
    let spec = match policy.get("kind")?.as_str()? {
        "ValidatingAdmissionPolicy" => serde_json::to_value(&stores.admission_policies.get("", name)?.0.spec),
        _ => serde_json::to_value(&stores.admission_bindings.get("", name)?.0.spec),
    };
    spec.ok()
}

/// How the policy on the server differs from the shipped one.
fn fault(policy: &Value, live: Option<Value>) -> Option<String> {
    let text = |pointer: &str| policy.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let what = format!("{} {}", text("/kind"), text("/metadata/name"));
    match (live, policy.get("spec")) {
        (None, _) => Some(format!("{what} is missing")),
        (Some(live), Some(spec)) if live == *spec => None,
        (Some(_), _) => Some(format!("{what} differs from the shipped one")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_of_the_chart_has_a_binding() {
        let shipped = shipped("system:serviceaccount:a:b", "a");
        let named = |kind: &str| -> Vec<String> {
            let of = shipped.iter().filter(|policy| policy["kind"] == kind);
            of.map(|policy| policy["metadata"]["name"].as_str().unwrap().to_owned()).collect()
        };
        assert!(named("ValidatingAdmissionPolicy").len() >= 7);
        assert_eq!(named("ValidatingAdmissionPolicy"), named("ValidatingAdmissionPolicyBinding"));
    }

    #[test]
    fn a_missing_or_different_policy_is_named() {
        let policy = &shipped("u", "n")[0];
        assert_eq!(fault(policy, Some(policy["spec"].clone())), None);
        assert!(fault(policy, None).unwrap().ends_with("is missing"));
        let mut other = policy["spec"].clone();
        other["failurePolicy"] = "Ignore".into();
        assert!(fault(policy, Some(other)).unwrap().contains("differs from the shipped one"));
    }
}
