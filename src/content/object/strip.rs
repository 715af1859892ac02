//! Strips an object of what the API server, controllers and other tools wrote into it.
//!
//! What remains, on purpose: `spec.replicas` (a new object starts with it, and an environment in which no workload was scaled gives
//! the same digest when it is captured again), defaults of the API server (they are the same in every namespace), labels of pod
//! templates and all selectors (changing either orphans pods).

use crate::api::mark;
use crate::content::object::copies::{ORIGINAL_IMMUTABLE, ORIGINAL_LABELS};
use crate::content::object::key::{group_kind, name_of};
use crate::content::object::paths::{drop_if_empty, prune};
use crate::content::object::templates::pod_template_mut;
use serde_json::{Map, Value};

/// Metadata of a captured object that its owner wrote. Without finalizers: controllers add them, and an object in another namespace
/// could never be deleted if its controller does not know it.
const CAPTURED_METADATA: [&str; 3] = ["name", "labels", "annotations"];
/// Metadata of a manifest that its author wrote. With the namespace, which is refused later with a message that names it.
const MANIFEST_METADATA: [&str; 5] = ["name", "namespace", "labels", "annotations", "finalizers"];

/// Prefixes of annotations and labels by which other tools mark their objects. Argo CD prunes every object with its annotation.
const TOOL_PREFIXES: [&str; 4] =
    ["argocd.argoproj.io/", "meta.helm.sh/", "kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/"];

/// Annotations that servers and controllers write.
const SERVER_ANNOTATIONS: [&str; 16] = [
    "deployment.kubernetes.io/revision",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deployment.kubernetes.io/revision-history",
    "deprecated.daemonset.template.generation",
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubectl.kubernetes.io/restartedAt",
    "batch.kubernetes.io/job-tracking",
    "cloud.google.com/neg-status",
    "field.cattle.io/publicEndpoints",
    "openshift.io/internal-registry-pull-secret-ref",
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
    "volume.beta.kubernetes.io/storage-provisioner",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
];

/// Annotations that Towpath writes. Those that users write (`wave`, `hook`, `config`) are content.
const OUR_ANNOTATIONS: [&str; 7] = [
    mark::OWNER,
    mark::REVISION,
    mark::ORIGINAL_NAME,
    mark::CONFIG_DIGEST,
    mark::TEST_OF_ENVIRONMENT,
    ORIGINAL_LABELS,
    ORIGINAL_IMMUTABLE,
];

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const INSTANCE: &str = "app.kubernetes.io/instance";

/// Labels that the Job controller generates along with the selector.
const JOB_LABELS: [&str; 4] =
    ["controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"];

/// Strips a live object. A copy of a ConfigMap is treated like any ConfigMap; see `normalise`.
pub fn strip(live: &Value) -> Value {
    let mut object = common(live, &CAPTURED_METADATA);
    match group_kind(live) {
        ("", "Service") => strip_service(&mut object),
        ("", "ServiceAccount") => strip_service_account(&mut object),
        ("", "PersistentVolumeClaim") => prune(&mut object, &["spec"], "volumeName"),
        _ => {}
    }
    object
}

/// Strips a manifest of what an export or a generator left in it. Unlike [`strip`], it keeps fields that an author may have
/// chosen, such as a node port.
pub fn clean(manifest: &Value) -> Value {
    common(manifest, &MANIFEST_METADATA)
}

fn common(source: &Value, metadata: &[&str]) -> Value {
    let mut object = without_bulk(source);
    strip_metadata(&mut object, metadata, is_managed_by_argo_cd(source));
    if let Some(template) = pod_template_mut(&mut object) {
        strip_template_metadata(template);
        drop_if_empty(template, "metadata");
    }
    match group_kind(source) {
        ("batch", "CronJob") => {
            if let Some(template) = object.pointer_mut("/spec/jobTemplate") {
                strip_template_metadata(template);
                drop_if_empty(template, "metadata");
            }
        }
        ("batch", "Job") => strip_job(&mut object),
        ("apps", "StatefulSet") => strip_claims(&mut object),
        // It is the default, and a copy of the ConfigMap does not record whether its original states it.
        ("", "ConfigMap") if object.get("immutable").and_then(Value::as_bool) == Some(false) => {
            prune(&mut object, &[], "immutable");
        }
        _ => {}
    }
    object
}

/// Copies the object without status and managedFields, which are large and never content.
fn without_bulk(source: &Value) -> Value {
    let Some(members) = source.as_object() else { return source.clone() };
    let mut object = Map::new();
    for (key, member) in members.iter().filter(|(key, _)| *key != "status") {
        let retained = match member.as_object().filter(|_| key == "metadata") {
            Some(metadata) => Value::Object(
                metadata
                    .iter()
                    .filter(|(k, _)| *k != "managedFields")
                    .map(|(k, v)| (k.clone(), v.clone()))
                    .collect(),
            ),
            None => member.clone(),
        };
        object.insert(key.clone(), retained);
    }
    Value::Object(object)
}

fn strip_metadata(object: &mut Value, retained: &[&str], argo_cd: bool) {
    let Some(metadata) = object.get_mut("metadata") else { return };
    if let Some(members) = metadata.as_object_mut() {
        members.retain(|key, _| retained.contains(&key.as_str()));
    }
    if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
        labels.retain(|key, _| {
            let is_ours = key.starts_with(mark::PREFIX);
            !(is_ours || is_tool_key(key) || key == MANAGED_BY || (argo_cd && key == INSTANCE))
        });
    }
    drop_if_empty(metadata, "labels");
    strip_annotations(metadata);
}

/// Strips the annotations of a template. Its labels stay, because selectors match them.
fn strip_template_metadata(template: &mut Value) {
    let Some(metadata) = template.get_mut("metadata") else { return };
    if let Some(members) = metadata.as_object_mut() {
        members.remove("creationTimestamp");
    }
    strip_annotations(metadata);
}

fn strip_annotations(metadata: &mut Value) {
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| {
            let key = key.as_str();
            !(is_tool_key(key) || SERVER_ANNOTATIONS.contains(&key) || OUR_ANNOTATIONS.contains(&key))
        });
    }
    drop_if_empty(metadata, "annotations");
}

fn is_tool_key(key: &str) -> bool {
    TOOL_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// Whether Argo CD manages the object. Its label mode sets only `app.kubernetes.io/instance`, which other tools set, too; then its
/// field manager decides.
pub(in crate::content) fn is_managed_by_argo_cd(live: &Value) -> bool {
    let has_mark = |pointer| {
        let marks: Option<&Map<String, Value>> = live.pointer(pointer).and_then(Value::as_object);
        marks.is_some_and(|marks| marks.keys().any(|key| key.starts_with("argocd.argoproj.io/")))
    };
    let is_manager = |entry: &Value| {
        entry.get("manager").and_then(Value::as_str).is_some_and(|manager| manager.starts_with("argocd"))
    };
    let managers = live.pointer("/metadata/managedFields").and_then(Value::as_array);
    has_mark("/metadata/annotations")
        || has_mark("/metadata/labels")
        || managers.is_some_and(|entries| entries.iter().any(is_manager))
}

/// Removes addresses and ports that the API server allocated. Environments may share one cluster, where a node port would clash.
/// A dual-stack policy is a choice of the owner and stays, with its families; `SingleStack` is the default.
fn strip_service(service: &mut Value) {
    let headless = service.pointer("/spec/clusterIP").and_then(Value::as_str) == Some("None");
    let single = service.pointer("/spec/ipFamilyPolicy").and_then(Value::as_str) == Some("SingleStack");
    let Some(spec) = service.get_mut("spec").and_then(Value::as_object_mut) else { return };
    spec.remove("healthCheckNodePort");
    if !headless {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
        if single {
            spec.remove("ipFamilyPolicy");
            spec.remove("ipFamilies");
        }
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            port.remove("nodePort");
        }
    }
}

/// Removes tokens, and the pull secrets that OpenShift generates. Other pull secrets stay.
fn strip_service_account(account: &mut Value) {
    let generated = format!("{}-dockercfg-", name_of(account));
    let Some(members) = account.as_object_mut() else { return };
    members.remove("secrets");
    let Some(pull) = members.get_mut("imagePullSecrets").and_then(Value::as_array_mut) else { return };
    pull.retain(|secret| {
        !secret.get("name").and_then(Value::as_str).is_some_and(|name| name.starts_with(&generated))
    });
    if pull.is_empty() {
        members.remove("imagePullSecrets");
    }
}

/// Removes the selector and the labels that the controller generated from the UID of the Job.
fn strip_job(job: &mut Value) {
    if job.pointer("/spec/manualSelector").and_then(Value::as_bool) == Some(true) {
        return;
    }
    prune(job, &["spec"], "selector");
    for label in JOB_LABELS {
        prune(job, &["metadata", "labels"], label);
        prune(job, &["spec", "template", "metadata", "labels"], label);
    }
}

/// Removes what the API server adds to the claim templates of a StatefulSet.
fn strip_claims(set: &mut Value) {
    let claims = set.pointer_mut("/spec/volumeClaimTemplates").and_then(Value::as_array_mut);
    for claim in claims.into_iter().flatten() {
        prune(claim, &[], "status");
        prune(claim, &["metadata"], "creationTimestamp");
    }
}

#[cfg(test)]
#[path = "strip_tests.rs"]
mod tests;
