//! A project that is watched: one watch per kind, however often it is shown.
//!
//! Invariant: the objects are put together once per change, and shared.

use super::everything::{Everything, Lists};
use super::live::Live;
use super::reader::Reader;
use super::standing::Standing;
use crate::api::{
    Approval, ChangeFreeze, CheckProvider, ClusterChangeFreeze, Environment, NamespaceName, Promotion,
    Recall, Release, Review, RollbackPolicy,
};
use crate::view::record;
use crate::view::status::{Pods, with_pods};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// A project that is watched until this is dropped.
pub struct Followed {
    /// Reads the project.
    pub reader: Reader,
    /// The same with a client that sends each request once, for writes.
    pub writer: Reader,
    live: Live,
    latest: Mutex<Option<(u64, Arc<Snapshot>)>>,
    pods: tokio::sync::Mutex<Option<(Instant, Arc<Pods>)>>,
}

/// How long the pods that were read are shown. They are not watched: only some pages show them.
const PODS: Duration = Duration::from_secs(3);

/// The project at one time.
pub struct Snapshot {
    /// What views show.
    pub everything: Everything,
    /// The objects that it was put together from.
    pub lists: Lists,
    record: OnceLock<record::Objects>,
}

impl Snapshot {
    /// What the record of the project is made of.
    pub fn record(&self) -> &record::Objects {
        self.record.get_or_init(|| self.lists.record())
    }
}

impl Followed {
    /// Starts to watch the project of the reader. `writer`: a reader of the same project that sends each request once.
    pub fn new(reader: Reader, writer: Reader) -> Self {
        let mut live = Live::new(&reader);
        live.watch::<Environment>("");
        live.watch::<Promotion>("");
        live.watch::<Release>("");
        live.watch::<Approval>("");
        live.watch::<RollbackPolicy>("");
        live.watch::<Recall>("");
        live.watch::<Review>("");
        live.watch::<ChangeFreeze>("");
        live.watch_cluster::<ClusterChangeFreeze>();
        live.watch_cluster::<CheckProvider>();
        Self { reader, writer, live, latest: Mutex::default(), pods: tokio::sync::Mutex::default() }
    }

    /// How current the project is.
    pub fn standing(&self) -> Standing {
        self.live.standing()
    }

    /// The project as the API server last said.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        // A change that arrives from here on has a later number.
        let generation = self.live.generation();
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, snapshot)) = latest.as_ref().filter(|(known, _)| *known == generation) {
            return Arc::clone(snapshot);
        }
        let lists = self.lists();
        let everything = lists.everything(&self.reader.project);
        let snapshot = Arc::new(Snapshot { everything, lists, record: OnceLock::new() });
        *latest = Some((generation, Arc::clone(&snapshot)));
        snapshot
    }

    /// The pods of the environments in which something moves or has failed.
    pub async fn pods(&self) -> Arc<Pods> {
        let mut read = self.pods.lock().await;
        if let Some((_, pods)) = read.as_ref().filter(|(at, _)| at.elapsed() < PODS) {
            return Arc::clone(pods);
        }
        let shown = with_pods(&self.snapshot().everything.project);
        let namespaces: Vec<NamespaceName> = shown.values().cloned().collect();
        let found = self.reader.pods(&namespaces).await;
        let pods: Arc<Pods> = Arc::new(shown.into_keys().zip(found).collect());
        *read = Some((Instant::now(), Arc::clone(&pods)));
        pods
    }

    fn lists(&self) -> Lists {
        let live = &self.live;
        let mut undecodable = Vec::new();
        let mut lost = |kind: &'static str, found: Vec<(String, String)>| {
            undecodable.extend(found.into_iter().map(|(name, error)| (kind, name, error)));
        };
        lost("Environment", live.undecodable::<Environment>());
        lost("Release", live.undecodable::<Release>());
        lost("Promotion", live.undecodable::<Promotion>());
        lost("Recall", live.undecodable::<Recall>());
        lost("ChangeFreeze", live.undecodable::<ChangeFreeze>());
        Lists {
            environments: live.objects(),
            promotions: live.objects(),
            releases: live.objects(),
            approvals: live.objects(),
            policies: live.objects(),
            recalls: live.objects(),
            reviews: live.objects(),
            freezes: live.objects(),
            of_cluster: live.of_cluster().zip(live.of_cluster()),
            undecodable,
        }
    }
}
