//! Which other controller a live object belongs to. Towpath does not write such an object: the controller would revert it within
//! seconds.
//!
//! Invariant: an object without a sign of another controller is not refused.

mod derived;
pub mod drift;
mod entries;
pub mod fields;
pub mod removal;
pub mod restored;
mod values;

use super::error::quoted;
use super::object::key::{group_kind, name_of};
use super::object::metadata::{annotation, controller, label};
use crate::api::{ApplicationName, EnvironmentId};
use fields::managers;
use serde_json::Value;

const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
const ARGO_INSTANCE: &str = "argocd.argoproj.io/instance";
const HELM_RELEASE: &str = "meta.helm.sh/release-name";

/// The value of the owner annotation on every object that Towpath writes.
pub fn owner(environment: &EnvironmentId, application: &ApplicationName) -> String {
    format!("{}{application}", prefix(environment))
}

/// Whether a value of the owner annotation names any application of an environment.
pub fn is_of(environment: &EnvironmentId, owner: &str) -> bool {
    owner.starts_with(&prefix(environment))
}

/// The application that a value of the owner annotation names, if it is one of this environment.
pub fn application_of(environment: &EnvironmentId, owner: &str) -> Option<ApplicationName> {
    let application = owner.strip_prefix(&prefix(environment))?;
    (!application.is_empty()).then(|| application.into())
}

/// What the owner annotation of every object of an environment starts with. Neither name has a dot.
fn prefix(environment: &EnvironmentId) -> String {
    format!("{}.{}.", environment.project, environment.environment)
}

/// Names the controller that would revert what Towpath writes to the object; none when it may be written.
/// `adopt_from`: the field managers that the environment lists; `helm` includes objects of Helm releases.
pub fn other_controllers(live: &Value, adopt_from: &[String]) -> Option<String> {
    let (_, kind) = group_kind(live);
    let object = format!("{kind} {}", name_of(live));
    let adopted = |manager: &str| adopt_from.iter().any(|name| name == manager);
    if let Some(owner) = controller(live) {
        let text = |key| owner.get(key).and_then(Value::as_str).unwrap_or_default();
        let owner = format!("{} {}", text("kind"), text("name"));
        return Some(format!(
            "{object} is controlled by {}: add that to the release instead, or list {object} in spec.keeps",
            quoted(&owner)
        ));
    }
    if let Some(application) = argo_application(live, &adopted) {
        return Some(format!(
            "{object} belongs to the Argo CD application {}, which would revert what Towpath writes: remove it from \
             that application, or set delivery: Observed",
            quoted(application)
        ));
    }
    for (tool, key) in [
        ("Flux Kustomization", "kustomize.toolkit.fluxcd.io/name"),
        ("Flux HelmRelease", "helm.toolkit.fluxcd.io/name"),
    ] {
        if let Some(name) = label(live, key) {
            return Some(format!(
                "{object} belongs to the {tool} {}, which would revert what Towpath writes: remove it from there, or \
                 set delivery: Observed",
                quoted(name)
            ));
        }
    }
    let release = annotation(live, HELM_RELEASE)
        .filter(|_| label(live, "app.kubernetes.io/managed-by") == Some("Helm") && !adopted("helm"))?;
    Some(format!(
        "{object} belongs to the Helm release {}: add helm to spec.adoptFrom to take it over, and do not upgrade that \
         release again",
        quoted(release)
    ))
}

/// The Argo CD application that manages the object: by tracking id, by label, or by the label that its older versions share with
/// other tools, if its field manager wrote the object.
fn argo_application<'a>(live: &'a Value, adopted: &impl Fn(&str) -> bool) -> Option<&'a str> {
    if let Some(id) = annotation(live, TRACKING_ID) {
        // `app:group/Kind:namespace/name`. A copied manifest may have the id of another object, which Argo CD ignores.
        let of_this = |rest: &str| {
            let namespace = live.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default();
            rest.rsplit_once(':').is_none_or(|(_, target)| target == format!("{namespace}/{}", name_of(live)))
        };
        let (application, rest) = id.split_once(':').unwrap_or((id, ""));
        if of_this(rest) {
            return Some(application);
        }
    }
    let written = || managers(live).iter().any(|manager| manager.starts_with("argocd") && !adopted(manager));
    label(live, ARGO_INSTANCE).or_else(|| label(live, "app.kubernetes.io/instance").filter(|_| written()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn live(metadata: Value) -> Value {
        let mut all = json!({"name": "web", "namespace": "shop"});
        all.as_object_mut().unwrap().append(&mut metadata.as_object().unwrap().clone());
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": all})
    }

    #[test]
    fn another_controller_is_named() {
        let helm = json!({
            "labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {HELM_RELEASE: "shop"},
        });
        for (metadata, says) in [
            (json!({"ownerReferences": [{"kind": "Shop", "name": "s", "controller": true}]}), "\"Shop s\""),
            (
                json!({"annotations": {TRACKING_ID: "a:apps/Deployment:shop/web"}}),
                "Argo CD application \"a\"",
            ),
            (json!({"annotations": {TRACKING_ID: "odd"}}), "Argo CD application \"odd\""),
            (json!({"labels": {ARGO_INSTANCE: "a"}}), "Argo CD application \"a\""),
            (
                json!({
                    "labels": {"app.kubernetes.io/instance": "a"},
                    "managedFields": [{"manager": "argocd-controller", "operation": "Apply"}],
                }),
                "Argo CD application \"a\"",
            ),
            (json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "k"}}), "Flux Kustomization \"k\""),
            (json!({"labels": {"helm.toolkit.fluxcd.io/name": "h"}}), "Flux HelmRelease \"h\""),
            (helm.clone(), "Helm release \"shop\""),
        ] {
            let whose = other_controllers(&live(metadata), &[]).unwrap();
            assert!(whose.starts_with("Deployment web ") && whose.contains(says), "{whose} lacks {says}");
        }
        assert_eq!(other_controllers(&live(helm), &["helm".into()]), None);
    }

    #[test]
    fn an_object_without_another_controller_may_be_written() {
        for metadata in [
            json!({}),
            json!({"labels": {"app.kubernetes.io/instance": "a", "app.kubernetes.io/managed-by": "Helm"}}),
            json!({"annotations": {TRACKING_ID: "a:apps/Deployment:shop-dev/web"}}),
            json!({"ownerReferences": [{"kind": "Shop", "name": "s"}]}),
        ] {
            assert_eq!(other_controllers(&live(metadata.clone()), &[]), None, "{metadata}");
        }
    }
}
