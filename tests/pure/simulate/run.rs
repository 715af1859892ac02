//! The closed loop: each object that is woken is observed, decided about and written; when nothing is left the clock jumps to the next moment at which
//! something happens. A crash may come after any write; what the process knew is lost, and everything is observed again.

use super::line;
use super::memory::Memory;
use super::store::{Key, Status, Store, of_any};
use super::writes;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use towpath::content::Digested;
use towpath::decide::decision::Decision;
use towpath::decide::{environment, promotion, recall, release};

/// What a user does at a moment, in seconds after the start.
pub type Event = (i64, &'static str, fn(&mut Store, Timestamp));

const HORIZON: SignedDuration = SignedDuration::from_hours(6);
const MOST_PASSES: usize = 3_000;

#[derive(Clone)]
pub struct Run {
    pub store: Store,
    pub now: Timestamp,
    pub log: Vec<String>,
    /// Writes so far: records, memory, actions and reports.
    pub writes: usize,
    memory: Memory,
    pub(super) queue: Vec<Key>,
    wakes: BTreeMap<Key, Timestamp>,
    events: Vec<Event>,
    pub crash_after: Option<usize>,
    pub seed: Option<u64>,
    passes: usize,
    pub ends: Option<Timestamp>,
    pub while_down: Option<fn(&mut Store, Timestamp)>,
}

struct Crash;

pub fn start() -> Timestamp {
    "2026-11-02T09:00:00Z".parse().unwrap()
}

impl Run {
    /// What is there at the start, and what happens then.
    pub fn of(setting: fn(&mut Store, Timestamp), events: &[Event]) -> Self {
        let mut run = Self {
            store: Store::default(),
            now: start(),
            log: Vec::new(),
            writes: 0,
            memory: Memory::default(),
            queue: Vec::new(),
            wakes: BTreeMap::new(),
            events: events.to_vec(),
            crash_after: None,
            seed: None,
            passes: 0,
            ends: None,
            while_down: None,
        };
        setting(&mut run.store, run.now);
        run
    }

    pub fn in_the_order_of(mut self, seed: u64) -> Self {
        self.seed = Some(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        self
    }

    /// Runs until nothing happens any more.
    pub fn settle(mut self) -> Self {
        self.drive(|_, _| {});
        if self.is_plain() {
            self.nothing_is_left_to_do();
        }
        self
    }

    /// Runs up to a moment, in seconds after the start.
    pub fn until(mut self, seconds: i64) -> Self {
        self.ends = Some(start() + SignedDuration::from_secs(seconds));
        self.settle()
    }

    /// The loop. `pass` is shown the run before each pass, and the number of writes after it.
    pub fn drive(&mut self, mut pass: impl FnMut(&Run, usize)) {
        loop {
            self.play();
            while !self.queue.is_empty() {
                let before = self.crash_after.is_none().then(|| self.clone());
                self.passes += 1;
                assert!(self.passes < MOST_PASSES, "it never settles:\n{}", self.log.join("\n"));
                let key = self.next_key();
                if self.reconcile(&key).is_err() {
                    self.restart();
                }
                before.into_iter().for_each(|before| pass(&before, self.writes));
            }
            if self.crash_after.is_none() {
                self.is_explained_as_reported();
            }
            let Some(next) = self.next_moment() else { break };
            assert!(next.duration_since(start()) < HORIZON, "it never settles:\n{}", self.log.join("\n"));
            self.jump(next);
        }
    }

    fn is_plain(&self) -> bool {
        self.crash_after.is_none() && self.seed.is_none() && self.ends.is_none()
    }

    pub fn play(&mut self) {
        while self.events.first().is_some_and(|(at, ..)| self.now >= start() + SignedDuration::from_secs(*at))
        {
            let (_, what, event) = self.events.remove(0);
            self.log.push(format!("{} * {what}", self.clock()));
            event(&mut self.store, self.now);
            self.wake_everything();
        }
    }

    fn next_key(&mut self) -> Key {
        let index = match &mut self.seed {
            None | Some(0) => 0,
            Some(seed) => {
                *seed ^= *seed << 13;
                *seed ^= *seed >> 7;
                *seed ^= *seed << 17;
                (*seed % self.queue.len() as u64) as usize
            }
        };
        let key = self.queue.remove(index);
        self.wakes.remove(&key);
        key
    }

    fn next_moment(&self) -> Option<Timestamp> {
        let changes = self.store.namespaces.values().filter_map(|namespace| namespace.next_change(self.now));
        let events = self.events.first().map(|(at, ..)| start() + SignedDuration::from_secs(*at));
        self.wakes
            .values()
            .copied()
            .chain(changes)
            .chain(events)
            .min()
            .filter(|next| self.ends.is_none_or(|end| *next <= end))
    }

    fn jump(&mut self, next: Timestamp) {
        let changed: Vec<String> = self
            .store
            .namespaces
            .iter()
            .filter(|(_, namespace)| namespace.next_change(self.now) == Some(next))
            .map(|(name, _)| name.clone())
            .collect();
        self.now = next;
        for namespace in changed {
            self.wake_target(&namespace);
        }
        let due: Vec<Key> =
            self.wakes.iter().filter(|(_, at)| **at <= next).map(|(key, _)| key.clone()).collect();
        due.into_iter().for_each(|key| self.wake(key));
        if self.is_plain()
            && self.events.first().is_none_or(|(at, ..)| next < start() + SignedDuration::from_secs(*at))
        {
            self.no_other_replica_would_act();
        }
    }

    /// Time alone changes a decision only for those who asked to be woken.
    fn no_other_replica_would_act(&mut self) {
        for key in self.everything() {
            let Some((decision, _)) = self.decide(&key).filter(|_| !self.queue.contains(&key)) else {
                continue;
            };
            let acts =
                decision.memory.is_some() || !decision.actions.is_empty() || !decision.records.is_empty();
            assert!(
                !acts,
                "{}: {key:?} asked for no wake, and would now: {}",
                self.clock(),
                line::of(&decision)
            );
        }
    }

    fn nothing_is_left_to_do(&mut self) {
        for key in self.everything() {
            if let Some((decision, _)) = self.decide(&key) {
                let text = line::of(&decision);
                assert!(text.is_empty() && decision.wake_at.is_none(), "{key:?} has not settled: {text}");
            }
        }
    }

    fn decide(&self, key: &Key) -> Option<(Decision<Status>, String)> {
        let (time, now) = (self.now, self.store.own(self.now));
        let (decision, uid) = match key {
            Key::Release(name) => {
                let world = self.store.release_world(name)?;
                (
                    self.twice(&world, |world| of_any(release::decide(world, now), Status::Release)),
                    Some(world.release.uid().to_owned()),
                )
            }
            Key::Environment(name) => {
                let world = self.store.environment_world(name, time)?;
                (
                    self.twice(&world, |world| of_any(environment::decide(world, now), Status::Environment)),
                    world.environment.metadata.uid.clone(),
                )
            }
            Key::Recall(name) => {
                let world = self.store.recall_world(name)?;
                (
                    self.twice(&world, |world| of_any(recall::decide(world, now), Status::Recall)),
                    world.recall.metadata.uid.clone(),
                )
            }
            Key::Promotion(name) => {
                let world = self.store.promotion_world(name, &self.memory, time)?;
                (
                    self.twice(&world, |world| of_any(promotion::decide(world, now), Status::Promotion)),
                    world.promotion.metadata.uid.clone(),
                )
            }
        };
        assert!(
            decision.wake_at.is_none_or(|at| at > now),
            "{key:?} is woken at {:?}, and now is {now}",
            decision.wake_at
        );
        Some((decision, uid.unwrap()))
    }

    fn twice<W: Debug>(&self, world: &W, decide: impl Fn(&W) -> Decision<Status>) -> Decision<Status> {
        let decision = decide(world);
        if self.is_plain() {
            assert_eq!(format!("{decision:?}"), format!("{:?}", decide(world)), "a world has two decisions");
        }
        decision
    }

    fn reconcile(&mut self, key: &Key) -> Result<(), Crash> {
        let Some((decision, uid)) = self.decide(key) else { return Ok(()) };
        let said = Some(line::of(&decision)).filter(|said| !said.is_empty());
        self.log.extend(said.map(|said| format!("{} {} {said}", self.clock(), line::name(key))));
        for record in &decision.records {
            let stored = || Arc::new(Digested::open(&record.sealed.spec(&record.application)).unwrap());
            self.store.contents.entry(record.sealed.name.clone()).or_insert_with(stored);
            self.wrote()?;
        }
        if let Some(memory) = decision.memory.as_ref().filter(|_| !decision.memory_follows) {
            self.write_status(key, memory)?;
        }
        let mut again = false;
        let mut unwritten = BTreeSet::new();
        for action in writes::in_order(&decision.actions) {
            if writes::follows(action, &unwritten) {
                continue;
            }
            match self.store.act(action, &uid, &mut self.memory, self.now) {
                Ok(at_once) => again |= at_once,
                Err(error) => {
                    self.log.push(format!("{} {} failed: {error}", self.clock(), line::name(key)));
                    let object = action.object().unwrap();
                    self.memory.failed(&uid, &object, error, self.store.own(self.now));
                    unwritten.insert(object);
                    again = true;
                    continue;
                }
            }
            self.followed(action);
            self.wrote()?;
        }
        if let Some(memory) = decision.memory.as_ref().filter(|_| decision.memory_follows) {
            self.write_status(key, memory)?;
        }
        if let Some(report) = &decision.report {
            self.write_status(key, report)?;
        }
        if again {
            self.wake(key.clone());
        } else if let Some(at) = decision.wake_at {
            self.wakes.insert(key.clone(), at - self.store.skew);
        }
        Ok(())
    }

    fn write_status(&mut self, key: &Key, status: &Status) -> Result<(), Crash> {
        self.store.write_status(key, status);
        self.changed(key);
        self.wrote()
    }

    fn wrote(&mut self) -> Result<(), Crash> {
        self.writes += 1;
        if self.crash_after == Some(self.writes) { Err(Crash) } else { Ok(()) }
    }

    pub fn restart(&mut self) {
        self.log.push(format!("{} ! the controller crashed and starts again", self.clock()));
        self.while_down.into_iter().for_each(|event| event(&mut self.store, self.now));
        self.memory = Memory::default();
        self.queue.clear();
        self.wakes.clear();
        self.wake_everything();
    }

    fn clock(&self) -> String {
        let seconds = self.now.duration_since(start()).as_secs();
        format!("{:02}:{:02}", seconds / 60, seconds % 60)
    }
}
