//! Server-side dry-runs of every object, as the identity of the environment. The next pass decides on the answers.
//!
//! Invariant: the answer about one object never hides those about the others, whatever it is. Only if this process may not send the
//! requests, or the API server cannot be reached, the preflight fails as a whole.

use super::ActError;
use super::prerequisites::{Checked, check};
use super::target::{api, identity};
use crate::api::FIELD_MANAGER;
use crate::cluster::Warnings;
use crate::content::ObjectKey;
use crate::content::object::dependencies::Dependency;
use crate::decide::decision::Target;
use crate::process::{Handles, Trial};
use futures::StreamExt;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::Value;
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
    /// Secrets that must exist for the pods of these workloads.
    pub secrets: BTreeMap<String, BTreeSet<ObjectKey>>,
    /// Objects that must exist for the pods of these workloads.
    pub needs: BTreeMap<Dependency, BTreeSet<ObjectKey>>,
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
    let results: Vec<_> = futures::stream::iter(tries.objects)
        .map(|(key, object)| {
            let client = client.clone();
            async move {
                let from = adopt.contains(&key).then_some(adopt_from);
                let result = one(handles, client, target, &key, object, from).await?;
                Ok::<_, ActError>((key, result))
            }
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    let results = results.into_iter().collect::<Result<BTreeMap<_, _>, _>>()?;
    let checked = check(&client, &target.location, tries.pods, tries.secrets, tries.needs).await?;
    let Checked { refusals, crowded, missing, unchecked } = checked;
    let mut collected = warnings.take();
    collected.extend(unchecked);
    let trial = Trial {
        digest: tries.digest,
        results,
        refusals,
        crowded,
        missing,
        warnings: collected,
        at: handles.clock.now(),
    };
    handles.memory.tried(promotion, trial);
    Ok(())
}

async fn one(
    handles: &Handles,
    client: kube::Client,
    target: &Target,
    key: &ObjectKey,
    object: Value,
    adopt_from: Option<&[String]>,
) -> Result<Result<Arc<Value>, String>, ActError> {
    let api = match api(handles, client, target, key).await {
        Ok(api) => api,
        Err(error) => return error.about_the_object().map(Err),
    };
    let params = PatchParams::apply(FIELD_MANAGER).dry_run();
    let whole: Option<DynamicObject> = serde_json::from_value(object.clone()).ok();
    let whole_params = PostParams { dry_run: true, field_manager: Some(FIELD_MANAGER.to_owned()) };
    let patch = Patch::Apply(object);
    let mut answer = api.patch(key.name(), &params, &patch).await;
    if matches!(&answer, Err(kube::Error::Api(status)) if conflicts_only_with(status, adopt_from.unwrap_or_default()))
    {
        answer = api.patch(key.name(), &params.force(), &patch).await;
    }
    // An adoption also removes what the adopted managers wrote and the release lacks, such as the old port of a Service, or defaults of the
    // API server that the release rules out. Without them, the object is what the release says.
    if let (Some(_), Err(kube::Error::Api(status)), Some(whole)) = (adopt_from, &answer, whole)
        && status.code == 422
        && let Ok(object) = api.replace(key.name(), &whole_params, &whole).await
    {
        answer = Ok(object);
    }
    match answer.map_err(ActError::write(format!("trying {key}"))) {
        Ok(object) => Ok(Ok(Arc::new(with_type(object, key)))),
        Err(error) => {
            if error.is_unserved() {
                handles.resources.forget(key.api_version(), key.kind());
            }
            error.about_the_object().map(Err)
        }
    }
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
