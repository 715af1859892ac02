//! Live objects, read one by one or kind by kind as the derived identity.
//!
//! Invariant: an object that cannot be read is a fact about that object, not a failure of the observation: health is judged and
//! everything else is written without it. Only if the request was not answered at all because the API server cannot be reached, nothing
//! is known about anything, and the observation fails.

use super::ObserveError;
use crate::api::Location;
use crate::cluster::{Refusal, is_unserved, refusal, status_of, words};
use crate::content::ObjectKey;
use crate::decide::world::Live;
use crate::process::{Handles, Unread};
use futures::StreamExt;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Maximum number of concurrent reads of one observation.
const CONCURRENCY: usize = 8;
/// The longest time for one read, retries included. A webhook that hangs must not delay the verdict about everything else.
const LIMIT: Duration = Duration::from_secs(5);
/// How long an object that could not be read is not read again.
const PAUSE: Duration = Duration::from_secs(8);

/// Reads every object of `keys`.
pub async fn read(
    handles: &Handles,
    client: &kube::Client,
    target: &Location,
    keys: impl IntoIterator<Item = ObjectKey>,
) -> Result<BTreeMap<ObjectKey, Live>, ObserveError> {
    let read: Vec<_> = futures::stream::iter(keys)
        .map(|key| async move {
            let live = unless_unreadable(handles, client, target, &key).await?;
            Ok::<_, ObserveError>((key, live))
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    read.into_iter().collect()
}

/// Reads an object, unless it could not be read shortly before.
async fn unless_unreadable(
    handles: &Handles,
    client: &kube::Client,
    target: &Location,
    key: &ObjectKey,
) -> Result<Live, ObserveError> {
    let place = (target.clone(), key.clone());
    if let Some(known) = handles.caches.unreadable.get(&place).filter(|known| known.at.elapsed() < PAUSE) {
        return Ok(Live::Unreadable(known.message));
    }
    let live = match tokio::time::timeout(LIMIT, one(handles, client, target, key)).await {
        Ok(live) => live?,
        Err(_) => Live::Unreadable(format!("no complete answer within {} s", LIMIT.as_secs())),
    };
    match &live {
        Live::Unreadable(message) => {
            let unread = Unread { message: message.clone(), at: Instant::now() };
            handles.caches.unreadable.insert(place, unread);
        }
        Live::Absent | Live::Present(_) | Live::Refused(_) | Live::Unserved(_) => {
            handles.caches.unreadable.remove(&place);
        }
    }
    Ok(live)
}

async fn one(
    handles: &Handles,
    client: &kube::Client,
    target: &Location,
    key: &ObjectKey,
) -> Result<Live, ObserveError> {
    let (api_version, kind) = (key.api_version(), key.kind());
    // The kind may have been deleted, or be served under another name now: it is looked up again once.
    for is_last in [false, true] {
        let resource = match handles.resources.find(client, api_version, kind).await {
            Ok(Some(resource)) => resource,
            Ok(None) => {
                return Ok(Live::Unserved(format!(
                    "{api_version} {kind} is not served as a namespaced kind"
                )));
            }
            Err(error) => return unreadable(key, target, error),
        };
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &target.namespace, &resource);
        match api.get(key.name()).await {
            Ok(object) => return Ok(Live::Present(Arc::new(with_type(object, api_version, kind)))),
            Err(error) if is_unserved(&error) && !is_last => handles.resources.forget(api_version, kind),
            Err(error) if is_unserved(&error) => return unreadable(key, target, error),
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(Live::Absent),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                return Ok(Live::Refused(status.message.clone()));
            }
            Err(error) => return unreadable(key, target, error),
        }
    }
    Ok(Live::Absent)
}

/// The fact about an object whose read failed.
fn unreadable(key: &ObjectKey, target: &Location, error: kube::Error) -> Result<Live, ObserveError> {
    match is_about_the_object(&error) {
        true => Ok(Live::Unreadable(words(&error))),
        false => Err(ObserveError::read(format!("{key} in {target}"))(error)),
    }
}

/// Whether the API server answered, or did not finish in time. Otherwise it cannot be reached, or nothing was sent.
fn is_about_the_object(error: &kube::Error) -> bool {
    status_of(error).is_some() || matches!(refusal(error), Some(Refusal::Unanswered(_)))
}

/// Lists every object of a kind; empty when the kind is not served. If the API server answers with an error, returns it in its words.
pub async fn list(
    handles: &Handles,
    client: &kube::Client,
    target: &Location,
    api_version: &str,
    kind: &str,
) -> Result<Result<Vec<Value>, String>, ObserveError> {
    let failed = |error: kube::Error| match is_about_the_object(&error) {
        true => {
            Ok(Err(format!("the objects of kind {kind} in {target} cannot be listed: {}", words(&error))))
        }
        false => Err(ObserveError::read(format!("every {kind} in {target}"))(error)),
    };
    let Some(resource) = (match handles.resources.find(client, api_version, kind).await {
        Ok(found) => found,
        Err(error) => return failed(error),
    }) else {
        return Ok(Ok(Vec::new()));
    };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &target.namespace, &resource);
    match api.list(&ListParams::default()).await {
        Ok(objects) => {
            Ok(Ok(objects.items.into_iter().map(|object| with_type(object, api_version, kind)).collect()))
        }
        Err(error) => {
            if is_unserved(&error) {
                handles.resources.forget(api_version, kind);
            }
            failed(error)
        }
    }
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
