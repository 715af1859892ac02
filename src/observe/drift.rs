//! The workloads of an environment of which fields may have drifted, compared with what runs there.
//!
//! The watches show in managedFields whether a field that Towpath wrote may have been changed or removed, so only such an object is read.
//! What the comparison found is cached until another manager changes the object again.
//!
//! Invariant: without drift, and while drift stays as it is, nothing is read.

use super::{ObserveError, contents, live};
use crate::api::{ApplicationName, Environment, FIELD_MANAGER, mark};
use crate::cluster::{Identity, slim::Owned, slim::OwnedMeta};
use crate::content::ownership::application_of;
use crate::content::ownership::drift::{Drift, drift};
use crate::content::{Desired, ObjectKey};
use crate::decide::needs::{is_compared, running, written};
use crate::decide::world::{Drifted, Drifts, Loaded, Project};
use crate::process::{Compared, Handles};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// After this time, a further change of an object shows in its managedFields, whose times are whole seconds.
const SETTLES: Duration = Duration::from_secs(2);
/// Maximum number of drifted fields of one object.
const MOST: usize = 20;

/// A workload as the watch shows it.
struct Seen {
    uid: String,
    version: String,
    generation: i64,
    owned: Owned,
}

/// What an application wrote, by application.
type Written = BTreeMap<ApplicationName, Option<(i64, Vec<Desired>)>>;

/// Compares the workloads that may have drifted; none while they are not compared.
pub async fn drifts(
    handles: &Handles,
    project: &Project,
    environment: &Environment,
) -> Result<Option<Drifts>, ObserveError> {
    if !is_compared(project, environment) {
        return Ok(None);
    }
    let target = environment.location();
    let candidates = candidates(handles, environment);
    let mut drifts = Drifts::default();
    let mut unknown = BTreeSet::new();
    for (key, seen) in &candidates {
        match known(handles, project, environment, key, seen) {
            Some(known) => record(&mut drifts, key, &known),
            None => _ = unknown.insert(key.clone()),
        }
    }
    if unknown.is_empty() {
        return Ok(Some(drifts));
    }
    let client = handles.clients.identity(&Identity::new(project.id(environment))?)?;
    let mut all = Written::new();
    for (key, object) in live::read(handles, &client, &target, unknown).await? {
        let (Some(object), Some(seen)) = (object.present(), candidates.get(&key)) else {
            drifts.unread.extend(object.unknown().map(|_| key));
            continue;
        };
        let Some((application, revision, fields)) =
            compare(handles, project, environment, &key, object, &mut all).await?
        else {
            drifts.unread.insert(key);
            continue;
        };
        let place = (target.clone(), key.clone());
        let before = handles.caches.compared.get(&place);
        // It was read again after the time in which a change may not show.
        let is_settled = before.is_some_and(|before| before.is_of(seen) && before.at.elapsed() >= SETTLES);
        let version = object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default();
        let known = Compared {
            uid: seen.uid.clone(),
            version: version.to_owned(),
            generation: seen.generation,
            fields: seen.owned.version(),
            application,
            revision,
            drift: fields,
            at: Instant::now(),
            is_settled,
        };
        record(&mut drifts, &key, &known);
        handles.caches.compared.insert(place, known);
    }
    Ok(Some(drifts))
}

/// The workloads that Towpath wrote and that may have drifted, and those whose drift is reported.
fn candidates(handles: &Handles, environment: &Environment) -> BTreeMap<ObjectKey, Seen> {
    let (stores, namespace) = (&handles.stores, environment.spec.namespace.as_str());
    let reported = environment.status.as_ref().map(|status| status.drift.as_slice()).unwrap_or_default();
    let mut candidates = BTreeMap::new();
    let mut add = |kind: &str, meta: &OwnedMeta| {
        let is_reported = || reported.iter().any(|field| field.kind == kind && field.name == meta.name());
        if meta.revision_mark().is_none() || !(meta.owned.may_have_drifted() || is_reported()) {
            return;
        }
        let seen = Seen {
            uid: meta.uid().to_owned(),
            version: meta.resource_version().to_owned(),
            generation: meta.generation,
            owned: meta.owned,
        };
        candidates.extend(ObjectKey::new("apps/v1", kind, meta.name()).ok().map(|key| (key, seen)));
    };
    stores.deployments.list(namespace).iter().for_each(|it| add("Deployment", &it.metadata));
    stores.stateful_sets.list(namespace).iter().for_each(|it| add("StatefulSet", &it.metadata));
    stores.daemon_sets.list(namespace).iter().for_each(|it| add("DaemonSet", &it.metadata));
    candidates
}

/// What is known of a workload, if nothing changed since it was compared.
fn known(
    handles: &Handles,
    project: &Project,
    environment: &Environment,
    key: &ObjectKey,
    seen: &Seen,
) -> Option<Compared> {
    let place = (environment.location(), key.clone());
    let mut known = handles.caches.compared.get(&place).filter(|known| known.is_of(seen))?;
    let now = running(project, environment, &known.application).map(|running| running.revision);
    if now != known.revision {
        return None;
    }
    let is_over = known.at.elapsed() >= SETTLES;
    if known.version == seen.version && is_over {
        known.is_settled = true;
        handles.caches.compared.insert(place, known.clone());
    }
    (known.is_settled || known.version == seen.version || !is_over).then_some(known)
}

/// Compares a live object with what runs; none if the Content cannot be loaded.
async fn compare(
    handles: &Handles,
    project: &Project,
    environment: &Environment,
    key: &ObjectKey,
    object: &Value,
    all: &mut Written,
) -> Result<Option<(ApplicationName, Option<i64>, Vec<Drift>)>, ObserveError> {
    let annotations = object.pointer("/metadata/annotations");
    let owner = annotations.and_then(|all| all.get(mark::OWNER)?.as_str()).unwrap_or_default();
    let Some(application) = application_of(&project.id(environment), owner) else {
        return Ok(Some((ApplicationName::default(), None, Vec::new())));
    };
    if !all.contains_key(&application) {
        let wrote = match running(project, environment, &application) {
            None => None,
            Some(running) => match contents::load(handles, &project.name, Some(running.content)).await? {
                Loaded::Here(content) => {
                    let objects = written(project, environment, &application, running.revision, &content);
                    Some((running.revision, objects))
                }
                Loaded::NotAsked | Loaded::Missing(_) | Loaded::Broken(_) => return Ok(None),
            },
        };
        all.insert(application.clone(), wrote);
    }
    let Some(Some((revision, objects))) = all.get(&application) else {
        return Ok(Some((application, None, Vec::new())));
    };
    let desired = objects.iter().find(|item| item.key == *key);
    let found = desired.map(|item| drift(object, &item.object, FIELD_MANAGER, MOST)).unwrap_or_default();
    Ok(Some((application, Some(*revision), found)))
}

fn record(drifts: &mut Drifts, key: &ObjectKey, compared: &Compared) {
    drifts.is_recent |= !compared.is_settled;
    drifts.found.extend(compared.drifted(key));
}

impl Compared {
    /// Whether another manager changed nothing of the object since.
    fn is_of(&self, seen: &Seen) -> bool {
        self.uid == seen.uid
            && (self.version == seen.version
                || (self.generation == seen.generation && self.fields == seen.owned.version()))
    }

    fn drifted(&self, key: &ObjectKey) -> Option<Drifted> {
        let (application, fields) = (self.application.clone(), self.drift.clone());
        (!fields.is_empty()).then(|| Drifted { key: key.clone(), application, fields })
    }
}
