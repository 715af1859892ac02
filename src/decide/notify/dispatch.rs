//! Which notices are new, and for whom.
//!
//! Invariant: a notice is added to an outbox once. What an object showed before a channel was known is added only if it happened after the
//! cursor of the channel, so old objects are not reported when a channel is created or an environment begins to use one.

use super::audience::Audience;
use super::notice::Notice;
use super::outbox::{Failure, Outbox};
use crate::api::{Channel, ChannelStatus, Meta};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// The outboxes of all channels.
#[derive(Clone, Debug, Default)]
pub struct Dispatch {
    audience: Audience,
    outboxes: BTreeMap<String, Outbox>,
    /// Channels that were not offered every notice yet.
    new: BTreeSet<String>,
    /// The notices that were offered, as hashes of the object and of the notice: there are tens of thousands.
    seen: BTreeSet<(u64, u64)>,
    /// The number of notices that were dropped because channels or environments changed, until it is reported.
    dropped: u64,
}

/// What came of an offer: the channels that have to send it, and how many notices were dropped for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// The channels.
    pub to: Vec<String>,
    /// The number of notices that were dropped.
    pub dropped: u64,
}

impl Dispatch {
    /// Takes over channels and environments. Returns whether every notice has to be offered again, because a channel is new.
    pub fn observe(&mut self, channels: &[Arc<Channel>], audience: Audience, now: Timestamp) -> bool {
        for (name, outbox) in &mut self.outboxes {
            if !audience.is_same(&self.audience, name) {
                self.dropped += outbox.audience_changed(|notice| audience.wants(name, notice), now);
            }
        }
        self.audience = audience;
        let current: BTreeMap<&str, &Arc<Channel>> =
            channels.iter().filter(|channel| !channel.deleting()).map(|it| (it.name(), it)).collect();
        self.outboxes.retain(|name, outbox| current.get(name.as_str()).is_some_and(|it| outbox.is_of(it)));
        if self.outboxes.is_empty() {
            self.seen.clear();
        }
        for (name, channel) in current {
            if !self.outboxes.contains_key(name) {
                self.outboxes.insert(name.to_owned(), Outbox::new(channel, now));
                self.new.insert(name.to_owned());
            }
        }
        self.new.retain(|name| self.outboxes.contains_key(name));
        !self.new.is_empty()
    }

    /// Every notice was offered to the channels that are new. Returns how many notices were dropped because channels or environments changed.
    pub fn caught_up(&mut self) -> u64 {
        for name in std::mem::take(&mut self.new) {
            self.dropped += self.outboxes.get_mut(&name).map_or(0, Outbox::caught_up);
        }
        std::mem::take(&mut self.dropped)
    }

    /// The names of the channels.
    pub fn channels(&self) -> impl Iterator<Item = &String> {
        self.outboxes.keys()
    }

    /// Adds a notice to the outboxes that have to send it.
    pub fn offer(&mut self, notice: &Notice) -> Offered {
        let mut offered = Offered::default();
        if self.outboxes.is_empty() {
            return offered;
        }
        let is_new = self.seen.insert(key(&notice.id));
        for (name, outbox) in &mut self.outboxes {
            let is_due = match self.new.contains(name) {
                true => notice.at >= outbox.begins(),
                false => is_new,
            };
            if is_due && self.audience.wants(name, notice) {
                offered.dropped += outbox.add(notice.clone());
                offered.to.push(name.clone());
            }
        }
        offered
    }

    /// Forgets an object that is gone.
    pub fn forget(&mut self, uid: &str) {
        let object = hash(uid);
        let gone: Vec<(u64, u64)> = self.seen.range((object, 0)..=(object, u64::MAX)).copied().collect();
        for key in gone {
            self.seen.remove(&key);
        }
    }

    /// The notice that a channel sends next.
    pub fn next(&self, channel: &str) -> Option<Notice> {
        self.outboxes.get(channel)?.next().cloned()
    }

    /// A notice was accepted.
    pub fn sent(&mut self, channel: &str, id: &str, now: Timestamp) {
        if let Some(outbox) = self.outboxes.get_mut(channel) {
            outbox.sent(id, now);
        }
    }

    /// A notice was not accepted. Returns whether it was dropped.
    pub fn failed(&mut self, channel: &str, id: &str, failure: &Failure, now: Timestamp) -> bool {
        self.outboxes.get_mut(channel).is_some_and(|outbox| outbox.failed(id, failure, now))
    }

    /// The status of a channel that has to be written now. None for a channel that was not offered every notice yet: it would say that nothing
    /// waits.
    pub fn report(&self, channel: &Channel, now: Timestamp) -> Option<ChannelStatus> {
        if self.new.contains(channel.name()) {
            return None;
        }
        let outbox = self.outboxes.get(channel.name()).filter(|outbox| outbox.is_of(channel))?;
        outbox.report(channel, now)
    }

    /// The status of a channel was written.
    pub fn recorded(&mut self, channel: &str, status: &ChannelStatus, now: Timestamp) {
        if let Some(outbox) = self.outboxes.get_mut(channel) {
            outbox.recorded(status, now);
        }
    }

    /// How long a channel has nothing to write, if nothing happens.
    pub fn rests_for(&self, channel: &Channel, now: Timestamp) -> Option<SignedDuration> {
        self.outboxes.get(channel.name())?.rests_for(channel, now)
    }
}

/// The hashes of the object and of the notice.
fn key(id: &str) -> (u64, u64) {
    let uid = id.split_once('.').map_or(id, |(uid, _)| uid);
    (hash(uid), hash(id))
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
