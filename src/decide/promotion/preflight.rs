//! The dry-run before the first write: every object as it would be applied, one pod per template, and the Secrets that pods need.

use super::desired::is_replaced;
use super::{Decision, RETRY, Scene};
use crate::content::object::references::{Need, secrets};
use crate::content::object::templates::complete_pod_template;
use crate::content::{ObjectKey, Plan};
use crate::decide::decision::Action;
use crate::decide::moments::later;
use crate::decide::world::Live;
use serde_json::{Value, json};
use std::collections::BTreeSet;

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
            || wanted.iter().filter_map(|item| Some((&item.key, complete_pod_template(&item.object)?)));
        let needed = templates().flat_map(|(_, template)| secrets(template));
        Decision {
            actions: vec![Action::Preflight {
                target: self.target(),
                digest: plan.digest().to_owned(),
                objects,
                adopt,
                adopt_from: self.environment.spec.adopt_from.clone(),
                pods: templates().map(|(key, template)| (key.clone(), self.pod(key, template))).collect(),
                secrets: needed.filter(|(_, need)| *need == Need::Required).map(|(name, _)| name).collect(),
            }],
            wake_at: Some(later(self.now, RETRY)),
            ..Decision::default()
        }
    }

    /// The pod of a template. Its ServiceAccount may be part of the release and not exist yet, so it is left out.
    fn pod(&self, key: &ObjectKey, template: &Value) -> Value {
        let mut spec = template.get("spec").cloned().unwrap_or_else(|| json!({}));
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("serviceAccountName");
            spec.remove("serviceAccount");
        }
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "generateName": format!("{}-", key.name().chars().take(200).collect::<String>()),
                "namespace": self.environment.spec.namespace,
                "labels": template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({})),
                "annotations": template.pointer("/metadata/annotations").cloned().unwrap_or_else(|| json!({})),
            },
            "spec": spec,
        })
    }
}
