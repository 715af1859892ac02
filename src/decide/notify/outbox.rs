//! What waits for one channel, and how far it has come.

use super::notice::Notice;
use crate::api::{Channel, ChannelFailing, ChannelStatus, Meta, Reason};
use crate::decide::checks::printable;
use crate::decide::conditions::{self, State, seconds};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use std::collections::BTreeMap;

/// How far the cursor stays behind the current time. Longer than a request to the API server may take: an object shows its transition only
/// after the write of it.
pub const MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// The most notices that wait for one channel.
pub const MOST: usize = 1_000;
/// The shortest time between two writes of a cursor.
const APART: SignedDuration = SignedDuration::from_secs(30);
/// How much is sent again if the cursor lies in the future: the clock was set back, by an unknown time.
const SET_BACK: SignedDuration = SignedDuration::from_hours(1);
/// How often a server may refuse one notice, while it accepts others.
const REFUSALS: u32 = 5;
/// The longest text of an error.
const ERROR: usize = 1_000;

/// Why a notice was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The error.
    pub message: String,
    /// Whether the server refuses this notice. It may accept others.
    pub is_refusal: bool,
}

/// The order in which notices are sent: rollbacks first, then those that were refused least, then the oldest. What was refused often comes
/// after everything else.
type Rank = (bool, bool, u32, Timestamp, String);

/// The notices of one channel.
#[derive(Clone, Debug)]
pub struct Outbox {
    uid: String,
    begins: Timestamp,
    waiting: BTreeMap<Rank, Notice>,
    /// The number of deliveries, and its value when each refused notice was first refused.
    deliveries: u64,
    refused: BTreeMap<String, u64>,
    recorded: Option<Timestamp>,
    written: Option<Timestamp>,
    /// The time of the first delivery that the recorded cursor does not cover, and of the newest one.
    uncovered: Option<(Timestamp, Timestamp)>,
    /// Whether an environment began to use the channel since the cursor was recorded: what it did before is not sent after a restart.
    has_new_audience: bool,
    failing: Option<(Timestamp, String)>,
    has_delivered: bool,
    dropped: i64,
}

impl Outbox {
    /// Of a channel, with what its status says. A channel without a cursor begins when it was created.
    pub fn new(channel: &Channel, now: Timestamp) -> Self {
        let status = channel.status.clone().unwrap_or_default();
        let through = status.through.map(|time| time.0);
        let begins = match through {
            Some(through) if through > now => now.checked_sub(SET_BACK).unwrap_or(through),
            Some(through) => through,
            None => channel.created(),
        };
        Self {
            uid: channel.uid().to_owned(),
            begins,
            waiting: BTreeMap::new(),
            deliveries: 0,
            refused: BTreeMap::new(),
            recorded: through,
            written: None,
            uncovered: None,
            has_new_audience: false,
            failing: status.failing.map(|failing| (failing.since.0, failing.message)),
            has_delivered: false,
            dropped: status.dropped,
        }
    }

    /// Whether it belongs to this channel, and not to one that was deleted and had its name.
    pub fn is_of(&self, channel: &Channel) -> bool {
        self.uid == channel.uid()
    }

    /// The time since which everything is sent when the process starts.
    pub fn begins(&self) -> Timestamp {
        self.begins
    }

    /// Other environments than before use the channel, or send other events.
    pub fn audience_changed(&mut self) {
        self.has_new_audience = true;
    }

    /// Adds a notice. Returns how many were dropped, because there are too many: the oldest, and rollbacks last.
    pub fn add(&mut self, notice: Notice) -> u64 {
        let rank = (false, !notice.event.is_of_rollback(), 0, notice.at, notice.id.clone());
        self.waiting.insert(rank, notice);
        let mut dropped = 0;
        while self.waiting.len() > MOST {
            let oldest = self.waiting.keys().min_by_key(|(_, is_other, _, at, _)| (!*is_other, *at)).cloned();
            if let Some(notice) = oldest.and_then(|rank| self.waiting.remove(&rank)) {
                self.give_up(&notice);
                dropped += 1;
            }
        }
        dropped
    }

    /// The notice to send next.
    pub fn next(&self) -> Option<&Notice> {
        self.waiting.values().next()
    }

    /// A notice was accepted.
    pub fn sent(&mut self, id: &str, now: Timestamp) {
        let Some((_, notice)) = self.take(id) else { return };
        self.deliveries += 1;
        (self.failing, self.has_delivered) = (None, true);
        self.refused.remove(id);
        self.handled(notice.at, now);
    }

    /// A notice was not accepted. Returns whether it was dropped: the server refused it often, and accepted others in between.
    pub fn failed(&mut self, id: &str, failure: &Failure, now: Timestamp) -> bool {
        let since = self.failing.as_ref().map_or(seconds(now), |(since, _)| *since);
        self.failing = Some((since, printable(&failure.message, ERROR)));
        if !failure.is_refusal {
            return false;
        }
        let Some(((_, is_other, refusals, at, id), notice)) = self.take(id) else { return false };
        let (refusals, first) = (refusals + 1, *self.refused.entry(id.clone()).or_insert(self.deliveries));
        if refusals >= REFUSALS && self.deliveries > first {
            self.give_up(&notice);
            self.handled(at, now);
            return true;
        }
        self.waiting.insert((refusals >= REFUSALS, is_other, refusals, at, id), notice);
        false
    }

    fn take(&mut self, id: &str) -> Option<(Rank, Notice)> {
        let rank = self.waiting.keys().find(|(.., known)| known == id)?.clone();
        let notice = self.waiting.remove(&rank)?;
        Some((rank, notice))
    }

    fn give_up(&mut self, notice: &Notice) {
        self.refused.remove(&notice.id);
        self.dropped = self.dropped.saturating_add(1);
    }

    fn handled(&mut self, at: Timestamp, now: Timestamp) {
        // A time in the future was named before the clock was set back.
        let at = at.min(now);
        self.uncovered =
            Some(self.uncovered.map_or((at, at), |(first, newest)| (first.min(at), newest.max(at))));
    }

    /// Everything before this time was sent or dropped.
    pub fn through(&self, now: Timestamp) -> Timestamp {
        let known = self.recorded.unwrap_or(self.begins);
        let oldest = self.waiting.values().map(|notice| notice.at).min();
        let settled = now.checked_sub(MARGIN).unwrap_or(known);
        let through = seconds(oldest.map_or(settled, |oldest| oldest.min(settled)));
        let may_go_back = known > now || oldest.is_some_and(|oldest| oldest < known);
        if through < known && !may_go_back { known } else { through }
    }

    /// The status that has to be written now. None if the stored one can stay.
    pub fn report(&self, channel: &Channel, now: Timestamp) -> Option<ChannelStatus> {
        let stored = channel.status.as_ref().filter(|status| status.observed_generation >= 0);
        let (through, generation) = (self.through(now), channel.generation());
        let is_urgent = stored.is_none_or(|stored| {
            stored.observed_generation != generation
                || stored.failing.is_some() != self.failing.is_some()
                || self.recorded.is_some_and(|recorded| through < recorded)
                || (self.has_new_audience && self.recorded.is_none_or(|recorded| through > recorded))
        });
        let is_apart = self.written.is_none_or(|written| now.duration_since(written).abs() >= APART);
        let covers = self.uncovered.is_some_and(|(first, _)| first < through);
        let message = |failing: &Option<ChannelFailing>| failing.as_ref().map(|it| it.message.clone());
        let is_news = stored.is_some_and(|stored| {
            stored.dropped != self.dropped
                || message(&stored.failing) != self.failing.as_ref().map(|(_, message)| message.clone())
        });
        if !is_urgent && !(is_apart && (covers || is_news)) {
            return None;
        }
        let status = self.status(channel, through, now);
        (channel.status.as_ref() != Some(&status)).then_some(status)
    }

    fn status(&self, channel: &Channel, through: Timestamp, now: Timestamp) -> ChannelStatus {
        let (state, reason, message) = match &self.failing {
            Some((_, error)) => {
                let waiting = self.waiting.len();
                (State::Reconciling, Reason::Unreachable, format!("{error}; {waiting} notifications wait"))
            }
            None if self.has_delivered
                || self.recorded.is_some_and(|through| through > channel.created()) =>
            {
                (State::Ready, Reason::Reachable, "the channel accepts notifications".to_owned())
            }
            None => (State::Ready, Reason::Valid, "no notification was sent yet".to_owned()),
        };
        let stored = channel.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let generation = channel.generation();
        ChannelStatus {
            observed_generation: generation,
            through: Some(Time(through)),
            failing: self.failing.as_ref().map(|(since, message)| ChannelFailing {
                since: Time(seconds(*since)),
                message: message.clone(),
            }),
            dropped: self.dropped,
            conditions: conditions::of_state(&state, &reason, &message, generation, stored, now),
        }
    }

    /// A status was written.
    pub fn recorded(&mut self, status: &ChannelStatus, now: Timestamp) {
        (self.written, self.has_new_audience) = (Some(now), false);
        let Some(through) = status.through.as_ref().map(|time| time.0) else { return };
        self.recorded = Some(through);
        let newest = self.uncovered.map(|(_, newest)| newest);
        self.uncovered = newest.filter(|newest| *newest >= through).map(|newest| (through, newest));
    }

    /// How long nothing has to be written, if nothing happens. None if that is so for any time.
    pub fn rests_for(&self, now: Timestamp) -> Option<SignedDuration> {
        let (first, _) = self.uncovered?;
        let until = first.checked_add(MARGIN).ok()?.checked_add(SignedDuration::from_secs(1)).ok()?;
        let apart = self.written.and_then(|written| written.checked_add(APART).ok());
        let until = apart.map_or(until, |apart| apart.max(until));
        Some(until.duration_since(now).clamp(SignedDuration::from_secs(1), MARGIN))
    }
}
