//! The dry-run before the first write: every object as it would be applied, one pod per template, and the objects that pods need and
//! the content lacks.

use super::desired::{is_equal, is_replaced};
use super::{Decision, RETRY, Scene};
use crate::content::object::dependencies::{Dependency, dependencies};
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
            if self.adoption(live).is_some() {
                adopt.insert(item.key.clone());
            }
        }
        let templates =
            || wanted.iter().filter_map(|item| Some((item, complete_pod_template(&item.object)?)));
        let needed = templates().flat_map(|(_, template)| secrets(template));
        Decision {
            actions: vec![Action::Preflight {
                target: self.target(),
                digest: plan.digest().to_owned(),
                objects,
                adopt,
                adopt_from: self.environment.spec.adopt_from.clone(),
                pods: templates()
                    .map(|(item, template)| (item.key.clone(), self.pod(item, template)))
                    .collect(),
                secrets: needed.filter(|(_, need)| *need == Need::Required).map(|(name, _)| name).collect(),
                needs: needs(wanted),
            }],
            wake_at: Some(later(self.now, RETRY)),
            ..Decision::default()
        }
    }

    /// What the objects that the promotion changes need and the environment lacks. What an unchanged workload misses is not the release's
    /// doing.
    pub(super) fn missing(&self, trial: &Trial) -> Vec<String> {
        let is_changed = |key: &ObjectKey| match (self.world.live.get(key), trial.results.get(key)) {
            (Some(Live::Present(live)), Some(Ok(tried))) => !is_equal(live, tried),
            (Some(_) | None, _) => true,
        };
        let missing = trial.missing.iter().filter(|(key, _)| is_changed(key));
        missing.flat_map(|(_, sentences)| sentences.iter().cloned()).collect()
    }

    /// The pod of a template. Its ServiceAccount may be part of the release and not exist yet, so it is left out.
    fn pod(&self, item: &Desired, template: &Value) -> Value {
        let mut spec = template.get("spec").cloned().unwrap_or_else(|| json!({}));
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("serviceAccountName");
            spec.remove("serviceAccount");
        }
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "generateName": format!("{}-", item.key.name().chars().take(200).collect::<String>()),
                "namespace": self.environment.spec.namespace,
                "labels": template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({})),
                "annotations": template.pointer("/metadata/annotations").cloned().unwrap_or_else(|| json!({})),
            },
            "spec": spec,
        })
    }
}

/// What the objects need and the content does not bring.
fn needs(wanted: &[Desired]) -> BTreeMap<Dependency, BTreeSet<ObjectKey>> {
    let mut needs: BTreeMap<Dependency, BTreeSet<ObjectKey>> = BTreeMap::new();
    for item in wanted {
        for need in dependencies(&item.object) {
            needs.entry(need).or_default().insert(item.key.clone());
        }
    }
    needs.retain(|need, _| !wanted.iter().any(|item| need.is(&item.key)));
    needs
}
