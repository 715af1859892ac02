//! The body of each write.

use super::Scene;
use crate::api::{FIELD_MANAGER, RollbackPolicySpec, mark};
use crate::content::ownership::fields::{self, written_by};
use crate::content::ownership::restored::restore;
use crate::content::{Desired, ObjectKey};
use crate::decide::world::Live;
use serde_json::{Value, json};

/// Seconds for which the Job of a hook exists at least after it has finished.
const SHORTEST_TTL: i64 = 3600;

impl Scene<'_> {
    /// The body of an apply: the object with the annotation of this revision and the live number of replicas.
    pub(super) fn body(&self, wanted: &Desired, live: Option<&Live>) -> Value {
        let mut object = wanted.object.clone();
        if !self.restores_baseline() {
            annotate(&mut object, mark::REVISION, &self.revision().to_string());
        }
        if let Some(Live::Present(live)) = live {
            preserve_replicas(&wanted.key, &mut object, live);
        }
        if wanted.hook.is_some() {
            bound(&mut object, &self.policy);
        }
        object
    }

    /// The body of a write of a rollback with what the object had before a later revision deleted or changed it; none when that is what
    /// [`Scene::body`] gives.
    pub(super) fn body_with_history(&self, wanted: &Desired, live: Option<&Live>) -> Option<Value> {
        let mut had = self.had(&wanted.key)?.clone();
        if let Some(Live::Present(live)) = live {
            // An existing workload keeps its replicas, and an existing Service its addresses.
            (had.replicas, had.suspended) = (None, false);
            if live.pointer("/spec/clusterIP").and_then(Value::as_str).is_some_and(|ip| !ip.is_empty()) {
                had.cluster_ips = Vec::new();
            }
        }
        let body = self.body(wanted, live);
        let mut restored = body.clone();
        restore(&mut restored, &had);
        (restored != body).then_some(restored)
    }

    /// The JSON patch that adopts the fields of the managers in `adoptFrom`, if they own any, and the defaults that what is written rules out.
    pub(super) fn adoption(&self, wanted: &Desired, live: Option<&Live>) -> Option<Value> {
        let Some(Live::Present(live)) = live else { return None };
        fields::adoption_patch(live, &wanted.object, &self.environment.spec.adopt_from, FIELD_MANAGER)
            .and_then(|patch| serde_json::to_value(patch).ok())
    }
}

/// Bounds the Job of a hook: by default it has the progress deadline of the policy, and it does not vanish before it is recorded.
fn bound(job: &mut Value, policy: &RollbackPolicySpec) {
    let Some(spec) = job.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let has_deadline = spec.get("activeDeadlineSeconds").is_some_and(|value| !value.is_null());
    if !has_deadline {
        spec.insert("activeDeadlineSeconds".into(), policy.failing.progress_deadline_seconds.into());
    }
    if spec.get("ttlSecondsAfterFinished").and_then(Value::as_i64).is_some_and(|ttl| ttl < SHORTEST_TTL) {
        spec.insert("ttlSecondsAfterFinished".into(), SHORTEST_TTL.into());
    }
}

/// Sets an annotation.
pub(super) fn annotate(object: &mut Value, name: &str, value: &str) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.insert(name.into(), Value::String(value.into()));
        }
    }
}

/// Leaves the replicas of an existing workload unchanged. While Towpath is the only owner of the field, the live value is applied
/// with the resourceVersion that was read; once another manager, such as an autoscaler, owns it, the field is left out.
fn preserve_replicas(key: &ObjectKey, object: &mut Value, live: &Value) {
    if !matches!(key.kind(), "Deployment" | "StatefulSet") {
        return;
    }
    let ours = fields::only_ours(live, FIELD_MANAGER);
    let replicas = live.pointer("/spec/replicas").cloned();
    let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) else { return };
    match (ours, replicas) {
        (true, Some(replicas)) => {
            spec.insert("replicas".into(), replicas);
            let version = live.pointer("/metadata/resourceVersion").cloned();
            if let (Some(metadata), Some(version)) =
                (object.get_mut("metadata").and_then(Value::as_object_mut), version)
            {
                metadata.insert("resourceVersion".into(), version);
            }
        }
        (true | false, _) => {
            spec.remove("replicas");
        }
    }
}

/// Whether an object cannot be updated to what is wanted, because it is a ConfigMap whose data is immutable.
pub(super) fn is_replaced(wanted: &Value, live: &Value) -> bool {
    let is_immutable = |object: &Value| object.get("immutable").and_then(Value::as_bool) == Some(true);
    let is_config_map = |object: &Value| {
        object.get("kind").and_then(Value::as_str) == Some("ConfigMap")
            && object.get("apiVersion").and_then(Value::as_str) == Some("v1")
    };
    let data = |object: &Value, field: &str| match object.get(field) {
        Some(Value::Object(data)) => data.clone(),
        Some(_) | None => serde_json::Map::new(),
    };
    let differs = |field: &str| data(wanted, field) != data(live, field);
    is_config_map(wanted)
        && is_immutable(live)
        && (!is_immutable(wanted) || differs("data") || differs("binaryData"))
}

/// Whether a dry-run changed nothing but metadata that every write sets.
pub(super) fn is_equal(live: &Value, tried: &Value) -> bool {
    bare(live) == bare(tried)
}

/// The object without the metadata that every write sets.
fn bare(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in ["managedFields", "resourceVersion", "generation"] {
            metadata.remove(field);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(mark::REVISION);
        }
    }
    object
}

/// Whether this promotion wrote an object: as far as this process knows, or as the live object shows.
pub(super) fn is_written(scene: &Scene<'_>, key: &ObjectKey) -> bool {
    if scene.world.written.contains(key) {
        return true;
    }
    // Until its revision is recorded, another promotion may have written with the same number.
    let revision = scene.world.promotion.revision();
    if revision.is_none() || scene.restores_baseline() {
        return false;
    }
    scene.world.workloads.get(key).is_some_and(|workload| workload.revision == revision)
        || matches!(scene.world.live.get(key), Some(Live::Present(live)) if written_by(live) == revision)
}
