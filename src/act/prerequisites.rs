//! What pods need before they are written: that the API server admits them, and that the objects that they name exist.
//!
//! Invariant: what the identity may not check is reported as unchecked. It never counts as missing.

use super::ActError;
use crate::api::Location;
use crate::cluster::is_unserved;
use crate::content::ObjectKey;
use crate::content::object::dependencies::Dependency;
use kube::Api;
use kube::api::{DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What was found.
#[derive(Default)]
pub struct Checked {
    /// Pods that the API server would refuse, and Secrets that are missing.
    pub refusals: Vec<String>,
    /// Pods that the API server would refuse because a quota is used up, by workload.
    pub crowded: BTreeMap<ObjectKey, String>,
    /// What the pods of a workload miss.
    pub missing: BTreeMap<ObjectKey, Vec<String>>,
    /// What was not checked.
    pub unchecked: Vec<String>,
}

/// Tries the pods, and looks for everything that they need.
pub async fn check(
    client: &kube::Client,
    target: &Location,
    pods: Vec<(ObjectKey, Value)>,
    secrets: BTreeMap<String, BTreeSet<ObjectKey>>,
    needs: BTreeMap<Dependency, BTreeSet<ObjectKey>>,
) -> Result<Checked, ActError> {
    let namespace = &target.namespace;
    let api = |kind, plural| {
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", kind), plural);
        Api::namespaced_with(client.clone(), namespace, &resource)
    };
    let mut checked = Checked::default();
    let pods_were_tried = checked.try_pods(&api("Pod", "pods"), pods).await?;
    let secrets_were_tried = checked.try_secrets(&api("Secret", "secrets"), namespace, secrets).await?;
    let untried: Vec<&str> = [(secrets_were_tried, "Secrets"), (pods_were_tried, "pods")]
        .into_iter()
        .filter_map(|(were_tried, what)| (!were_tried).then_some(what))
        .collect();
    let is_tried = untried.is_empty();
    if !is_tried {
        checked.unchecked.push(format!(
            "{} were not tried before writing: the ClusterRole towpath-preflight is not bound in {namespace}",
            untried.join(" and "),
        ));
    }
    for (need, users) in needs {
        // The admission of the tried pods has looked for them.
        if is_tried && matches!(need, Dependency::PriorityClass(_) | Dependency::RuntimeClass(_)) {
            continue;
        }
        checked.look_for(client, namespace, &need, users).await?;
    }
    Ok(checked)
}

impl Checked {
    /// Tries to create the pods of workloads. Returns false if the identity may not.
    async fn try_pods(
        &mut self,
        api: &Api<DynamicObject>,
        pods: Vec<(ObjectKey, Value)>,
    ) -> Result<bool, ActError> {
        let mut were_tried = true;
        for (key, pod) in pods {
            match create(api, &pod, "pods").await? {
                Answer::Created | Answer::Exists => {}
                Answer::NoRight => were_tried = false,
                Answer::Refused(message) if is_about_a_used_up_quota(&message) => {
                    self.crowded.insert(key, message);
                }
                Answer::Refused(message) => self.refusals.push(format!("a pod of {key}: {message}")),
            }
        }
        Ok(were_tried)
    }

    /// Tries to create Secrets, which shows whether they exist without reading them. Returns false if the identity may not.
    async fn try_secrets(
        &mut self,
        api: &Api<DynamicObject>,
        namespace: &str,
        names: BTreeMap<String, BTreeSet<ObjectKey>>,
    ) -> Result<bool, ActError> {
        let mut were_tried = true;
        for (name, users) in names {
            let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name } });
            match create(api, &secret, "secrets").await? {
                Answer::Exists => {}
                Answer::NoRight => were_tried = false,
                Answer::Created => {
                    for user in users {
                        let sentence = format!(
                            "{user} reads Secret {name}, which does not exist in {namespace}: create it"
                        );
                        self.missing.entry(user).or_default().push(sentence);
                    }
                }
                Answer::Refused(message) => self.refusals.push(format!("Secret {name}: {message}")),
            }
        }
        Ok(were_tried)
    }

    /// Reads whether an object exists that these workloads need.
    async fn look_for(
        &mut self,
        client: &kube::Client,
        namespace: &str,
        need: &Dependency,
        users: BTreeSet<ObjectKey>,
    ) -> Result<(), ActError> {
        let absence = match find(client, namespace, need).await? {
            Found::Here => return Ok(()),
            Found::Unknown(why) => {
                let (kind, name) = need.parts();
                self.unchecked.push(format!("{kind} {name} was not checked before writing: {why}"));
                return Ok(());
            }
            Found::Missing => Absence::Missing,
            Found::Terminating => Absence::Terminating,
        };
        for user in users {
            let sentence = sentence(&user, need, namespace, absence);
            self.missing.entry(user).or_default().push(sentence);
        }
        Ok(())
    }
}

/// The answer to the dry-run of a creation.
enum Answer {
    Created,
    Exists,
    NoRight,
    Refused(String),
}

async fn create(api: &Api<DynamicObject>, object: &Value, plural: &str) -> Result<Answer, ActError> {
    let what = || format!("trying {plural}");
    let object: DynamicObject = serde_json::from_value(object.clone())
        .map_err(|error| ActError::write(what())(kube::Error::SerdeError(error)))?;
    let params = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&params, &object).await {
        Ok(_) => Ok(Answer::Created),
        // The name is tested behind admission.
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Answer::Exists),
        // Quota and Pod Security answer 403, too; only the authorizer names the verb and the resource.
        Err(kube::Error::Api(status))
            if status.code == 403
                && status.message.contains(&format!("cannot create resource \"{plural}\"")) =>
        {
            Ok(Answer::NoRight)
        }
        Err(error) => ActError::write(what())(error).about_the_object().map(Answer::Refused),
    }
}

/// Whether a refusal is about the use of a quota, which changes while pods leave. The API server has no other field for it; what a quota
/// demands of every pod is refused with other words.
fn is_about_a_used_up_quota(message: &str) -> bool {
    message.contains("exceeded quota: ")
}

/// Whether a needed object exists.
enum Found {
    Here,
    Missing,
    /// It is being deleted: no new pod can use it.
    Terminating,
    /// It cannot be read, and why.
    Unknown(String),
}

async fn find(client: &kube::Client, namespace: &str, need: &Dependency) -> Result<Found, ActError> {
    let ((kind, name), (api_version, plural)) = (need.parts(), need.resource());
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
    let api: Api<DynamicObject> = match need.is_namespaced() {
        true => Api::namespaced_with(client.clone(), namespace, &resource),
        false => Api::all_with(client.clone(), &resource),
    };
    match api.get_metadata(name).await {
        Ok(found) if found.metadata.deletion_timestamp.is_some() => Ok(Found::Terminating),
        Ok(_) => Ok(Found::Here),
        Err(error) if is_unserved(&error) => {
            Ok(Found::Unknown(format!("{api_version} {kind} is not served")))
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Found::Missing),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            Ok(Found::Unknown("the identity of the environment may not read it".to_owned()))
        }
        Err(error) => ActError::write(format!("looking for {kind} {name}"))(error)
            .about_the_object()
            .map(Found::Unknown),
    }
}

/// Why an object that is named is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    Missing,
    Terminating,
}

/// What a workload misses, and what to do.
fn sentence(user: &ObjectKey, need: &Dependency, namespace: &str, absence: Absence) -> String {
    let (kind, name) = need.parts();
    let place = if need.is_namespaced() { format!(" in {namespace}") } else { String::new() };
    let verb = match need {
        Dependency::Claim(_) => "mounts",
        Dependency::ServiceAccount(_) => "runs as",
        Dependency::PriorityClass(_) | Dependency::RuntimeClass(_) | Dependency::StorageClass(_) => "names",
    };
    let remedy = match need {
        Dependency::Claim(_) => "create it, or name the kind in spec.kinds",
        Dependency::ServiceAccount(_) => "create it, or add it to the release",
        Dependency::StorageClass(_) => {
            "create it (for volumes that exist already, with the provisioner kubernetes.io/no-provisioner), or change the name in \
             spec.overrides.patches"
        }
        Dependency::PriorityClass(_) | Dependency::RuntimeClass(_) => {
            "create it, or change the name in spec.overrides.patches"
        }
    };
    match absence {
        Absence::Missing => format!("{user} {verb} {kind} {name}, which does not exist{place}: {remedy}"),
        Absence::Terminating => {
            format!(
                "{user} {verb} {kind} {name}, which is being deleted{place}: wait until it is gone, then {remedy}"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_up_quota_is_told_from_other_refusals() {
        for (message, expected) in [
            (
                "pods \"web\" is forbidden: exceeded quota: cpu, requested: cpu=1, used: cpu=1, limited: cpu=1",
                true,
            ),
            ("pods \"web\" is forbidden: failed quota: cpu: must specify cpu for: app", false),
            ("pods \"web\" is forbidden: maximum cpu usage per Container is 1, but limit is 2", false),
            ("pods \"web\" is forbidden: violates PodSecurity \"restricted:latest\"", false),
        ] {
            assert_eq!(is_about_a_used_up_quota(message), expected, "{message}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        let web = ObjectKey::new("apps/v1", "Deployment", "web").unwrap();
        let said = |need, absence| sentence(&web, &need, "shop-prod", absence);
        assert_eq!(
            said(Dependency::Claim("uploads".into()), Absence::Missing),
            "Deployment web mounts PersistentVolumeClaim uploads, which does not exist in shop-prod: create it, or name the kind in \
             spec.kinds"
        );
        assert_eq!(
            said(Dependency::PriorityClass("high".into()), Absence::Missing),
            "Deployment web names PriorityClass high, which does not exist: create it, or change the name in spec.overrides.patches"
        );
        assert_eq!(
            said(Dependency::ServiceAccount("runner".into()), Absence::Terminating),
            "Deployment web runs as ServiceAccount runner, which is being deleted in shop-prod: wait until it is gone, then create it, \
             or add it to the release"
        );
    }
}
