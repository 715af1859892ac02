//! The objects that changed since they were last looked at.
//!
//! Invariant: nothing is collected while no term runs, so the memory of a replica that waits does not grow.

use crate::api::{ProjectName, ReleaseName};
use crate::cluster::Change;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Changed {
    /// Environments or channels, or what they send.
    Audience,
    /// The status of a channel, or the channel.
    Channel(String),
    /// A promotion.
    Promotion(ProjectName, String),
    /// A release.
    Release(ProjectName, ReleaseName),
    /// A recall.
    Recall(ProjectName, String),
    /// Freezes.
    Freezes,
    /// An object is gone: its UID.
    Gone(String),
}

/// Collects changes. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Inbox(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    changed: Mutex<Option<BTreeSet<Changed>>>,
    woken: Notify,
}

/// Collects until it is dropped.
pub(super) struct Open(Inbox);

impl Inbox {
    /// Notes what a change concerns.
    pub fn on(&self, change: &Change) {
        let changed: Vec<Changed> = match change {
            Change::Release(project, name) => vec![Changed::Release(project.clone(), name.clone())],
            Change::Environment(_, is_news) => is_news.then_some(Changed::Audience).into_iter().collect(),
            Change::Channel(name, is_news) => {
                let audience = is_news.then_some(Changed::Audience);
                [Changed::Channel(name.clone())].into_iter().chain(audience).collect()
            }
            Change::Promotion { project, name, gone, .. } => match gone {
                Some(uid) => vec![Changed::Gone(uid.clone())],
                None => vec![Changed::Promotion(project.clone(), name.clone())],
            },
            Change::Recall { project, name, .. } => vec![Changed::Recall(project.clone(), name.clone())],
            Change::Freeze(_) => vec![Changed::Freezes],
            Change::Policy(..)
            | Change::Provider(_)
            | Change::Channels
            | Change::Approval { .. }
            | Change::Review(..)
            | Change::Admission
            | Change::Namespace(_)
            | Change::Workload(_)
            | Change::Fields(_) => Vec::new(),
        };
        if changed.is_empty() {
            return;
        }
        if let Some(all) = self.lock().as_mut() {
            all.extend(changed);
            self.0.woken.notify_one();
        }
    }

    /// Starts to collect.
    pub(super) fn open(&self) -> Open {
        *self.lock() = Some(BTreeSet::new());
        Open(self.clone())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<BTreeSet<Changed>>> {
        self.0.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Waits for the next changes.
    pub async fn next(&self) -> BTreeSet<Changed> {
        loop {
            let woken = self.0.0.woken.notified();
            let changed = self.0.lock().as_mut().map(std::mem::take).unwrap_or_default();
            if !changed.is_empty() {
                return changed;
            }
            woken.await;
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn changes_are_collected_while_it_is_open() {
        let inbox = Inbox::default();
        let promotion = |name: &str| Change::Promotion {
            project: "shop".into(),
            name: name.to_owned(),
            release: None,
            environment: None,
            application: None,
            gone: None,
        };
        inbox.on(&promotion("early"));
        let open = inbox.open();
        inbox.on(&promotion("prod-shop-1.1.0"));
        inbox.on(&promotion("prod-shop-1.1.0"));
        inbox.on(&Change::Freeze(None));
        inbox.on(&Change::Admission);
        let wanted = Changed::Promotion("shop".into(), "prod-shop-1.1.0".to_owned());
        assert_eq!(open.next().await, BTreeSet::from([wanted, Changed::Freezes]));
        drop(open);
        inbox.on(&promotion("late"));
        assert_eq!(*inbox.lock(), None);
    }
}
