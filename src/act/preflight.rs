//! Server-side dry-runs of every object, as the identity of the environment. The next pass decides on the answers.

use super::ActError;
use super::target::{api, identity};
use crate::api::FIELD_MANAGER;
use crate::cluster::{Warnings, refusal};
use crate::content::ObjectKey;
use crate::decide::decision::Target;
use crate::process::{Handles, Trial};
use futures::{StreamExt, TryStreamExt};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Maximum number of concurrent dry-runs.
const CONCURRENCY: usize = 8;

/// What to dry-run.
pub struct Tries {
    /// Digest of the objects.
    pub digest: String,
    /// The objects.
    pub objects: Vec<(ObjectKey, Value)>,
    /// Objects whose conflicts with `adopt_from` are expected.
    pub adopt: BTreeSet<ObjectKey>,
    /// Managers whose fields are adopted.
    pub adopt_from: Vec<String>,
    /// One pod per template.
    pub pods: Vec<(ObjectKey, Value)>,
    /// Secrets that must exist.
    pub secrets: BTreeSet<String>,
}

/// Dry-runs everything. A conflict of an object in `adopt` is not a refusal: the dry-run is repeated with force.
pub async fn preflight(
    handles: &Handles,
    promotion: &str,
    target: &Target,
    tries: Tries,
) -> Result<(), ActError> {
    let warnings = Warnings::new();
    let client = handles.clients.identity_noting(&identity(target)?, &warnings)?;
    let (adopt, adopt_from) = (&tries.adopt, tries.adopt_from.as_slice());
    let results: BTreeMap<ObjectKey, Result<Arc<Value>, String>> = futures::stream::iter(tries.objects)
        .map(|(key, object)| {
            let client = client.clone();
            async move {
                let from = if adopt.contains(&key) { adopt_from } else { &[] };
                let result = one(handles, client, target, &key, object, from).await?;
                Ok::<_, ActError>((key, result))
            }
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await?;
    let mut refusals = Vec::new();
    let mut untried = BTreeSet::new();
    for (key, pod) in tries.pods {
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), &target.location.namespace, &resource("Pod", "pods"));
        match create(&api, &pod, "pods").await? {
            Answer::Created | Answer::Exists => {}
            Answer::NoRight => drop(untried.insert("pods")),
            Answer::Refused(message) => refusals.push(format!("a pod of {key}: {message}")),
        }
    }
    for name in tries.secrets {
        let api: Api<DynamicObject> =
            Api::namespaced_with(client.clone(), &target.location.namespace, &resource("Secret", "secrets"));
        let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name } });
        match create(&api, &secret, "secrets").await? {
            Answer::Exists => {}
            Answer::NoRight => drop(untried.insert("Secrets")),
            Answer::Created => refusals
                .push(format!("Secret {name} does not exist in {}; create it", target.location.namespace)),
            Answer::Refused(message) => refusals.push(format!("Secret {name}: {message}")),
        }
    }
    let mut collected = warnings.take();
    if !untried.is_empty() {
        let what: Vec<&str> = untried.into_iter().collect();
        collected.push(format!(
            "{} were not tried before writing: the ClusterRole towpath-preflight is not bound in {}",
            what.join(" and "),
            target.location.namespace
        ));
    }
    let trial =
        Trial { digest: tries.digest, results, refusals, warnings: collected, at: handles.clock.now() };
    handles.memory.tried(promotion, trial);
    Ok(())
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
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(Answer::Exists),
        // Quota and Pod Security answer 403, too; only the authorizer names the verb and the resource.
        Err(kube::Error::Api(status))
            if status.code == 403
                && status.message.contains(&format!("cannot create resource \"{plural}\"")) =>
        {
            Ok(Answer::NoRight)
        }
        Err(kube::Error::Api(status)) if status.code < 500 && status.code != 429 => {
            Ok(Answer::Refused(status.message.clone()))
        }
        Err(error) => Err(ActError::write(what())(error)),
    }
}

fn resource(kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", kind), plural)
}

async fn one(
    handles: &Handles,
    client: kube::Client,
    target: &Target,
    key: &ObjectKey,
    object: Value,
    adopt_from: &[String],
) -> Result<Result<Arc<Value>, String>, ActError> {
    let api = match api(handles, client, target, key).await {
        Ok(api) => api,
        Err(ActError::UnknownKind(kind)) => {
            return Ok(Err(format!("{kind} is not served as a namespaced kind")));
        }
        Err(error) => return Err(error),
    };
    let params = PatchParams::apply(FIELD_MANAGER).dry_run();
    let whole: Option<DynamicObject> = serde_json::from_value(object.clone()).ok();
    let whole_params = PostParams { dry_run: true, field_manager: Some(FIELD_MANAGER.to_owned()) };
    let patch = Patch::Apply(object);
    let mut answer = api.patch(key.name(), &params, &patch).await;
    if matches!(&answer, Err(kube::Error::Api(status)) if conflicts_only_with(status, adopt_from)) {
        answer = api.patch(key.name(), &params.force(), &patch).await;
    }
    // An adoption also removes what the adopted managers wrote and the release lacks, such as the old port of a Service. Without them,
    // the object is what the release says.
    if let (true, Err(kube::Error::Api(status)), Some(whole)) = (!adopt_from.is_empty(), &answer, whole)
        && status.code == 422
        && let Ok(object) = api.replace(key.name(), &whole_params, &whole).await
    {
        answer = Ok(object);
    }
    match answer {
        Ok(object) => Ok(Ok(Arc::new(with_type(object, key)))),
        Err(error) if refusal(&error).is_some() => Err(ActError::write(format!("trying {key}"))(error)),
        Err(kube::Error::Api(status)) if status.code < 500 && status.code != 429 => {
            Ok(Err(status.message.clone()))
        }
        Err(kube::Error::Api(status)) if is_about_the_object(&status) => {
            Ok(Err(without_values(&status.message)))
        }
        Err(error) => Err(ActError::write(format!("trying {key}"))(error)),
    }
}

/// Whether a server error is caused by the object: it does not match its schema, or the webhook that has to validate it cannot be
/// called.
fn is_about_the_object(status: &kube::core::Status) -> bool {
    const CAUSES: [&str; 2] = ["failed to create typed patch object", "failed calling webhook"];
    status.code == 500 && CAUSES.iter().any(|cause| status.message.contains(cause))
}

/// The message without the values of the object, which may be secret.
fn without_values(message: &str) -> String {
    let lines = message.lines().map(|line| line.split(", got ").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether every conflict is with one of these managers. The server names the manager in quotes.
fn conflicts_only_with(status: &kube::core::Status, managers: &[String]) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let mut conflicts = causes.filter(|cause| cause.reason == "FieldManagerConflict").peekable();
    let is_known = |message: &str| managers.iter().any(|manager| message.contains(&format!("\"{manager}\"")));
    status.code == 409 && conflicts.peek().is_some() && conflicts.all(|cause| is_known(&cause.message))
}

/// The object with its type, as live objects have it.
fn with_type(object: DynamicObject, key: &ObjectKey) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("apiVersion".into(), Value::String(key.api_version().into()));
        fields.insert("kind".into(), Value::String(key.kind().into()));
    }
    value
}
