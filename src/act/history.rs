//! Deletes promotions that are no longer part of the history, after their record was written.
//!
//! Invariant: a promotion is deleted only after its entry is in the status of its release or, if that does not exist any more, of its
//! environment. The entry follows from the promotion, so writing it again changes nothing.

use super::ActError;
use super::records::is;
use crate::api::record::MOST_ENTRIES;
use crate::api::{
    Environment, EnvironmentName, Meta, ProjectName, Promotion, Record, RecordEntry, Recorded, Release, mark,
};
use crate::process::Handles;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// Maximum size of a record as JSON. An object has at most 1.5 MB, its content and managedFields included.
const MOST_BYTES: usize = 256 << 10;
/// How often an entry is written again after the object changed.
const ATTEMPTS: u32 = 3;

/// Records a promotion, and deletes it. Nothing is recorded of a dry run, which wrote nothing.
pub async fn delete_promotion(
    handles: &Handles,
    project: &ProjectName,
    environment: &EnvironmentName,
    name: &str,
    uid: &str,
) -> Result<(), ActError> {
    let api: Api<Promotion> = Api::namespaced(handles.clients.operator(), project);
    if !name.starts_with(mark::DRY_RUN) {
        // The process caches only a part of a promotion that has ended.
        let found = api.get_opt(name).await.map_err(ActError::write(format!("reading Promotion {name}")))?;
        let Some(promotion) = found.filter(|promotion| Meta::uid(promotion) == uid) else { return Ok(()) };
        if !record(handles, project, environment, &RecordEntry::from(&promotion)).await? {
            // It is deleted with its environment.
            return Ok(());
        }
    }
    let precondition = Preconditions { uid: Some(uid.to_owned()), resource_version: None };
    handles.versions.forget("Promotion", project, name);
    let deletion = DeleteParams { preconditions: Some(precondition), ..DeleteParams::default() };
    match api.delete(name, &deletion).await {
        Ok(_) => Ok(()),
        Err(error) if is(&error, 404) || is(&error, 409) => Ok(()),
        Err(error) => Err(ActError::write(format!("deleting Promotion {name}"))(error)),
    }
}

/// Adds an entry to the status of the release, or of the environment. False if neither exists.
async fn record(
    handles: &Handles,
    project: &ProjectName,
    environment: &EnvironmentName,
    entry: &RecordEntry,
) -> Result<bool, ActError> {
    Ok(added::<Release>(handles, "Release", project, &entry.release, entry).await?
        || added::<Environment>(handles, "Environment", project, environment, entry).await?)
}

/// Adds an entry to the record of an object. False if the object does not exist, or is being deleted.
async fn added<K>(
    handles: &Handles,
    kind: &'static str,
    project: &ProjectName,
    name: &str,
    entry: &RecordEntry,
) -> Result<bool, ActError>
where
    K: Recorded
        + Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let what = format!("recording {} in {kind} {name}", entry.promotion);
    let api: Api<K> = Api::namespaced(handles.clients.operator(), project);
    let none = Record::new();
    for attempt in 1.. {
        let found = api.get_opt(name).await.map_err(ActError::write(what.clone()))?;
        let Some(object) = found.filter(|object| object.meta().deletion_timestamp.is_none()) else {
            return Ok(false);
        };
        let (record, dropped) = object.recorded().unwrap_or((&none, None));
        let Addition::Patch { status, is_stored } = addition(record, dropped, entry) else { break };
        // Which entries are dropped depends on those that were read.
        let patch = json!({ "metadata": { "resourceVersion": object.resource_version() }, "status": status });
        match api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(written) => {
                let has_it = |(record, _): (&Record, _)| record.contains_key(&entry.key());
                if is_stored && !written.recorded().is_some_and(has_it) {
                    return Err(ActError::Dropped { what });
                }
                let version = written.resource_version().unwrap_or_default();
                handles.versions.wrote(kind, project, name, &version);
                break;
            }
            Err(error) if is(&error, 404) => return Ok(false),
            Err(error) if is(&error, 409) && attempt < ATTEMPTS => {}
            Err(error) => return Err(ActError::write(what)(error)),
        }
    }
    Ok(true)
}

/// What adding an entry makes of a record.
#[derive(Debug, PartialEq)]
enum Addition {
    /// It is there already.
    Present,
    /// The change of the status.
    Patch {
        /// A merge patch.
        status: Value,
        /// Whether the entry is in it. It is not if all that are stored are newer, and there is no room.
        is_stored: bool,
    },
}

/// Adds an entry, and drops the oldest ones beyond the limits.
fn addition(record: &Record, dropped: Option<i64>, entry: &RecordEntry) -> Addition {
    let key = entry.key();
    if record.contains_key(&key) {
        return Addition::Present;
    }
    let mut all: BTreeMap<&str, &RecordEntry> =
        record.iter().map(|(key, entry)| (key.as_str(), entry)).collect();
    all.insert(&key, entry);
    let mut bytes = 0;
    let fits = |(nth, (_, entry)): &(usize, (&&str, &&RecordEntry))| {
        bytes += serde_json::to_string(entry).map_or(0, |text| text.len());
        *nth < MOST_ENTRIES && bytes <= MOST_BYTES
    };
    let left: BTreeSet<&str> =
        all.iter().rev().enumerate().take_while(fits).map(|(_, (key, _))| *key).collect();
    let is_stored = left.contains(key.as_str());
    let mut entries = serde_json::Map::new();
    if is_stored {
        entries.insert(key.clone(), json!(entry));
    }
    let beyond = record.keys().filter(|key| !left.contains(key.as_str()));
    entries.extend(beyond.map(|key| (key.clone(), Value::Null)));
    let lost = all.len().saturating_sub(left.len());
    let mut status = json!({ "record": entries });
    if lost > 0 {
        let lost = i64::try_from(lost).unwrap_or(i64::MAX);
        status["recordDropped"] = dropped.unwrap_or_default().saturating_add(lost).into();
    }
    Addition::Patch { status, is_stored }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(nth: usize) -> RecordEntry {
        serde_json::from_value(json!({
            "promotion": format!("prod-{nth:03}"), "uid": "4f1c", "environment": "prod", "release": "shop-1.4.0",
            "phase": "Verified", "createdAt": "2026-11-25T02:58:35Z",
        }))
        .unwrap()
    }

    fn patch(record: &Record, dropped: Option<i64>, entry: &RecordEntry) -> Value {
        match addition(record, dropped, entry) {
            Addition::Patch { status, is_stored: true } => status,
            other @ (Addition::Present | Addition::Patch { .. }) => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_entry_is_added_once() {
        let record = Record::from([(entry(1).key(), entry(1))]);
        assert_eq!(addition(&record, None, &entry(1)), Addition::Present);
        let added = patch(&record, None, &entry(2));
        assert_eq!(added["record"][entry(2).key()]["promotion"], "prod-002");
        assert_eq!(added.get("recordDropped"), None);
    }

    #[test]
    fn the_oldest_entries_make_room_and_are_counted() {
        let record: Record = (0..MOST_ENTRIES).map(|nth| (entry(nth).key(), entry(nth))).collect();
        let added = patch(&record, Some(4), &entry(MOST_ENTRIES));
        assert_eq!(added["record"][entry(0).key()], Value::Null);
        assert!(added["record"].get(entry(1).key()).is_none());
        assert_eq!(added["recordDropped"], 5);
    }

    /// A rollback target was in the history for longer than what was promoted after it.
    #[test]
    fn an_entry_that_is_older_than_all_others_is_only_counted() {
        let record: Record = (1..=MOST_ENTRIES).map(|nth| (entry(nth).key(), entry(nth))).collect();
        let Addition::Patch { status, is_stored } = addition(&record, None, &entry(0)) else { panic!() };
        assert_eq!((is_stored, status), (false, json!({ "record": {}, "recordDropped": 1 })));
    }

    #[test]
    fn a_record_has_a_size_that_a_status_can_hold() {
        let large = |nth: usize| RecordEntry { message: Some("a".repeat(MOST_BYTES / 4)), ..entry(nth) };
        let record: Record = (0..3).map(|nth| (large(nth).key(), large(nth))).collect();
        let added = patch(&record, None, &large(3));
        assert_eq!(added["record"][large(0).key()], Value::Null);
        assert!(added["record"].get(large(1).key()).is_none());
    }
}
