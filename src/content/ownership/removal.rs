//! What happens to an object that the content no longer contains: it is left, deleted at the end of the rollout, or deleted after the
//! verification.
//!
//! Invariant: an object that a rollback cannot create again as it was is not deleted before the verification, and a claim is never
//! deleted.

use crate::api::{Removal, mark};
use crate::content::object::key::{ObjectKey, group_kind};
use crate::content::object::metadata::annotation;
use serde_json::Value;

/// What happens to an object that the content no longer contains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is left, for this reason.
    Kept(&'static str),
    /// It is deleted.
    Deleted(Removal),
}

const CLAIM: &str = "claims are never deleted by automation; delete it when its data is no longer needed";
const PRUNE_NEVER: &str = "it has the annotation towpath.dev/prune: never";
const RESOURCE_POLICY: &str = "it has the annotation helm.sh/resource-policy: keep";

/// Kinds that can be created again as they were, with what the record of a removal holds (see `restored`).
const RESTORABLE: [(&str, &str); 8] = [
    ("", "ConfigMap"),
    ("", "ServiceAccount"),
    ("apps", "Deployment"),
    ("apps", "DaemonSet"),
    ("batch", "CronJob"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("policy", "PodDisruptionBudget"),
];

/// What happens to a live object that the content no longer contains.
pub fn fate(live: &Value) -> Fate {
    match kept(live) {
        Some(reason) => Fate::Kept(reason),
        None if is_restorable(live) => Fate::Deleted(Removal::AfterRollout),
        None => Fate::Deleted(Removal::AfterVerification),
    }
}

/// Why automation never deletes a live object; none when it may.
pub fn kept(live: &Value) -> Option<&'static str> {
    if group_kind(live) == ("", "PersistentVolumeClaim") {
        return Some(CLAIM);
    }
    let says = |key, value: &str| {
        annotation(live, key).is_some_and(|found| found.trim().eq_ignore_ascii_case(value))
    };
    if says(mark::PRUNE, "never") {
        return Some(PRUNE_NEVER);
    }
    says(mark::RESOURCE_POLICY, "keep").then_some(RESOURCE_POLICY)
}

/// Whether the kind of an object is never deleted, whatever its annotations are.
pub fn is_never_deleted(key: &ObjectKey) -> bool {
    key.is("", "PersistentVolumeClaim")
}

/// Whether a rollback can create the object again as it was.
fn is_restorable(live: &Value) -> bool {
    let text = |pointer| live.pointer(pointer).and_then(Value::as_str);
    let is_empty = |pointer| live.pointer(pointer).and_then(Value::as_array).is_none_or(Vec::is_empty);
    // A finalizer means that a controller deletes more than the object.
    if !is_empty("/metadata/finalizers") {
        return false;
    }
    match group_kind(live) {
        // Its claims, and the data in them, are deleted with it.
        ("apps", "StatefulSet") => {
            text("/spec/persistentVolumeClaimRetentionPolicy/whenDeleted") != Some("Delete")
        }
        // The address of a load balancer is lost, and another Service may get a node port.
        ("", "Service") => {
            matches!(text("/spec/type"), None | Some("ClusterIP" | "ExternalName"))
        }
        // Its tokens are deleted with it, and not created again.
        ("", "ServiceAccount") if !is_empty("/secrets") => false,
        // A Job that is created again runs again, so it is not in the list.
        kind => RESTORABLE.contains(&kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(api_version: &str, kind: &str, more: Value) -> Value {
        let mut object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "web" } });
        for (key, value) in more.as_object().into_iter().flatten() {
            object[key] = value.clone();
        }
        object
    }

    #[test]
    fn what_cannot_be_restored_as_it_was_is_deleted_after_the_verification() {
        use Removal::{AfterRollout, AfterVerification};
        let service = |kind: &str| json!({ "spec": { "type": kind } });
        let claims = |policy: &str| json!({ "spec": { "persistentVolumeClaimRetentionPolicy": { "whenDeleted": policy } } });
        for (api_version, kind, more, expected) in [
            ("apps/v1", "Deployment", json!({}), AfterRollout),
            ("apps/v1", "DaemonSet", json!({}), AfterRollout),
            ("apps/v1", "StatefulSet", json!({}), AfterRollout),
            ("apps/v1", "StatefulSet", claims("Retain"), AfterRollout),
            ("apps/v1", "StatefulSet", claims("Delete"), AfterVerification),
            ("batch/v1", "CronJob", json!({}), AfterRollout),
            ("batch/v1", "Job", json!({}), AfterVerification),
            ("v1", "ConfigMap", json!({}), AfterRollout),
            ("v1", "ServiceAccount", json!({}), AfterRollout),
            ("v1", "ServiceAccount", json!({ "secrets": [{ "name": "token" }] }), AfterVerification),
            ("autoscaling/v2", "HorizontalPodAutoscaler", json!({}), AfterRollout),
            ("policy/v1", "PodDisruptionBudget", json!({}), AfterRollout),
            ("networking.k8s.io/v1", "NetworkPolicy", json!({}), AfterRollout),
            ("networking.k8s.io/v1", "Ingress", json!({}), AfterVerification),
            ("v1", "Service", json!({}), AfterRollout),
            ("v1", "Service", service("ClusterIP"), AfterRollout),
            ("v1", "Service", service("ExternalName"), AfterRollout),
            ("v1", "Service", service("NodePort"), AfterVerification),
            ("v1", "Service", service("LoadBalancer"), AfterVerification),
            ("example.com/v1", "Database", json!({}), AfterVerification),
            ("example.com/v1", "Deployment", json!({}), AfterVerification),
        ] {
            let live = object(api_version, kind, more);
            assert_eq!(fate(&live), Fate::Deleted(expected), "{live}");
            let mut bound = live;
            bound["metadata"]["finalizers"] = json!(["example.com/cleanup"]);
            assert_eq!(fate(&bound), Fate::Deleted(AfterVerification), "{bound}");
        }
    }

    #[test]
    fn claims_and_objects_with_an_annotation_that_says_so_are_kept() {
        assert_eq!(fate(&object("v1", "PersistentVolumeClaim", json!({}))), Fate::Kept(CLAIM));
        for (annotation, value, is_kept) in [
            ("towpath.dev/prune", "never", true),
            ("towpath.dev/prune", "Never", true),
            ("towpath.dev/prune", "always", false),
            ("helm.sh/resource-policy", "keep", true),
            ("helm.sh/resource-policy", " keep ", true),
            ("helm.sh/resource-policy", "delete", false),
        ] {
            let mut config = object("v1", "ConfigMap", json!({}));
            config["metadata"]["annotations"] = json!({ annotation: value });
            assert_eq!(kept(&config).is_some(), is_kept, "{config}");
        }
    }
}
