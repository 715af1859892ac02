//! What stands where, followed by watches: the last state of every object, and when each thing was first seen.

use crate::screen::Screen;
use crate::telling::Teller;
use anyhow::{Context, Result};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use towpath::api::{Environment, Promotion, PromotionKind, PromotionPhase, READY, Release};

pub const PROJECT: &str = "shop";
/// The namespaces that are written to.
pub const TARGETS: [&str; 2] = ["shop-staging", "shop-prod"];

/// The objects by name, as last seen.
#[derive(Clone, Default)]
pub struct Board {
    pub releases: BTreeMap<String, Release>,
    pub environments: BTreeMap<String, Environment>,
    pub promotions: BTreeMap<String, Promotion>,
    /// When a promotion was first seen in a phase.
    pub phases: BTreeMap<(String, PromotionPhase), Timestamp>,
    /// Crashes by namespace: when seen, and how often the container had ended by then.
    pub crashes: BTreeMap<String, Vec<(Timestamp, i32)>>,
}

impl Board {
    /// The newest promotion of that kind.
    pub fn promotion(&self, environment: &str, release: &str, kind: PromotionKind) -> Option<&Promotion> {
        let wanted = |promotion: &&Promotion| {
            let spec = &promotion.spec;
            (spec.environment.as_str(), spec.release.as_str(), spec.kind) == (environment, release, kind)
        };
        self.promotions.values().filter(wanted).max_by_key(|promotion| promotion.creation_timestamp())
    }

    pub fn phase(&self, environment: &str, release: &str, kind: PromotionKind) -> Option<PromotionPhase> {
        let status = self.promotion(environment, release, kind)?.status.as_ref()?;
        Some(status.phase)
    }

    /// Whether the environment says so of itself.
    pub fn ready(&self, environment: &str) -> bool {
        let status = self.environments.get(environment).and_then(|environment| environment.status.as_ref());
        let mut conditions = status.into_iter().flat_map(|status| &status.conditions);
        conditions.any(|condition| condition.type_ == READY && condition.status == "True")
    }

    /// Whether a namespace has a crash since that moment.
    pub fn crashed(&self, namespace: &str, since: Timestamp) -> bool {
        self.crashes.get(namespace).is_some_and(|crashes| crashes.iter().any(|(at, _)| *at >= since))
    }
}

/// Follows the objects and tells what changes.
pub struct Follower {
    board: watch::Receiver<Board>,
}

impl Follower {
    pub fn start(client: Client, screen: Arc<Screen>) -> Self {
        let (sender, board) = watch::channel(Board::default());
        let teller = Arc::new(Teller::new(screen));
        let told = |change: fn(&Teller, &Board, &str)| {
            let (teller, sender) = (Arc::clone(&teller), sender.clone());
            move |name: &str| {
                let board = sender.borrow().clone();
                change(&teller, &board, name);
                teller.live(&board);
            }
        };
        let project = client.clone();
        follow(
            Api::namespaced(project.clone(), PROJECT),
            sender.clone(),
            insert_release,
            told(Teller::release),
        );
        follow(
            Api::namespaced(project.clone(), PROJECT),
            sender.clone(),
            insert_environment,
            told(Teller::environment),
        );
        follow(Api::namespaced(project, PROJECT), sender.clone(), insert_promotion, told(Teller::promotion));
        for namespace in TARGETS {
            follow(Api::namespaced(client.clone(), namespace), sender.clone(), insert_crash, |_| {});
        }
        Self { board }
    }

    pub fn board(&self) -> Board {
        self.board.borrow().clone()
    }

    /// Waits until the board says so. An error of `ask` ends the wait: what it waits for cannot come any more.
    pub async fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        ask: impl Fn(&Board) -> Result<Option<T>>,
    ) -> Result<T> {
        let mut board = self.board.clone();
        let wait = async {
            loop {
                if let Some(found) = ask(&board.borrow_and_update())? {
                    return Ok(found);
                }
                board.changed().await.context("nothing is followed any more")?;
            }
        };
        let late = || format!("waited {} s for {what}", limit.as_secs());
        tokio::time::timeout(limit, wait).await.with_context(late)?
    }
}

/// One watch, for as long as the demo runs.
fn follow<K>(
    api: Api<K>,
    board: watch::Sender<Board>,
    insert: fn(&mut Board, K),
    told: impl Fn(&str) + Send + 'static,
) where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    tokio::spawn(async move {
        let objects = watcher(api, watcher::Config::default()).default_backoff().applied_objects();
        let mut objects = std::pin::pin!(objects);
        while let Some(object) = objects.next().await {
            // A watch that fails begins again by itself.
            let Ok(object) = object else { continue };
            let name = object.name_any();
            // Told before anyone who waits goes on.
            board.send_if_modified(|board| {
                insert(board, object);
                false
            });
            told(&name);
            board.send_modify(|_| {});
        }
    });
}

fn insert_release(board: &mut Board, release: Release) {
    board.releases.insert(release.name_any(), release);
}

fn insert_environment(board: &mut Board, environment: Environment) {
    board.environments.insert(environment.name_any(), environment);
}

fn insert_promotion(board: &mut Board, promotion: Promotion) {
    let name = promotion.name_any();
    if let Some(status) = &promotion.status {
        board.phases.entry((name.clone(), status.phase)).or_insert_with(Timestamp::now);
    }
    board.promotions.insert(name, promotion);
}

fn insert_crash(board: &mut Board, pod: Pod) {
    // A container that is told to stop may end in any way.
    if pod.metadata.deletion_timestamp.is_some() {
        return;
    }
    let containers = pod.status.and_then(|status| status.container_statuses).unwrap_or_default();
    let namespace = pod.metadata.namespace.unwrap_or_default();
    for container in containers.iter().filter(|container| has_crashed(container)) {
        board.crashes.entry(namespace.clone()).or_default().push((Timestamp::now(), exits(container)));
    }
}

/// How often the container has ended: once more than it was restarted, while it is down.
fn exits(container: &ContainerStatus) -> i32 {
    let is_down = container.state.as_ref().is_some_and(|state| state.running.is_none());
    container.restart_count + i32::from(is_down)
}

/// Whether the container has ended with an error: now, or before its last restart.
fn has_crashed(container: &ContainerStatus) -> bool {
    let states = [&container.state, &container.last_state];
    let mut ends = states.into_iter().flatten().filter_map(|state| state.terminated.as_ref());
    ends.any(|end| end.exit_code != 0)
}
