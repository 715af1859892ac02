//! Which live objects a capture skips: those that controllers and clusters generate, those that are being deleted, and kinds
//! that content never holds.

use crate::content::object::key::{group_kind, name_of};
use crate::content::object::kinds::refusal;
use crate::content::object::metadata::{annotations, controller, label};
use serde_json::Value;

/// ConfigMaps that clusters and service meshes create in every namespace.
const GENERATED_CONFIG_MAPS: [&str; 5] = [
    "kube-root-ca.crt",
    "openshift-service-ca.crt",
    "istio-ca-root-cert",
    "istio-ca-crl",
    "cluster-autoscaler-status",
];

/// The lock of a leader election that still uses a ConfigMap.
const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";

/// Whether a capture of the whole namespace takes this object.
pub fn is_captured(live: &Value) -> bool {
    let (group, kind) = group_kind(live);
    let generated = match (group, kind) {
        ("", "ConfigMap") => is_generated_config_map(live),
        ("", "ServiceAccount") => is_generated_service_account(live),
        ("", "Service") => is_api_server_service(live),
        ("batch", "Job") => true,
        _ => refusal(group, kind).is_some(),
    };
    !generated && controller(live).is_none() && live.pointer("/metadata/deletionTimestamp").is_none()
}

fn is_generated_config_map(live: &Value) -> bool {
    let name = name_of(live);
    let label = |key: &str| label(live, key);
    let helm_storage = label("owner") == Some("helm") && name.starts_with("sh.helm.release.v1.");
    let tiller_storage = label("OWNER") == Some("TILLER");
    let lock = annotations(live).is_some_and(|annotations| annotations.contains_key(LEADER));
    GENERATED_CONFIG_MAPS.contains(&name) || helm_storage || tiller_storage || lock
}

/// `default` everywhere, and OpenShift's `builder` and `deployer`, which users may choose as names elsewhere.
fn is_generated_service_account(live: &Value) -> bool {
    let name = name_of(live);
    let is_generated_by_openshift = || {
        let generated = format!("{name}-dockercfg-");
        let secrets = live.get("imagePullSecrets").and_then(Value::as_array);
        let of_name = |secret: &Value| {
            secret.get("name").and_then(Value::as_str).is_some_and(|secret| secret.starts_with(&generated))
        };
        secrets.is_some_and(|secrets| secrets.iter().any(of_name))
            || annotations(live).is_some_and(|a| a.keys().any(|key| key.starts_with("openshift.io/")))
    };
    name == "default" || (matches!(name, "builder" | "deployer") && is_generated_by_openshift())
}

/// The Service of the API server, in the namespace `default`.
fn is_api_server_service(live: &Value) -> bool {
    name_of(live) == "kubernetes" && label(live, "component") == Some("apiserver")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(api_version: &str, kind: &str, metadata: Value) -> Value {
        json!({"apiVersion": api_version, "kind": kind, "metadata": metadata})
    }

    #[test]
    fn generated_objects_are_not_captured() {
        for live in [
            object("v1", "ConfigMap", json!({"name": "kube-root-ca.crt"})),
            object("v1", "ConfigMap", json!({"name": "openshift-service-ca.crt"})),
            object("v1", "ConfigMap", json!({"name": "x", "annotations": {LEADER: "{}"}})),
            object(
                "v1",
                "ConfigMap",
                json!({"name": "sh.helm.release.v1.x.v1", "labels": {"owner": "helm"}}),
            ),
            object("v1", "ServiceAccount", json!({"name": "default"})),
            object("v1", "ServiceAccount", json!({"name": "builder", "annotations": {"openshift.io/x": ""}})),
            object("v1", "Service", json!({"name": "kubernetes", "labels": {"component": "apiserver"}})),
            object("v1", "Secret", json!({"name": "x"})),
            object("v1", "Pod", json!({"name": "x"})),
            object("batch/v1", "Job", json!({"name": "x"})),
            object("rbac.authorization.k8s.io/v1", "Role", json!({"name": "x"})),
            object(
                "apps/v1",
                "Deployment",
                json!({"name": "x", "deletionTimestamp": "2026-01-01T00:00:00Z"}),
            ),
            object("apps/v1", "Deployment", json!({"name": "x", "ownerReferences": [{"controller": true}]})),
        ] {
            assert!(!is_captured(&live), "{live}");
        }
    }

    #[test]
    fn what_a_person_wrote_is_captured() {
        for live in [
            object("v1", "ConfigMap", json!({"name": "web"})),
            object("v1", "ServiceAccount", json!({"name": "deployer"})),
            object("v1", "Service", json!({"name": "kubernetes"})),
            object("apps/v1", "Deployment", json!({"name": "x", "ownerReferences": [{"kind": "X"}]})),
            object("x.dev/v1", "Secret", json!({"name": "x"})),
        ] {
            assert!(is_captured(&live), "{live}");
        }
    }
}
