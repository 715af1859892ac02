//! Hosts of Ingresses. Two Ingresses of one cluster with the same host share its traffic, so an Ingress that was captured in another
//! environment may be promoted only when its hosts are overridden, or when `spec.keeps` lists it.

use crate::content::object::key::ObjectKey;
use crate::content::object::paths;
use crate::content::object::set::ObjectSet;
use serde_json::Value;
use std::collections::BTreeSet;

/// The hosts of every Ingress. A rule without host has none; whether it clashes depends on the ingress class.
pub fn ingress_hosts(set: &ObjectSet) -> BTreeSet<(ObjectKey, String)> {
    let hosts = |object| {
        paths::all(object, &[&["spec", "rules", "*", "host"], &["spec", "tls", "*", "hosts", "*"]])
            .into_iter()
            .filter_map(Value::as_str)
            .filter(|host| !host.is_empty())
            // Host names are compared without case and without a trailing dot.
            .map(|host| host.trim_end_matches('.').to_ascii_lowercase())
    };
    set.iter()
        .filter(|(key, _)| key.is("networking.k8s.io", "Ingress"))
        .flat_map(|(key, object)| hosts(object).map(|host| (key.clone(), host)))
        .collect()
}

/// Hosts of the rendered content that are still those of the environment where it was captured, sorted.
pub fn unchanged_hosts(content: &ObjectSet, rendered: &ObjectSet) -> Vec<(ObjectKey, String)> {
    // From any Ingress of the content: a patch may not move a host to another Ingress either.
    let captured: BTreeSet<String> = ingress_hosts(content).into_iter().map(|(_, host)| host).collect();
    ingress_hosts(rendered).into_iter().filter(|(_, host)| captured.contains(host)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ingress(name: &str, host: &str, tls: &str) -> Value {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": name},
            "spec": {"rules": [{"host": host}, {"http": {}}], "tls": [{"hosts": [tls]}]},
        })
    }

    fn set(objects: impl IntoIterator<Item = Value>) -> ObjectSet {
        ObjectSet::new(objects, &[], None).unwrap()
    }

    #[test]
    fn unchanged_hosts_are_named_with_their_ingress() {
        let content = set([ingress("web", "dev.example.com", "dev.example.com")]);
        let unchanged = |rendered: ObjectSet| {
            unchanged_hosts(&content, &rendered).iter().map(|(k, h)| format!("{k}: {h}")).collect::<Vec<_>>()
        };
        assert_eq!(unchanged(content.clone()), ["Ingress web: dev.example.com"]);
        assert_eq!(
            unchanged(set([ingress("web", "prod.example.com", "Dev.Example.com.")])),
            ["Ingress web: dev.example.com"],
            "the certificate is still for the old host"
        );
        assert!(unchanged(set([ingress("web", "prod.example.com", "prod.example.com")])).is_empty());
        assert!(unchanged(set([])).is_empty(), "removed");
    }
}
