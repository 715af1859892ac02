//! Watches the objects that a view shows, with the rights of the user.
//!
//! Invariants: there is one watch per kind and namespace, so the number of requests does not grow with the number of objects. An object
//! that cannot be decoded does not hide the others. A watch that ended is opened again. An error is returned once waiting cannot help.

use super::reader::{Reader, explained};
use super::standing::Standing;
use super::unreadable::{self, Unreadable};
use crate::api::NamespaceName;
use crate::cluster::backoff::Backoff;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::any::Any;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// The API server ends a watch after this time, in seconds: before the connection counts as dead.
const SERVER_TIMEOUT: u32 = 25;
/// Pauses after errors: the first and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How long an API server may be away.
const AWAY: Duration = Duration::from_secs(60);
/// How long an API server may refuse: one that starts refuses until it knows the roles and the kinds.
const REFUSING: Duration = Duration::from_secs(8);
/// When a view that can do without is asked for again after a refusal.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// Changes within this time are shown together.
const TOGETHER: Duration = Duration::from_millis(100);

/// Objects of several kinds, as the API server last said.
pub struct Live {
    reader: Reader,
    watches: BTreeMap<Key, Watch>,
    changes: Arc<Changes>,
}

/// What changed in any of the watches.
#[derive(Default)]
struct Changes {
    notify: Notify,
    count: AtomicU64,
}

impl Changes {
    fn another(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
        self.notify.notify_one();
    }
}

/// An object of its kind, or why it cannot be decoded.
type Decoded = Result<Arc<dyn Any + Send + Sync>, String>;

fn decode<K: Resource<DynamicType = ()> + DeserializeOwned + Send + Sync + 'static>(
    object: DynamicObject,
) -> Decoded {
    match object.try_parse::<K>() {
        Ok(object) => Ok(Arc::new(object)),
        Err(error) => Err(error.to_string()),
    }
}

/// Kind in plural, and namespace.
type Key = (String, String);

struct Watch {
    seen: Arc<Mutex<Seen>>,
    /// Whether the view can do without.
    optional: bool,
    /// Kind of the objects.
    kind: String,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    /// By name. None until they were listed once.
    objects: Option<BTreeMap<String, Decoded>>,
    failing: Option<Failing>,
}

impl Seen {
    /// The objects that cannot be decoded.
    fn undecodable(&self) -> Vec<Unreadable> {
        let objects = self.objects.iter().flatten();
        objects.filter_map(|(name, object)| Some((name.clone(), object.as_ref().err()?.clone()))).collect()
    }
}

/// An error that no answer followed yet.
struct Failing {
    since: Instant,
    patience: Duration,
    message: String,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watch {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// Without watches.
    pub fn new(reader: &Reader) -> Self {
        Self { reader: reader.clone(), watches: BTreeMap::new(), changes: Arc::default() }
    }

    /// Watches the objects of a kind that a field selector selects. An empty selector selects all.
    pub fn watch<K>(&mut self, selector: &str)
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + Send + Sync + 'static,
    {
        let namespace = self.reader.project.to_string();
        self.start::<K>(namespace, selector, false);
    }

    /// Watches all objects of a kind of the cluster. A user who may not read them sees the others.
    pub fn watch_cluster<K>(&mut self)
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + Send + Sync + 'static,
    {
        self.start::<K>(String::new(), "", true);
    }

    /// `namespace` is empty for a kind of the cluster.
    fn start<K>(&mut self, namespace: String, selector: &str, optional: bool)
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + Send + Sync + 'static,
    {
        let resource = ApiResource::erase::<K>(&());
        let client = self.reader.client().clone();
        let api = match namespace.as_str() {
            "" => Api::all_with(client, &resource),
            namespace => Api::namespaced_with(client, namespace, &resource),
        };
        let config = watcher::Config::default().timeout(SERVER_TIMEOUT);
        let config = if selector.is_empty() { config } else { config.fields(selector) };
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (key, kind) = ((resource.plural, namespace), resource.kind);
        let follower = Follower {
            seen: Arc::clone(&seen),
            changes: Arc::clone(&self.changes),
            decode: decode::<K>,
            plural: key.0.clone(),
            namespace: key.1.clone(),
            optional,
        };
        let task = tokio::spawn(follower.follow(api, config));
        self.watches.insert(key, Watch { seen, optional, kind, task });
    }

    /// Watches the pods of just these namespaces.
    pub fn watch_pods(&mut self, namespaces: &[NamespaceName]) {
        let pods = Pod::plural(&());
        let is_named = |namespace: &String| namespaces.iter().any(|named| named == namespace);
        self.watches.retain(|(plural, namespace), _| *plural != pods || is_named(namespace));
        for namespace in namespaces {
            if !self.watches.contains_key(&(pods.to_string(), namespace.to_string())) {
                self.start::<Pod>(namespace.to_string(), "", true);
            }
        }
    }

    /// The objects of a kind.
    pub fn objects<K>(&self) -> Vec<Arc<K>>
    where
        K: Resource<DynamicType = ()> + Send + Sync + 'static,
    {
        self.in_namespace(&self.reader.project)
    }

    /// The objects of a kind of the cluster. None if the user may not read them.
    pub fn of_cluster<K>(&self) -> Option<Vec<Arc<K>>>
    where
        K: Resource<DynamicType = ()> + Send + Sync + 'static,
    {
        let watch = self.watches.get(&(K::plural(&()).to_string(), String::new()))?;
        let is_listed = watch.seen().objects.is_some();
        is_listed.then(|| self.in_namespace(""))
    }

    /// The objects of a kind that cannot be decoded.
    pub fn undecodable<K: Resource<DynamicType = ()>>(&self) -> Vec<Unreadable> {
        let watch = self.watches.get(&(K::plural(&()).to_string(), self.reader.project.to_string()));
        watch.map(|watch| watch.seen().undecodable()).unwrap_or_default()
    }

    /// A number that grows with each change.
    pub fn generation(&self) -> u64 {
        self.changes.count.load(Ordering::Acquire)
    }

    /// The pods of a namespace, or why they are not shown.
    pub fn pods(&self, namespace: &str) -> Result<Vec<Pod>, String> {
        let watch = self.watches.get(&(Pod::plural(&()).to_string(), namespace.to_owned()));
        let failed = watch.and_then(|watch| {
            let seen = watch.seen();
            seen.failing.as_ref().filter(|failing| failing.patience == REFUSING).map(|_| ())
        });
        match failed {
            Some(()) => Err(super::reader::without_pods(namespace)),
            None => Ok(self.in_namespace(namespace).iter().map(|pod: &Arc<Pod>| Pod::clone(pod)).collect()),
        }
    }

    fn in_namespace<K>(&self, namespace: &str) -> Vec<Arc<K>>
    where
        K: Resource<DynamicType = ()> + Send + Sync + 'static,
    {
        let Some(watch) = self.watches.get(&(K::plural(&()).to_string(), namespace.to_owned())) else {
            return Vec::new();
        };
        let seen = watch.seen();
        let decoded = seen.objects.iter().flatten().filter_map(|(_, object)| object.as_ref().ok());
        decoded.filter_map(|object| Arc::clone(object).downcast().ok()).collect()
    }

    /// Why an object cannot be decoded. None if it can.
    pub fn unreadable<K: Resource<DynamicType = ()>>(&self, name: &str) -> Option<String> {
        let (_, error) = self.undecodable::<K>().into_iter().find(|(other, _)| other == name)?;
        Some(unreadable::one(&K::kind(&()), name, &error))
    }

    /// What keeps the view from being current and whole: in a line for a terminal. In a pipe, what is left out is said on stderr.
    pub fn note(&self, is_terminal: bool) -> Option<String> {
        let lacking = self.watches.iter().filter_map(|((plural, _), watch)| {
            unreadable::sentence(&watch.kind, plural, &watch.seen().undecodable())
        });
        match is_terminal {
            true => {
                self.trouble().or_else(|| lacking.map(|sentence| format!("not shown: {sentence}")).next())
            }
            false => {
                lacking.for_each(|sentence| self.reader.not_shown(sentence));
                None
            }
        }
    }

    /// Waits for a change. Returns an error once the objects can no longer be seen.
    pub async fn change(&self) -> anyhow::Result<()> {
        loop {
            let soonest = self.patience().map_err(anyhow::Error::msg)?;
            if tokio::time::timeout(soonest, self.changes.notify.notified()).await.is_err() {
                continue;
            }
            tokio::time::sleep(TOGETHER).await;
            if self.are_listed() {
                return Ok(());
            }
        }
    }

    /// How current the objects are.
    pub fn standing(&self) -> Standing {
        match (self.patience(), self.are_listed(), self.trouble()) {
            (Err(message), _, _) => Standing::Lost(message),
            (Ok(_), false, _) => Standing::Listing,
            (Ok(_), true, Some(message)) => Standing::Behind(message),
            (Ok(_), true, None) => Standing::Current,
        }
    }

    /// How long an error may last from now on, or the one that lasted too long.
    fn patience(&self) -> Result<Duration, String> {
        let mut soonest = AWAY;
        for watch in self.needed() {
            let seen = watch.seen();
            let Some(failing) = &seen.failing else { continue };
            let left = failing.patience.saturating_sub(failing.since.elapsed());
            if left.is_zero() {
                return Err(failing.message.clone());
            }
            soonest = soonest.min(left);
        }
        Ok(soonest)
    }

    fn are_listed(&self) -> bool {
        self.needed().all(|watch| watch.seen().objects.is_some())
    }

    fn needed(&self) -> impl Iterator<Item = &Watch> {
        self.watches.values().filter(|watch| !watch.optional)
    }

    /// What keeps the objects from being current.
    fn trouble(&self) -> Option<String> {
        self.needed().filter_map(|watch| Some(watch.seen().failing.as_ref()?.message.clone())).next()
    }
}

/// Keeps what was seen of one kind current.
struct Follower {
    seen: Arc<Mutex<Seen>>,
    changes: Arc<Changes>,
    decode: fn(DynamicObject) -> Decoded,
    plural: String,
    namespace: String,
    optional: bool,
}

impl Follower {
    /// Opens the watch again after each error, with a new list: whatever the error was, nothing is missed.
    async fn follow(self, api: Api<DynamicObject>, config: watcher::Config) {
        let mut backoff = Backoff::new(PAUSES.0, PAUSES.1);
        loop {
            let mut stream = pin!(watcher(api.clone(), config.clone()));
            let mut listing = BTreeMap::new();
            let mut is_refused = false;
            while let Some(event) = stream.next().await {
                match event {
                    Ok(event) => {
                        if matches!(event, Event::Apply(_) | Event::Delete(_)) {
                            backoff.reset();
                        }
                        self.take(event, &mut listing);
                    }
                    Err(error) => {
                        is_refused = self.failed(error) == Some(REFUSING) && self.optional;
                        break;
                    }
                }
            }
            tokio::time::sleep(if is_refused { ASK_AGAIN } else { backoff.next_delay() }).await;
        }
    }

    fn take(&self, event: Event<DynamicObject>, listing: &mut BTreeMap<String, Decoded>) {
        let decoded = |object: DynamicObject| (object.name_any(), (self.decode)(object));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => {
                listing.clear();
                return;
            }
            Event::InitApply(object) => {
                listing.extend([decoded(object)]);
                return;
            }
            Event::InitDone => seen.objects = Some(std::mem::take(listing)),
            Event::Apply(object) => seen.objects.get_or_insert_default().extend([decoded(object)]),
            Event::Delete(object) => _ = seen.objects.get_or_insert_default().remove(&object.name_any()),
        }
        seen.failing = None;
        drop(seen);
        self.changes.another();
    }

    /// Notes an error. Returns how long it is waited out; none if it is no more than a reason to list again.
    fn failed(&self, error: watcher::Error) -> Option<Duration> {
        let error = match error {
            watcher::Error::InitialListFailed(error)
            | watcher::Error::WatchStartFailed(error)
            | watcher::Error::WatchFailed(error) => error,
            watcher::Error::WatchError(status) => kube::Error::Api(status),
            // The list is made again.
            watcher::Error::NoResourceVersion => return None,
        };
        let code = crate::cluster::error::code_of(&error);
        let patience = match code {
            Some(410 | 504) => return None,
            Some(401 | 403 | 404) => REFUSING,
            Some(_) | None => AWAY,
        };
        let message = format!("{:#}", explained(&self.plural, &self.namespace, error));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.failing.take();
        let is_same = |before: &Failing| before.patience == patience;
        let since = before.filter(is_same).map_or_else(Instant::now, |before| before.since);
        seen.failing = Some(Failing { since, patience, message });
        drop(seen);
        self.changes.another();
        Some(patience)
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
