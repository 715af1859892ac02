//! A process that is killed after any delivery and any write of a cursor, and a clock that jumps: no notice is lost.

use super::dispatch_tests::{audience, channel, notice};
use super::*;
use crate::api::{Channel, ChannelStatus, NotifyEvent};
use crate::decide::fixture_tests::at;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What happens next.
#[derive(Clone, Debug)]
enum Event {
    /// Time passes, and the process does what it does.
    Seconds(i64),
    /// Something happens. It becomes visible so many seconds after the time that it names.
    Transition { is_rollback: bool, late: i64 },
    /// The clock of the API server is set.
    Jump(i64),
    /// The process is killed and started again.
    Kill,
    /// The server accepts nothing, or everything again.
    Down(bool),
    /// The process is killed after its next delivery.
    KillAfterDelivery,
    /// The process is killed after its next write of a cursor.
    KillAfterWrite,
}

struct World {
    now: Timestamp,
    /// What the API server holds: notices, and when they become visible.
    objects: Vec<(Notice, Timestamp)>,
    status: ChannelStatus,
    dispatch: Dispatch,
    /// How often each notice arrived.
    arrived: BTreeMap<String, u32>,
    is_down: bool,
    dies_after_delivery: bool,
    dies_after_write: bool,
    deaths: u32,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            now: at("12:00:00"),
            objects: Vec::new(),
            status: ChannelStatus::default(),
            dispatch: Dispatch::default(),
            arrived: BTreeMap::new(),
            is_down: false,
            dies_after_delivery: false,
            dies_after_write: false,
            deaths: 0,
        };
        world.start();
        world.deaths = 0;
        world
    }

    fn channel(&self) -> Arc<Channel> {
        channel("all", serde_json::to_value(&self.status).unwrap())
    }

    fn start(&mut self) {
        self.deaths += 1;
        self.dispatch = Dispatch::default();
        let channels = [self.channel()];
        let audience = audience(&channels, &[("prod", json!([{ "channel": "all" }]))]);
        self.dispatch.observe(&channels, audience, self.now);
        self.offer();
        self.dispatch.caught_up();
    }

    /// Everything that is visible is offered: the real process offers only what changed.
    fn offer(&mut self) {
        for (notice, visible) in &self.objects {
            if *visible <= self.now {
                self.dispatch.offer(notice);
            }
        }
    }

    /// One step of the process. False if it was killed in it.
    fn step(&mut self) -> bool {
        self.offer();
        let channel = self.channel();
        if let Some(status) = self.dispatch.report(&channel, self.now) {
            self.status = status.clone();
            if std::mem::take(&mut self.dies_after_write) {
                self.start();
                return false;
            }
            self.dispatch.recorded("all", &status, self.now);
        }
        if let Some(next) = self.dispatch.next("all") {
            if self.is_down {
                let failure = Failure { message: "answers 500".to_owned(), is_refusal: false };
                self.dispatch.failed("all", &next.id, &failure, self.now);
                return true;
            }
            *self.arrived.entry(next.id.clone()).or_default() += 1;
            if std::mem::take(&mut self.dies_after_delivery) {
                self.start();
                return false;
            }
            self.dispatch.sent("all", &next.id, self.now);
        }
        true
    }

    fn passes(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += SignedDuration::from_secs(1);
            for _ in 0..3 {
                if !self.step() {
                    break;
                }
            }
        }
    }

    fn play(&mut self, event: &Event) {
        match event {
            Event::Seconds(seconds) => self.passes(*seconds),
            Event::Transition { is_rollback, late } => {
                let event = if *is_rollback { NotifyEvent::RolledBack } else { NotifyEvent::Verified };
                let id = format!("uid-{}.{}", self.objects.len(), event.as_str());
                let visible = self.now + SignedDuration::from_secs(*late);
                self.objects.push((notice(&id, event, self.now), visible));
            }
            // The process observes it before it is killed: a cursor in the future is moved back at once.
            Event::Jump(seconds) => {
                let by = SignedDuration::from_secs(*seconds);
                self.now += by;
                for (_, visible) in &mut self.objects {
                    *visible += by;
                }
            }
            Event::Kill => self.start(),
            Event::Down(is_down) => self.is_down = *is_down,
            Event::KillAfterDelivery => self.dies_after_delivery = true,
            Event::KillAfterWrite => self.dies_after_write = true,
        }
    }

    fn ends(&mut self) {
        self.is_down = false;
        self.passes(300);
    }

    fn lost(&self) -> Vec<&str> {
        self.objects
            .iter()
            .map(|(it, _)| it.id.as_str())
            .filter(|id| !self.arrived.contains_key(*id))
            .collect()
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..90_i64).prop_map(Event::Seconds),
        6 => (any::<bool>(), 0..45_i64).prop_map(|(is_rollback, late)| Event::Transition { is_rollback, late }),
        1 => Just(Event::Kill),
        1 => any::<bool>().prop_map(Event::Down),
        1 => Just(Event::KillAfterDelivery),
        1 => Just(Event::KillAfterWrite),
    ]
}

fn event_or_jump() -> impl Strategy<Value = Event> {
    prop_oneof![8 => event(), 1 => (-3000..3000_i64).prop_map(Event::Jump)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_kill_at_any_point_loses_nothing(events in prop::collection::vec(event(), 1..60)) {
        let mut world = World::new();
        events.iter().for_each(|event| world.play(event));
        world.ends();
        prop_assert_eq!(world.lost(), Vec::<&str>::new());
        // Once each, but for what a kill repeats.
        let most = 1 + world.deaths;
        prop_assert!(world.arrived.values().all(|times| *times <= most), "{:?}", world.arrived);
        // Settled: another hour changes nothing.
        let (status, arrived) = (world.status.clone(), world.arrived.clone());
        world.passes(600);
        prop_assert_eq!((&world.status, &world.arrived), (&status, &arrived));
        world.start();
        world.passes(100);
        prop_assert_eq!(&world.arrived, &arrived, "a restart later repeats nothing");
    }

    #[test]
    fn a_clock_that_jumps_loses_nothing(events in prop::collection::vec(event_or_jump(), 1..60)) {
        let mut world = World::new();
        events.iter().for_each(|event| world.play(event));
        world.ends();
        prop_assert_eq!(world.lost(), Vec::<&str>::new());
    }
}

#[test]
fn each_notice_arrives_once_if_nothing_is_killed() {
    let mut world = World::new();
    for number in 0..100 {
        world.play(&Event::Transition { is_rollback: number % 3 == 0, late: number % 40 });
        world.play(&Event::Seconds(number % 7));
        world.play(&Event::Down(number % 10 < 4));
    }
    world.ends();
    assert_eq!(world.lost(), Vec::<&str>::new());
    assert!(world.arrived.values().all(|times| *times == 1), "{:?}", world.arrived);
}
