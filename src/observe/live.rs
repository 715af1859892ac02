//! Live objects, read one by one or kind by kind as the derived identity.

use super::ObserveError;
use crate::content::ObjectKey;
use crate::decide::world::Live;
use crate::process::Handles;
use futures::{StreamExt, TryStreamExt};
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Maximum number of concurrent reads of one observation.
const CONCURRENCY: usize = 8;

/// Reads every object of `keys`.
pub async fn read(
    handles: &Handles,
    client: &kube::Client,
    namespace: &str,
    keys: impl IntoIterator<Item = ObjectKey>,
) -> Result<BTreeMap<ObjectKey, Live>, ObserveError> {
    futures::stream::iter(keys)
        .map(|key| async move {
            let live = one(handles, client, namespace, &key).await?;
            Ok::<_, ObserveError>((key, live))
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await
}

async fn one(
    handles: &Handles,
    client: &kube::Client,
    namespace: &str,
    key: &ObjectKey,
) -> Result<Live, ObserveError> {
    let what = || format!("{key} in {namespace}");
    let found = handles.resources.find(client, key.api_version(), key.kind()).await;
    let Some(resource) = found.map_err(ObserveError::read(what()))? else {
        return Ok(Live::Refused(format!(
            "{} {} is not served as a namespaced kind",
            key.api_version(),
            key.kind()
        )));
    };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    match api.get_opt(key.name()).await {
        Ok(None) => Ok(Live::Absent),
        Ok(Some(object)) => Ok(Live::Present(Arc::new(with_type(object, key.api_version(), key.kind())))),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(Live::Refused(status.message.clone())),
        Err(error) => Err(ObserveError::read(what())(error)),
    }
}

/// Lists every object of a kind; empty when the kind is not served.
pub async fn list(
    handles: &Handles,
    client: &kube::Client,
    namespace: &str,
    api_version: &str,
    kind: &str,
) -> Result<Vec<Value>, ObserveError> {
    let what = || format!("every {kind} in {namespace}");
    let found = handles.resources.find(client, api_version, kind).await;
    let Some(resource) = found.map_err(ObserveError::read(what()))? else { return Ok(Vec::new()) };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let objects = api.list(&ListParams::default()).await.map_err(ObserveError::read(what()))?;
    Ok(objects.items.into_iter().map(|object| with_type(object, api_version, kind)).collect())
}

/// The object with its type, which lists leave out.
fn with_type(object: DynamicObject, api_version: &str, kind: &str) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        fields.insert("apiVersion".into(), Value::String(api_version.into()));
        fields.insert("kind".into(), Value::String(kind.into()));
    }
    value
}
