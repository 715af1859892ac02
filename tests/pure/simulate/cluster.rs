//! A toy target namespace: server-side apply with field ownership, and a controller of workloads whose pods meet the fate that
//! the name of their image says. What it shows is a function of the objects and of the time, so a run can be repeated.

mod shown;

use super::fate::{Fate, word};
use super::fields::{conflict, disown, entry, merge, prune};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shown::{disrupted, workload};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use towpath::api::Disruption;
use towpath::content::ObjectKey;
use towpath::decide::world::{Live, Workload};

/// How often something was done to an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub created: usize,
    pub deleted: usize,
    pub template_changes: usize,
}

/// One namespace with its objects.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    pub name: String,
    pub uid: String,
    objects: BTreeMap<ObjectKey, Placed>,
    pub counts: BTreeMap<ObjectKey, Counts>,
    /// Objects that the server refuses, by key, and why.
    pub refused: BTreeMap<ObjectKey, String>,
    /// Objects that the server answers about with an error for now, by key: their reads as well as their writes.
    pub broken: BTreeMap<ObjectKey, String>,
    /// Objects whose writes fail for now, by key: a webhook is down.
    pub down: BTreeMap<ObjectKey, String>,
    /// Kinds that are not served any more.
    pub unserved: BTreeSet<String>,
    /// Objects whose deletion the server refuses, by key, and why.
    pub undeletable: BTreeMap<ObjectKey, String>,
    /// Addresses that other Services have.
    pub taken: BTreeSet<String>,
    /// The pods of tests are evicted.
    pub draining: bool,
    /// Until then, a quota has no room for the pods of tests.
    pub full_until: Option<Timestamp>,
    /// The pods of tests are deleted when they have ended.
    pub drops_ended_pods: bool,
    /// What stopped those pods while they ran.
    pub stopped: Option<String>,
    /// The Jobs of tests are refused, and no dry-run says so.
    pub refuses_tests: bool,
    serial: u64,
}

#[derive(Clone, Debug)]
struct Placed {
    live: Value,
    template_since: Timestamp,
    spec_since: Timestamp,
    /// Replicas of an older template that still serve.
    older: i32,
    /// When its pods begin to crash, whatever their image.
    broken: Option<Timestamp>,
}

impl Namespace {
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), uid: format!("uid-{name}"), ..Self::default() }
    }

    pub fn live(&self, key: &ObjectKey) -> Live {
        if self.unserved.contains(key.kind()) {
            return Live::Unserved(format!("{} is not served", key.kind()));
        }
        if let Some(why) = self.broken.get(key) {
            return Live::Unreadable(why.clone());
        }
        match self.objects.get(key) {
            Some(placed) => Live::Present(Arc::new(placed.live.clone())),
            None => Live::Absent,
        }
    }

    /// Why a write of an object fails for now.
    pub fn failure(&self, key: &ObjectKey) -> Option<String> {
        let unserved = self.unserved.contains(key.kind()).then(|| format!("{} is not served", key.kind()));
        unserved.or_else(|| self.broken.get(key).or_else(|| self.down.get(key)).cloned())
    }

    /// What people would see, without what only the server knows.
    pub fn shown(&self) -> BTreeMap<String, Value> {
        let bare = |placed: &Placed| {
            let mut live = placed.live.clone();
            let metadata = live["metadata"].as_object_mut().unwrap();
            for field in ["uid", "resourceVersion", "generation", "managedFields"] {
                metadata.remove(field);
            }
            live
        };
        self.objects.iter().map(|(key, placed)| (key.to_string(), bare(placed))).collect()
    }

    /// An object that was there before Towpath came.
    pub fn place(&mut self, object: Value, manager: &str, now: Timestamp) {
        let key = ObjectKey::of(&object).unwrap();
        let entry = entry(&object, manager, "Update");
        self.put(&key, object, vec![entry], now);
        self.counts.remove(&key);
    }

    /// A user deletes the Jobs that have finished.
    pub fn forget_jobs(&mut self, now: Timestamp) {
        let name = self.name.clone();
        self.objects
            .retain(|key, placed| key.kind() != "Job" || !is_ready(placed, &fate(placed, &name), now));
    }

    /// A user deletes the objects of a kind whose names begin so. One with a finalizer stays until that is removed.
    pub fn lose(&mut self, kind: &str, name: &str) {
        let is_it = |key: &ObjectKey| key.kind() == kind && key.name().starts_with(name);
        let keys: Vec<ObjectKey> = self.objects.keys().filter(|key| is_it(key)).cloned().collect();
        keys.iter().for_each(|key| _ = self.vanish(key));
    }

    /// The finalizers of an object are removed.
    pub fn finalized(&mut self, key: &ObjectKey) {
        let Some(placed) = self.objects.get_mut(key) else { return };
        placed.live["metadata"]["finalizers"].take();
        if placed.live["metadata"]["deletionTimestamp"].is_string() {
            self.objects.remove(key);
        }
    }

    /// Removes an object, unless it has a finalizer: false, then.
    fn vanish(&mut self, key: &ObjectKey) -> bool {
        let Some(placed) = self.objects.get_mut(key) else { return true };
        let is_held = placed.live["metadata"]["finalizers"].as_array().is_some_and(|held| !held.is_empty());
        if is_held {
            placed.live["metadata"]["deletionTimestamp"] = "2026-11-02T09:00:00Z".into();
        } else {
            self.objects.remove(key);
        }
        !is_held
    }

    /// A user changes one field, or the API server fills it in.
    pub fn set(&mut self, key: &ObjectKey, pointer: &str, value: Value, now: Timestamp) {
        let Some(placed) = self.objects.get(key) else { return };
        let mut object = placed.live.clone();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[field.replace("~1", "/")] = value;
        let managers = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        self.put(key, object, managers, now);
    }

    /// Server-side apply without force.
    pub fn apply(&mut self, key: &ObjectKey, body: &Value, now: Timestamp) -> Result<(), String> {
        let (object, managers) = self.applied(key, body, false)?;
        self.put(key, object, managers, now);
        Ok(())
    }

    /// The object as it would be; by force where it is to be taken over first.
    pub fn try_apply(&self, key: &ObjectKey, body: &Value, force: bool) -> Result<Value, String> {
        let (mut object, managers) = self.applied(key, body, force)?;
        object["metadata"]["managedFields"] = managers.into();
        Ok(object)
    }

    pub fn patch(&mut self, key: &ObjectKey, patch: Value, now: Timestamp) -> Result<(), String> {
        if let Some(why) = self.failure(key) {
            return Err(why);
        }
        let patch: json_patch::Patch = serde_json::from_value(patch).unwrap();
        let Some(placed) = self.objects.get(key) else { return Err(format!("{key} is not there")) };
        let mut object = placed.live.clone();
        json_patch::patch(&mut object, &patch).map_err(|error| error.to_string())?;
        let managers = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        self.put(key, object, managers, now);
        Ok(())
    }

    pub fn delete(&mut self, key: &ObjectKey, uid: &str) -> Result<(), String> {
        if let Some(why) = self.undeletable.get(key).cloned().or_else(|| self.failure(key)) {
            return Err(why);
        }
        if self.objects.get(key).is_some_and(|placed| placed.live["metadata"]["uid"] == uid) {
            self.vanish(key);
            self.counts.entry(key.clone()).or_default().deleted += 1;
        }
        Ok(())
    }

    /// The pods of a workload crash from now on, until it has another template.
    pub fn break_pods(&mut self, key: &ObjectKey, now: Timestamp) {
        if let Some(placed) = self.objects.get_mut(key) {
            placed.broken = Some(now);
        }
    }

    fn applied(&self, key: &ObjectKey, body: &Value, force: bool) -> Result<(Value, Vec<Value>), String> {
        if let Some(why) = self.refused.get(key).cloned().or_else(|| self.failure(key)) {
            return Err(why);
        }
        if self.refuses_tests && body["metadata"]["annotations"]["towpath.dev/promotion"].is_string() {
            return Err(format!("{key}: no more Jobs"));
        }
        let address = body.pointer("/spec/clusterIP").and_then(Value::as_str);
        if address.is_some_and(|address| self.taken.contains(address)) {
            return Err(format!("{key}: the address is allocated already"));
        }
        let mine = entry(body, "towpath", "Apply");
        let Some(placed) = self.objects.get(key) else { return Ok((body.clone(), vec![mine])) };
        let wanted = body.pointer("/metadata/resourceVersion");
        if wanted.is_some_and(|version| *version != placed.live["metadata"]["resourceVersion"]) {
            return Err(format!("{key}: the object has been modified"));
        }
        let managers = placed.live["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let (ours, mut others): (Vec<Value>, Vec<Value>) =
            managers.into_iter().partition(|entry| entry["manager"] == "towpath");
        for other in others.iter().filter(|_| !force) {
            if let Some(field) = conflict(&other["fieldsV1"], body, &placed.live) {
                return Err(format!("{key}: conflict with {} over {field}", other["manager"]));
            }
        }
        let mut object = placed.live.clone();
        let mut mine = mine;
        for owned in &ours {
            let kept: Vec<&Value> = others.iter().map(|other| &other["fieldsV1"]).collect();
            prune(&mut object, &owned["fieldsV1"], &mine["fieldsV1"], &kept);
        }
        merge(&mut object, body);
        if object["immutable"] == true && object["data"] != placed.live["data"] {
            return Err(format!("{key} is immutable"));
        }
        if object == placed.live {
            mine["time"] = ours.first().map_or(Value::Null, |owned| owned["time"].clone());
        }
        others.push(mine);
        Ok((object, others))
    }

    /// Another manager sets a field of an object, and owns it then.
    pub fn take(&mut self, key: &ObjectKey, pointer: &str, value: Value, manager: &str, now: Timestamp) {
        let Some(placed) = self.objects.get(key) else { return };
        let mut change = value;
        for field in pointer.rsplit('/').filter(|field| !field.is_empty()) {
            change = json!({ field: change });
        }
        let mut object = placed.live.clone();
        merge(&mut object, &change);
        change["apiVersion"] = object["apiVersion"].clone();
        let entry = entry(&change, manager, "Update");
        let mut managers = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        managers.iter_mut().for_each(|other| disown(&mut other["fieldsV1"], &entry["fieldsV1"]));
        managers.push(entry);
        self.put(key, object, managers, now);
    }

    fn put(&mut self, key: &ObjectKey, mut object: Value, managers: Vec<Value>, now: Timestamp) {
        self.serial += 1;
        let before = self.objects.get(key).cloned();
        if matches!(key.kind(), "Deployment" | "StatefulSet") && object["spec"]["replicas"].is_null() {
            object["spec"]["replicas"] = 1.into();
        }
        let uid = before.as_ref().map(|placed| placed.live["metadata"]["uid"].clone());
        object["metadata"]["uid"] =
            uid.unwrap_or_else(|| json!(format!("uid-{}-{}", key.name(), self.serial)));
        let dated = managers.into_iter().map(|mut entry| {
            if entry["time"].is_null() {
                entry["time"] = Timestamp::from_second(now.as_second()).unwrap().to_string().into();
            }
            entry
        });
        object["metadata"]["managedFields"] = dated.collect();
        object["metadata"]["resourceVersion"] = json!(self.serial.to_string());
        let old = before.as_ref().map(|placed| &placed.live);
        let generation = old.and_then(|old| old["metadata"]["generation"].as_i64()).unwrap_or_default();
        let is_newer = old.is_none_or(|old| old["spec"] != object["spec"]);
        object["metadata"]["generation"] = json!(generation + i64::from(is_newer));
        let counts = self.counts.entry(key.clone()).or_default();
        let (mut template_since, mut spec_since, mut older, mut broken) = (now, now, 0, None);
        match &before {
            None => counts.created += 1,
            Some(placed) => {
                (template_since, spec_since, older, broken) =
                    (placed.template_since, placed.spec_since, placed.older, placed.broken);
                if placed.live["spec"] != object["spec"] {
                    spec_since = now;
                }
                if is_paused(&placed.live) && !is_paused(&object) {
                    template_since = now;
                }
                if placed.live["spec"]["template"] != object["spec"]["template"] {
                    counts.template_changes += 1;
                    older = available(placed, &self.name, now);
                    (template_since, broken) = (now, None);
                }
            }
        }
        self.objects.insert(key.clone(), Placed { live: object, template_since, spec_since, older, broken });
    }

    /// The Jobs, and when each was created.
    pub fn jobs(&self) -> impl Iterator<Item = (&ObjectKey, &Value, Timestamp)> {
        let jobs = self.objects.iter().filter(|(key, _)| key.kind() == "Job");
        jobs.map(|(key, placed)| (key, &placed.live, placed.template_since))
    }

    /// Every workload as its controller and the kubelet show it, and disruptions that were recorded.
    pub fn workloads(&self, recorded: &[Disruption], now: Timestamp) -> BTreeMap<ObjectKey, Workload> {
        let is_workload = |key: &ObjectKey| matches!(key.kind(), "Deployment" | "StatefulSet" | "Job");
        let is_there =
            |key: &ObjectKey, placed: &Placed| is_workload(key) && !is_expired(placed, &self.name, now);
        let all = self.objects.iter().filter(|(key, placed)| is_there(key, placed));
        all.map(|(key, placed)| (key.clone(), workload(key, placed, &self.name, recorded, now))).collect()
    }

    /// Since when the Deployment of this name has its template, and the word in the name of its image.
    pub fn running(&self, name: &str) -> Option<(Timestamp, String)> {
        let (_, placed) =
            self.objects.iter().find(|(key, _)| key.kind() == "Deployment" && key.name() == name)?;
        Some((placed.template_since, word(&placed.live)))
    }

    /// When something changes next without anybody writing.
    pub fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let moments =
            self.objects.iter().filter(|(key, _)| key.kind() != "ConfigMap").flat_map(|(_, placed)| {
                let fate = fate(placed, &self.name);
                let (disrupted, gone) = disrupted(&placed.live).unzip();
                let pods = [fate.ready, fate.crash, disrupted, gone].into_iter().flatten();
                pods.map(|seconds| after(placed.template_since, seconds)).chain([after(placed.spec_since, 1)])
            });
        moments.filter(|at| *at > now).min()
    }
}

/// Whether a Job has been removed some seconds after it finished, as its spec says.
fn is_expired(placed: &Placed, namespace: &str, now: Timestamp) -> bool {
    let ttl = placed.live.pointer("/spec/ttlSecondsAfterFinished").and_then(Value::as_i64);
    let fate = fate(placed, namespace);
    let finished = fate.crash.or(fate.ready);
    ttl.zip(finished).is_some_and(|(ttl, finished)| now >= after(placed.template_since, finished + ttl))
}

fn fate(placed: &Placed, namespace: &str) -> Fate {
    let broken = placed.broken.map(|at| at.duration_since(placed.template_since).as_secs());
    Fate::of(&placed.live, namespace, broken)
}

fn after(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

fn desired(placed: &Placed) -> i32 {
    placed.live["spec"]["replicas"].as_i64().unwrap_or(1) as i32
}

fn is_paused(live: &Value) -> bool {
    live["spec"]["paused"] == true
}

fn is_ready(placed: &Placed, fate: &Fate, now: Timestamp) -> bool {
    if is_paused(&placed.live) {
        return false;
    }
    let passed =
        |seconds: Option<i64>| seconds.is_some_and(|seconds| now >= after(placed.template_since, seconds));
    passed(fate.ready) && !passed(fate.crash)
}

fn available(placed: &Placed, namespace: &str, now: Timestamp) -> i32 {
    if is_ready(placed, &fate(placed, namespace), now) { desired(placed) } else { placed.older }
}
