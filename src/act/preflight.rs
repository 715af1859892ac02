//! Every object tried with a server-side dry-run, as the environment's identity. The answers are kept for the next look.

use super::ActError;
use super::target::{api, identity};
use crate::api::FIELD_MANAGER;
use crate::content::ObjectKey;
use crate::context::{Handles, Tried, Warnings, refusal};
use crate::decide::action::Target;
use futures::{StreamExt, TryStreamExt};
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Dry-runs in flight.
const WIDTH: usize = 8;

/// Tries every object. Those in `adopt` may conflict with the managers that they are taken over from: such a conflict is not
/// a refusal, and what the write would give is asked for with force, in a dry-run only.
pub async fn preflight(
    handles: &Handles,
    promotion: &str,
    target: &Target,
    digest: String,
    objects: Vec<(ObjectKey, Value)>,
    adopt: Vec<(ObjectKey, Value)>,
) -> Result<(), ActError> {
    let warnings = Warnings::new();
    let client = handles.clients.identity_noting(&identity(target)?, &warnings)?;
    let adopted: BTreeSet<ObjectKey> = adopt.into_iter().map(|(key, _)| key).collect();
    let results: BTreeMap<ObjectKey, Result<Arc<Value>, String>> = futures::stream::iter(objects)
        .map(|(key, object)| {
            let (client, adopted) = (client.clone(), adopted.contains(&key));
            async move {
                let result = one(handles, client, target, &key, object, adopted).await?;
                Ok::<_, ActError>((key, result))
            }
        })
        .buffer_unordered(WIDTH)
        .try_collect()
        .await?;
    let tried = Tried { digest, results, warnings: warnings.take(), at: handles.clock.now() };
    handles.trials.put(promotion.to_owned(), Arc::new(tried));
    Ok(())
}

async fn one(
    handles: &Handles,
    client: kube::Client,
    target: &Target,
    key: &ObjectKey,
    object: Value,
    adopted: bool,
) -> Result<Result<Arc<Value>, String>, ActError> {
    let api = match api(handles, client, target, key).await {
        Ok(api) => api,
        Err(ActError::UnknownKind(kind)) => {
            return Ok(Err(format!("{kind} is not served as a namespaced kind")));
        }
        Err(error) => return Err(error),
    };
    let params = PatchParams::apply(FIELD_MANAGER).dry_run();
    let patch = Patch::Apply(object);
    let mut answer = api.patch(key.name(), &params, &patch).await;
    if adopted && matches!(&answer, Err(kube::Error::Api(status)) if status.code == 409) {
        answer = api.patch(key.name(), &params.force(), &patch).await;
    }
    match answer {
        Ok(object) => Ok(Ok(Arc::new(whole(object, key)))),
        Err(error) if refusal(&error).is_some() => Err(ActError::write(format!("trying {key}"))(error)),
        Err(kube::Error::Api(status)) if status.code < 500 && status.code != 429 => {
            Ok(Err(status.message.clone()))
        }
        Err(error) => Err(ActError::write(format!("trying {key}"))(error)),
    }
}

/// The object with its type as the live one has it.
fn whole(object: DynamicObject, key: &ObjectKey) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("apiVersion".into(), Value::String(key.api_version().into()));
        fields.insert("kind".into(), Value::String(key.kind().into()));
    }
    value
}
