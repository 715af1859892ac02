//! The dry-run before the first write: every object as it would be applied, one pod per template, those of tests included, and the
//! objects that pods need and the content lacks.

use super::desired::{is_equal, is_replaced};
use super::{Decision, RETRY, Scene, test_runs};
use crate::api::mark;
use crate::content::object::dependencies::{Dependency, claim_templates, dependencies};
use crate::content::object::makers::may_create;
use crate::content::object::metadata::annotation;
use crate::content::object::references::{Need, secrets};
use crate::content::object::templates::complete_pod_template;
use crate::content::{Desired, ObjectKey, Plan};
use crate::decide::decision::Action;
use crate::decide::moments::later;
use crate::decide::world::{Live, Trial};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

impl Scene<'_> {
    /// Starts the dry-run. The next reconcile observes the answers.
    pub(super) fn preflight(&self, plan: &Plan) -> Decision {
        let wanted = plan.objects.as_slice();
        let mut objects = Vec::new();
        let mut adopt = BTreeSet::new();
        for item in wanted {
            let live = self.world.live.get(&item.key);
            if matches!(live, Some(Live::Present(live)) if is_replaced(&item.object, live)) {
                // It is deleted and created again, which no dry-run can try.
                continue;
            }
            let mut body = self.body(item, live);
            if let Some(metadata) = body.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("resourceVersion");
            }
            objects.push((item.key.clone(), body));
            if self.adoption(item, live).is_some() {
                adopt.insert(item.key.clone());
            }
        }
        let tests = test_runs::trials(self, plan);
        objects.extend(tests.iter().map(|(_, tried)| tried.clone()));
        let users = || {
            wanted
                .iter()
                .map(|item| (&item.key, &item.object))
                .chain(tests.iter().map(|(key, (_, job))| (key, job)))
        };
        let templates =
            || users().filter_map(|(key, object)| Some((key, object, complete_pod_template(object)?)));
        let is_awaited = |name: &String| wanted.iter().any(|item| may_create(&item.object, name));
        let mut needed: BTreeMap<String, BTreeSet<ObjectKey>> = BTreeMap::new();
        for (key, _, template) in templates() {
            let required = secrets(template).into_iter().filter(|(_, need)| *need == Need::Required);
            for (name, _) in required.filter(|(name, _)| !is_awaited(name)) {
                needed.entry(name).or_default().insert(key.clone());
            }
        }
        Decision {
            actions: vec![Action::Preflight {
                target: self.target(),
                digest: plan.digest().to_owned(),
                objects,
                adopt,
                adopt_from: self.environment.spec.adopt_from.clone(),
                pods: templates()
                    .map(|(key, object, template)| (key.clone(), self.pod(key, object, template)))
                    .collect(),
                secrets: needed,
                needs: needs(wanted, users()),
            }],
            wake_at: Some(later(self.now, RETRY)),
            ..Decision::default()
        }
    }

    /// What the objects that the promotion changes need and the environment lacks. What an unchanged workload misses is not the release's
    /// doing.
    pub(super) fn missing(&self, trial: &Trial) -> Vec<String> {
        let missing = trial.missing.iter().filter(|(key, _)| self.is_changed(trial, key));
        missing.flat_map(|(_, sentences)| sentences.iter().cloned()).collect()
    }

    fn is_changed(&self, trial: &Trial, key: &ObjectKey) -> bool {
        match (self.world.live.get(key), trial.results.get(key)) {
            (Some(Live::Present(live)), Some(Ok(tried))) => !is_equal(live, tried),
            (Some(_) | None, _) => true,
        }
    }

    /// The pods for which a quota has no room, as sentences: refusals of those that would be added to what runs, and remarks about those
    /// that take the place of others. An unchanged workload adds none.
    pub(super) fn crowded(&self, wanted: &[Desired], trial: &Trial) -> (Vec<String>, Vec<String>) {
        let changed = trial.crowded.iter().filter(|(key, _)| self.is_changed(trial, key));
        let replaces = |key: &ObjectKey| {
            let runs = matches!(self.world.live.get(key), Some(Live::Present(_)));
            runs && wanted.iter().any(|item| item.key == *key && stops_pods_first(&item.object))
        };
        let (later, refused): (Vec<_>, Vec<_>) = changed.partition(|(key, _)| replaces(key));
        let remark = |(key, message): (&ObjectKey, &String)| {
            format!(
                "a quota has no room for a further pod of {key}, so one stops before the next is created: {message}"
            )
        };
        let refusal = |(key, message): (&ObjectKey, &String)| format!("a pod of {key}: {message}");
        (refused.into_iter().map(refusal).collect(), later.into_iter().map(remark).collect())
    }

    /// The Deployments that the promotion changes and that stay paused, with the command that resumes each. What the content itself pauses
    /// is paused on purpose.
    pub(super) fn paused(&self, wanted: &[Desired], trial: &Trial) -> Option<String> {
        let namespace = &self.environment.spec.namespace;
        let is_paused = |object: &Value| object.pointer("/spec/paused") == Some(&Value::Bool(true));
        let waits = |item: &&Desired| {
            let (key, live) = (&item.key, self.world.live.get(&item.key));
            let (Some(Live::Present(live)), Some(Ok(tried))) = (live, trial.results.get(key)) else {
                return false;
            };
            let changes_pods = live.pointer("/spec/template") != tried.pointer("/spec/template");
            key.kind() == "Deployment"
                && changes_pods
                && is_paused(live)
                && is_paused(tried)
                && !is_paused(&item.object)
        };
        let sentences = wanted.iter().filter(waits).map(|item| {
            let name = item.key.name();
            format!(
                "{} in {namespace} is paused; resume it with kubectl rollout resume deployment/{name} -n {namespace}",
                item.key
            )
        });
        Some(sentences.collect::<Vec<_>>().join("; ")).filter(|message| !message.is_empty())
    }

    /// The pod of a template. Its ServiceAccount may be part of the release and not exist yet, so it is left out. Its name is the same each
    /// time, because the API server repeats it in a refusal, and equal refusals must have equal words.
    fn pod(&self, key: &ObjectKey, object: &Value, template: &Value) -> Value {
        let mut spec = template.get("spec").cloned().unwrap_or_else(|| json!({}));
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("serviceAccountName");
            spec.remove("serviceAccount");
        }
        mount_claims(object, &mut spec);
        let base: String = key.name().chars().take(200).collect();
        let base = base.trim_end_matches(['-', '.']);
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": format!("{base}-preflight"),
                "namespace": self.environment.spec.namespace,
                "labels": template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({})),
                "annotations": template.pointer("/metadata/annotations").cloned().unwrap_or_else(|| json!({})),
            },
            "spec": spec,
        })
    }
}

/// Whether the controller of a workload stops a pod before it creates the one that takes its place.
fn stops_pods_first(object: &Value) -> bool {
    let surge = |strategy: &str| {
        let surge = object.pointer(&format!("/spec/{strategy}/rollingUpdate/maxSurge"));
        surge.map(|surge| *surge != json!(0) && *surge != json!("0%") && *surge != json!("0"))
    };
    match object.get("kind").and_then(Value::as_str) {
        Some("StatefulSet") => true,
        Some("DaemonSet") => surge("updateStrategy") != Some(true),
        Some("Deployment") => {
            object.pointer("/spec/strategy/type") == Some(&json!("Recreate"))
                || surge("strategy") == Some(false)
        }
        Some(_) | None => false,
    }
}

/// Adds a volume for each claim template of a StatefulSet, as its controller does: it replaces one of the same name.
fn mount_claims(set: &Value, spec: &mut Value) {
    let name = |object: &Value| object.pointer("/metadata/name").and_then(Value::as_str).map(str::to_owned);
    let Some(set_name) = name(set) else { return };
    let first = set.pointer("/spec/ordinals/start").and_then(Value::as_i64).unwrap_or(0);
    let claims: Vec<String> = claim_templates(set).into_iter().filter_map(name).collect();
    let Some(spec) = spec.as_object_mut().filter(|_| !claims.is_empty()) else { return };
    let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
    if volumes.is_null() {
        *volumes = json!([]);
    }
    let Some(volumes) = volumes.as_array_mut() else { return };
    volumes.retain(|volume| {
        !claims.iter().any(|claim| volume.get("name").and_then(Value::as_str) == Some(claim))
    });
    volumes.extend(claims.iter().map(|claim| {
        json!({ "name": claim, "persistentVolumeClaim": { "claimName": format!("{claim}-{set_name}-{first}") } })
    }));
}

/// What the objects need and the content does not bring.
fn needs<'a>(
    wanted: &[Desired],
    users: impl Iterator<Item = (&'a ObjectKey, &'a Value)>,
) -> BTreeMap<Dependency, BTreeSet<ObjectKey>> {
    let mut needs: BTreeMap<Dependency, BTreeSet<ObjectKey>> = BTreeMap::new();
    let is_brought = |need: &Dependency| wanted.iter().any(|item| need.is(&item.key));
    for (key, object) in users {
        // A test before the first write runs without what the content brings.
        let is_early = annotation(object, mark::TEST_WHEN).is_some();
        for need in dependencies(object).into_iter().filter(|need| is_early || !is_brought(need)) {
            needs.entry(need).or_default().insert(key.clone());
        }
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_are_stopped_before_others_are_created_as_the_strategy_says() {
        for (kind, spec, expected) in [
            ("StatefulSet", json!({}), true),
            ("DaemonSet", json!({}), true),
            ("DaemonSet", json!({ "updateStrategy": { "type": "OnDelete" } }), true),
            (
                "DaemonSet",
                json!({ "updateStrategy": { "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } } }),
                false,
            ),
            ("DaemonSet", json!({ "updateStrategy": { "rollingUpdate": { "maxSurge": 0 } } }), true),
            ("Deployment", json!({}), false),
            ("Deployment", json!({ "strategy": { "type": "Recreate" } }), true),
            ("Deployment", json!({ "strategy": { "rollingUpdate": { "maxUnavailable": 1 } } }), false),
            ("Deployment", json!({ "strategy": { "rollingUpdate": { "maxSurge": "25%" } } }), false),
            ("Deployment", json!({ "strategy": { "rollingUpdate": { "maxSurge": 0 } } }), true),
            ("Deployment", json!({ "strategy": { "rollingUpdate": { "maxSurge": "0%" } } }), true),
            ("Job", json!({}), false),
        ] {
            let object = json!({ "kind": kind, "spec": spec });
            assert_eq!(stops_pods_first(&object), expected, "{object}");
        }
    }

    #[test]
    fn the_tried_pod_of_a_stateful_set_mounts_its_claims() {
        let template = |name: &str| json!({ "metadata": { "name": name } });
        let volume = |name: &str, claim: &str| json!({ "name": name, "persistentVolumeClaim": { "claimName": claim } });
        let config = json!({ "name": "conf", "configMap": { "name": "db" } });
        for (what, kind, claims, ordinals, before, after) in [
            ("none", "StatefulSet", json!([]), json!(null), json!([config]), json!([config])),
            (
                "added",
                "StatefulSet",
                json!([template("data")]),
                json!(null),
                json!(null),
                json!([volume("data", "data-db-0")]),
            ),
            (
                "in place of a volume of its name",
                "StatefulSet",
                json!([template("data"), template("logs")]),
                json!({ "start": 3 }),
                json!([config, { "name": "data", "emptyDir": {} }]),
                json!([config, volume("data", "data-db-3"), volume("logs", "logs-db-3")]),
            ),
            (
                "of another kind",
                "Deployment",
                json!([template("data")]),
                json!(null),
                json!([config]),
                json!([config]),
            ),
        ] {
            let set = json!({
                "kind": kind, "metadata": { "name": "db" }, "spec": { "volumeClaimTemplates": claims, "ordinals": ordinals },
            });
            let mut spec = json!({ "volumes": before });
            mount_claims(&set, &mut spec);
            assert_eq!(spec["volumes"], after, "{what}");
        }
    }
}
