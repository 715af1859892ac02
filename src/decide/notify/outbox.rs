//! What waits for one channel, and how far it has come.

use super::notice::Notice;
use crate::api::{Channel, ChannelFailing, ChannelStatus, Meta, Reason, ready};
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
    /// Whether the server accepted a notice, and nothing failed since.
    is_reachable: bool,
    /// The number that waited when the status was written that the process started from, until every notice was offered again.
    left: usize,
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
        let left = status.failing.as_ref().map_or(0, |failing| failing.waiting);
        Self {
            uid: channel.uid().to_owned(),
            begins,
            left: usize::try_from(left).unwrap_or_default(),
            is_reachable: ready(&status.conditions).is_some_and(|it| it.reason == Reason::Reachable.as_str()),
            waiting: BTreeMap::new(),
            deliveries: 0,
            refused: BTreeMap::new(),
            recorded: through,
            written: None,
            uncovered: None,
            has_new_audience: false,
            failing: status.failing.map(|failing| (failing.since.0, failing.message)),
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

    /// Other environments than before use the channel, or send other events. Drops the notices that none of them sends, as a restart would,
    /// and returns their number.
    pub fn audience_changed(&mut self, is_sent: impl Fn(&Notice) -> bool, now: Timestamp) -> u64 {
        self.has_new_audience = true;
        let unwanted: Vec<Rank> = self
            .waiting
            .iter()
            .filter(|(_, notice)| !is_sent(notice))
            .map(|(rank, _)| rank.clone())
            .collect();
        let mut dropped = 0;
        for rank in unwanted {
            if let Some(notice) = self.waiting.remove(&rank) {
                self.give_up(&notice);
                self.handled(notice.at, now);
                dropped += 1;
            }
        }
        self.rests();
        dropped
    }

    /// Every notice was offered that is not older than the cursor. Returns how many waited before the process started and no longer do: no
    /// environment sends them, or their objects are gone.
    pub fn caught_up(&mut self) -> u64 {
        let lost = std::mem::take(&mut self.left).saturating_sub(self.waiting.len());
        self.dropped = self.dropped.saturating_add(i64::try_from(lost).unwrap_or(i64::MAX));
        self.rests();
        u64::try_from(lost).unwrap_or(u64::MAX)
    }

    /// A channel for which nothing waits is not tried, so it does not fail.
    fn rests(&mut self) {
        if self.waiting.is_empty() {
            self.failing = None;
        }
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
        (self.failing, self.is_reachable) = (None, true);
        self.refused.remove(id);
        self.handled(notice.at, now);
    }

    /// A notice was not accepted. Returns whether it was dropped: the server refused it often, and accepted others in between.
    pub fn failed(&mut self, id: &str, failure: &Failure, now: Timestamp) -> bool {
        let since = self.failing.as_ref().map_or(seconds(now), |(since, _)| *since);
        (self.failing, self.is_reachable) = (Some((since, printable(&failure.message, ERROR))), false);
        if !failure.is_refusal {
            return false;
        }
        let Some(((_, is_other, refusals, at, id), notice)) = self.take(id) else { return false };
        let (refusals, first) = (refusals + 1, *self.refused.entry(id.clone()).or_insert(self.deliveries));
        if refusals >= REFUSALS && self.deliveries > first {
            self.give_up(&notice);
            self.handled(at, now);
            // It accepted others.
            self.is_reachable = self.waiting.is_empty();
            self.rests();
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
                || ready(&stored.conditions).is_some_and(|it| it.reason != self.state().1.as_str())
                || self.recorded.is_some_and(|recorded| through < recorded)
                || (self.has_new_audience && self.recorded.is_none_or(|recorded| through > recorded))
        });
        let is_apart = self.written.is_none_or(|written| now.duration_since(written).abs() >= APART);
        let covers = self.uncovered.is_some_and(|(first, _)| first < through);
        if !is_urgent && !(is_apart && (covers || self.has_news(channel))) {
            return None;
        }
        let status = self.status(channel, through, now);
        (channel.status.as_ref() != Some(&status)).then_some(status)
    }

    /// Whether the stored status shows another error, or other numbers.
    fn has_news(&self, channel: &Channel) -> bool {
        let stored = channel.status.as_ref().filter(|status| status.observed_generation >= 0);
        stored.is_some_and(|stored| stored.dropped != self.dropped || stored.failing != self.failing())
    }

    fn failing(&self) -> Option<ChannelFailing> {
        let (since, message) = self.failing.as_ref()?;
        let waiting = i64::try_from(self.waiting.len()).unwrap_or(i64::MAX);
        Some(ChannelFailing { since: Time(seconds(*since)), message: message.clone(), waiting })
    }

    fn state(&self) -> (State, Reason, String) {
        match &self.failing {
            Some((_, error)) => {
                let wait = match self.waiting.len() {
                    1 => "1 notification waits".to_owned(),
                    waiting => format!("{waiting} notifications wait"),
                };
                (State::Reconciling, Reason::Unreachable, format!("{error}; {wait}"))
            }
            None if self.is_reachable => {
                (State::Ready, Reason::Reachable, "the channel accepts notifications".to_owned())
            }
            None if self.dropped > 0 => {
                (State::Ready, Reason::Valid, "no notification waits; the last ones were dropped".to_owned())
            }
            None => (State::Ready, Reason::Valid, "no notification was sent yet".to_owned()),
        }
    }

    fn status(&self, channel: &Channel, through: Timestamp, now: Timestamp) -> ChannelStatus {
        let (state, reason, message) = self.state();
        let stored = channel.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let generation = channel.generation();
        ChannelStatus {
            observed_generation: generation,
            through: Some(Time(through)),
            failing: self.failing(),
            dropped: self.dropped,
            conditions: conditions::of_state(&state, &reason, &message, generation, stored, now),
        }
    }

    /// A status was written.
    pub fn recorded(&mut self, status: &ChannelStatus, now: Timestamp) {
        (self.written, self.has_new_audience) = (Some(now), false);
        let Some(through) = status.through.as_ref().map(|time| time.0) else { return };
        self.recorded = Some(through);
        let uncovered = self.uncovered.filter(|(_, newest)| *newest >= through);
        self.uncovered = uncovered.map(|(first, newest)| (first.max(through), newest));
    }

    /// How long nothing has to be written, if nothing happens. None if that is so for any time.
    pub fn rests_for(&self, channel: &Channel, now: Timestamp) -> Option<SignedDuration> {
        let second = SignedDuration::from_secs(1);
        let cursor =
            self.uncovered.and_then(|(first, _)| first.checked_add(MARGIN).ok()?.checked_add(second).ok());
        let news = self.has_news(channel).then_some(now);
        let until = [cursor, news].into_iter().flatten().min()?;
        let apart = self.written.and_then(|written| written.checked_add(APART).ok());
        let until = apart.map_or(until, |apart| apart.max(until));
        Some(until.duration_since(now).clamp(second, MARGIN))
    }
}
