//! Which object is reconciled next. An object is never reconciled twice at a time, nor are two objects of one environment;
//! projects take turns.
//!
//! ```text
//!   change, wake-up -> waiting (by project) -> running (bounded) -> done, or requeued
//! ```

use crate::api::{EnvironmentId, ProjectName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::time::{DelayQueue, delay_queue};

/// The longest delay: timers have a limit. An object with a longer delay is reconciled once in between.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// An object to reconcile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its kind.
    pub kind: Kind,
    /// Its project. Empty for an object without a namespace.
    pub namespace: ProjectName,
    /// Its name.
    pub name: String,
    /// Objects of one environment are reconciled one after the other.
    pub group: Option<EnvironmentId>,
}

/// The reconciled kinds, by priority. Promotions are first, so that a failing one is seen before other work, then recalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A Promotion.
    Promotion,
    /// A Recall.
    Recall,
    /// The published freezes: one object for the whole cluster.
    Freezes,
    /// An Environment.
    Environment,
    /// An Approval.
    Approval,
    /// A RollbackPolicy.
    Policy,
    /// A CheckProvider.
    Provider,
    /// A Release.
    Release,
}

impl Kind {
    /// Its name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Promotion => "Promotion",
            Self::Recall => "Recall",
            Self::Freezes => "Freezes",
            Self::Environment => "Environment",
            Self::Approval => "Approval",
            Self::Policy => "RollbackPolicy",
            Self::Provider => "CheckProvider",
            Self::Release => "Release",
        }
    }
}

/// The queue. Clones share it.
#[derive(Clone, Default)]
pub struct Queue {
    entries: Arc<Mutex<Entries>>,
    changed: Arc<Notify>,
}

#[derive(Default)]
struct Entries {
    /// Waiting, per project; a project moves to the end when one of its objects was taken.
    projects: VecDeque<ProjectName>,
    waiting: BTreeMap<ProjectName, BTreeSet<Key>>,
    running: BTreeSet<Key>,
    groups: BTreeSet<EnvironmentId>,
    /// Changed while running: requeued when done.
    dirty: BTreeSet<Key>,
    delayed: DelayQueue<Key>,
    timers: BTreeMap<Key, delay_queue::Key>,
}

impl Queue {
    fn with<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        change(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Queues an object now.
    pub fn push(&self, key: Key) {
        self.with(|entries| {
            entries.cancel_delay(&key);
            if entries.running.contains(&key) {
                entries.dirty.insert(key);
            } else {
                entries.enqueue(key);
            }
        });
        self.changed.notify_one();
    }

    /// Queues an object at a time, unless it is delayed until an earlier one.
    pub fn push_at(&self, key: Key, at: Instant) {
        let at = at.min(Instant::now() + LONGEST);
        self.with(|entries| match entries.timers.get(&key) {
            Some(timer) if at < entries.delayed.deadline(timer) => entries.delayed.reset_at(timer, at),
            Some(_) => {}
            None => {
                let timer = entries.delayed.insert_at(key.clone(), at);
                entries.timers.insert(key, timer);
            }
        });
    }

    /// Waits for the next object; it counts as running until [`Queue::done`].
    pub async fn next(&self) -> Key {
        loop {
            let changed = self.changed.notified();
            tokio::select! {
                key = poll_fn(|context| self.with(|entries| entries.poll_next(context))) => return key,
                () = changed => {}
            }
        }
    }

    /// The object was reconciled.
    pub fn done(&self, key: &Key) {
        self.with(|entries| {
            entries.running.remove(key);
            if let Some(group) = &key.group {
                entries.groups.remove(group);
            }
            if entries.dirty.remove(key) {
                entries.enqueue(key.clone());
            }
        });
        self.changed.notify_one();
    }

    /// Removes all waiting objects.
    pub fn clear(&self) {
        self.with(|entries| {
            entries.projects.clear();
            entries.waiting.clear();
            entries.dirty.clear();
            entries.delayed.clear();
            entries.timers.clear();
        });
    }
}

impl Entries {
    fn enqueue(&mut self, key: Key) {
        let project = key.namespace.clone();
        let keys = self.waiting.entry(project.clone()).or_default();
        if keys.is_empty() && !self.projects.contains(&project) {
            self.projects.push_back(project);
        }
        keys.insert(key);
    }

    fn cancel_delay(&mut self, key: &Key) {
        if let Some(timer) = self.timers.remove(key) {
            self.delayed.remove(&timer);
        }
    }

    /// Queues the objects that are due, and takes the next one.
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Key> {
        while let Poll::Ready(Some(due)) = self.delayed.poll_expired(context) {
            let key = due.into_inner();
            self.timers.remove(&key);
            match self.running.contains(&key) {
                true => {
                    self.dirty.insert(key);
                }
                false => self.enqueue(key),
            }
        }
        self.take().map_or(Poll::Pending, Poll::Ready)
    }

    fn take(&mut self) -> Option<Key> {
        for _ in 0..self.projects.len() {
            let project = self.projects.pop_front()?;
            let groups = &self.groups;
            let keys = self.waiting.get_mut(&project)?;
            let free = keys
                .iter()
                .find(|key| key.group.as_ref().is_none_or(|group| !groups.contains(group)))
                .cloned();
            if let Some(key) = &free {
                keys.remove(key);
            }
            if keys.is_empty() {
                self.waiting.remove(&project);
            } else {
                self.projects.push_back(project);
            }
            if let Some(key) = free {
                self.groups.extend(key.group.clone());
                self.running.insert(key.clone());
                return Some(key);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(namespace: &str, name: &str, environment: Option<&str>) -> Key {
        Key {
            kind: Kind::Promotion,
            namespace: namespace.into(),
            name: name.into(),
            group: environment
                .map(|name| EnvironmentId { project: namespace.into(), environment: name.into() }),
        }
    }

    #[tokio::test]
    async fn projects_take_turns() {
        let queue = Queue::default();
        for name in ["1", "2", "3"] {
            queue.push(key("busy", name, None));
        }
        queue.push(key("quiet", "1", None));
        let order = [queue.next().await, queue.next().await];
        assert_eq!(order.map(|key| key.namespace), ["busy", "quiet"]);
    }

    #[tokio::test]
    async fn two_of_one_environment_never_run_concurrently() {
        let queue = Queue::default();
        queue.push(key("shop", "a", Some("prod")));
        queue.push(key("shop", "b", Some("prod")));
        let first = queue.next().await;
        let second = tokio::time::timeout(Duration::from_millis(20), queue.next()).await;
        assert!(second.is_err(), "the second had to wait");
        queue.done(&first);
        assert_eq!(queue.next().await.name, "b");
    }

    #[tokio::test]
    async fn a_change_while_running_requeues_the_object() {
        let queue = Queue::default();
        queue.push(key("shop", "a", None));
        let running = queue.next().await;
        queue.push(key("shop", "a", None));
        queue.done(&running);
        assert_eq!(queue.next().await.name, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_of_several_delays_counts() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.push_at(key("shop", "a", None), start + Duration::from_secs(60));
        queue.push_at(key("shop", "a", None), start + Duration::from_secs(5));
        queue.push_at(key("shop", "a", None), start + Duration::from_secs(30));
        queue.next().await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_ends_the_delay_and_a_distant_time_is_capped() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.push_at(key("shop", "a", None), start + Duration::from_secs(60));
        queue.push(key("shop", "a", None));
        queue.done(&queue.next().await);
        queue.push_at(key("shop", "b", None), start + Duration::from_secs(8_000 * 366 * 24 * 3600));
        assert_eq!(
            (queue.next().await.name.as_str(), start.elapsed()),
            ("b", LONGEST),
            "not a after a minute"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_earlier_delay_wakes_a_waiting_caller() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.push_at(key("shop", "a", None), start + Duration::from_secs(60));
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.next().await.name }
        });
        tokio::task::yield_now().await;
        queue.push_at(key("shop", "b", None), start + Duration::from_secs(5));
        assert_eq!(waiting.await.unwrap(), "b");
        assert_eq!(start.elapsed().as_secs(), 5);
    }
}
