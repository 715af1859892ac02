//! Consent: asks the API server whether the derived identity may act in the target namespace.

use super::ObserveError;
use super::review::is_allowed;
use crate::api::{Delivery, Environment, EnvironmentId, Location, MissingConsent, ProjectName};
use crate::cluster::Identity;
use crate::decide::needs::missing_binding;
use crate::decide::world::Grant;
use crate::process::{Consent, Handles};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReviewSpec};
use std::time::{Duration, Instant};

/// Maximum age of an answer while objects are written.
pub const WHILE_WRITING: Duration = Duration::from_secs(10);
/// Maximum age of an answer while nothing is written.
pub const WHILE_SETTLED: Duration = Duration::from_secs(24 * 3600);

/// Asks, unless there is an answer younger than `age`. After a refusal, asks again after a few seconds.
pub async fn grant(
    handles: &Handles,
    project: &ProjectName,
    environment: &Environment,
    age: Duration,
) -> Result<Grant, ObserveError> {
    let id = EnvironmentId { project: project.clone(), environment: environment.environment_name() };
    // A recreated namespace may have a different owner, so earlier consent no longer counts.
    let found = handles.stores.namespaces.get("", &environment.spec.namespace);
    let namespace_uid = found.map(|namespace| namespace.metadata.uid().to_owned()).unwrap_or_default();
    let known = handles.caches.consents.get(&id).filter(|consent| consent.namespace_uid == namespace_uid);
    if let Some(consent) = known {
        let fresh = if consent.missing.is_some() { Duration::from_secs(3) } else { age };
        if consent.asked.elapsed() < fresh {
            return Ok(consent.missing.map_or(Grant::Granted, Grant::Missing));
        }
    }
    let identity = Identity::new(id.clone())?;
    let verbs: &[(&str, &str, &str)] = match environment.spec.delivery {
        Delivery::Managed => {
            &[("apps", "deployments", "patch"), ("apps", "deployments", "list"), ("", "configmaps", "create")]
        }
        Delivery::Observed => &[("apps", "deployments", "list"), ("", "pods", "list")],
    };
    let target = environment.location();
    let asked =
        verbs.iter().map(|(group, resource, verb)| ask(handles, &identity, &target, group, resource, verb));
    let answers = futures::future::try_join_all(asked).await?;
    let missing = match answers.iter().all(|allowed| *allowed) {
        false => Some(missing_binding(environment)),
        true => {
            let resources = further_kinds(handles, &identity, environment).await?;
            (!resources.is_empty()).then_some(MissingConsent { cluster_role: None, resources })
        }
    };
    let consent = Consent { missing: missing.clone(), asked: Instant::now(), namespace_uid };
    handles.caches.consents.insert(id, consent);
    Ok(missing.map_or(Grant::Granted, Grant::Missing))
}

/// Kinds of `spec.kinds` that the identity has no rights on, as `plural.group`. Kinds that are not served, or whose API group is not
/// available now, are left to the preflight: they must not keep other objects from being restored.
async fn further_kinds(
    handles: &Handles,
    identity: &Identity,
    environment: &Environment,
) -> Result<Vec<String>, ObserveError> {
    let verb = match environment.spec.delivery {
        Delivery::Managed => "patch",
        Delivery::Observed => "list",
    };
    let target = environment.location();
    let mut missing = Vec::new();
    for kind in &environment.spec.kinds {
        let found = handles.resources.find(&handles.clients.operator(), &kind.api_version, &kind.kind).await;
        let found = match found {
            Ok(Some(found)) => found,
            Ok(None) | Err(kube::Error::Api(_)) => continue,
            Err(error) => return Err(ObserveError::read(format!("the kind {}", kind.kind))(error)),
        };
        if !ask(handles, identity, &target, &found.group, &found.plural, verb).await? {
            missing.push(format!("{}.{}", found.plural, found.group).trim_end_matches('.').to_owned());
        }
    }
    Ok(missing)
}

async fn ask(
    handles: &Handles,
    identity: &Identity,
    target: &Location,
    group: &str,
    resource: &str,
    verb: &str,
) -> Result<bool, ObserveError> {
    let spec = SubjectAccessReviewSpec {
        user: Some(identity.user_name()),
        groups: Some(identity.groups().into()),
        resource_attributes: Some(ResourceAttributes {
            namespace: Some(target.namespace.to_string()),
            group: Some(group.to_owned()),
            resource: Some(resource.to_owned()),
            verb: Some(verb.to_owned()),
            ..ResourceAttributes::default()
        }),
        ..SubjectAccessReviewSpec::default()
    };
    is_allowed(handles, spec, format!("the rights of {}", identity.user_name())).await
}
