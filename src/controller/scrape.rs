//! What a scrape of the metrics shows of the objects in the stores.
//!
//! Invariant: it reads the stores and asks nothing. While the first lists are not complete, it shows nothing: a number that is too small would
//! resolve alerts.

use crate::api::{EnvironmentId, LaneId, Reason};
use crate::cluster::Stores;
use crate::decide::gauges::{ALARMS, Gauges as State, LaneGauges, Seen, Waiting, gauges};
use crate::process::{Clock, Gauges, Observation};
use std::collections::BTreeMap;

const LANE: &[&str] = &["project", "environment", "application"];
const LANE_GATE: &[&str] = &["project", "environment", "application", "gate"];
const LANE_REASON: &[&str] = &["project", "environment", "application", "reason"];

/// What the objects in the stores say now.
pub(super) fn observe(stores: &Stores, clock: &Clock) -> Observation {
    if !stores.are_ready() {
        return Observation::default();
    }
    let seen = Seen {
        releases: stores.releases.all(),
        environments: stores.environments.all(),
        promotions: stores.promotions.all(),
        policies: stores.policies.all(),
        providers: stores.providers.all(),
        channels: stores.channels.all(),
    };
    let state = gauges(&seen, clock.now());
    Observation { gauges: families(&state), lanes: state.lanes.into_keys().collect() }
}

fn families(state: &State) -> Vec<Gauges> {
    let mut families = of_lanes(&state.lanes);
    let alarms = state.alarms.iter().flat_map(|(environment, raised)| {
        let value = |is_raised: bool| if is_raised { 1.0 } else { 0.0 };
        ALARMS.map(|alarm| (with(of_environment(environment), &alarm), value(raised.contains(&alarm))))
    });
    let policies = state.unusable_policies.iter();
    families.extend([
        Gauges {
            name: "environment_alarms",
            help: "1 while an environment has this condition, 0 while it does not",
            labels: &["project", "environment", "condition"],
            samples: alarms.collect(),
        },
        Gauges {
            name: "rollback_policies_not_ready",
            help: "Rollback policies with a check that cannot be used",
            labels: &["project"],
            samples: policies
                .map(|(project, count)| (vec![project.to_string()], f64::from(*count)))
                .collect(),
        },
        Gauges {
            name: "check_providers_not_ready",
            help: "Check providers that do not answer",
            labels: &[],
            samples: vec![(Vec::new(), f64::from(state.silent_providers))],
        },
        Gauges {
            name: "channels_not_ready",
            help: "Channels that do not accept notifications",
            labels: &[],
            samples: vec![(Vec::new(), f64::from(state.failing_channels))],
        },
    ]);
    families
}

fn of_lanes(lanes: &BTreeMap<LaneId, LaneGauges>) -> Vec<Gauges> {
    let in_progress = lanes.iter().map(|(lane, gauges)| (of(lane), f64::from(gauges.in_progress)));
    let held =
        lanes.iter().flat_map(|(lane, gauges)| gauges.held.iter().map(|why| (with(of(lane), why), 1.0)));
    let waiting = |value: fn(&Waiting) -> f64| {
        let waits =
            lanes.iter().flat_map(|(lane, gauges)| gauges.waiting.iter().map(move |wait| (lane, wait)));
        waits.map(|(lane, (gate, waiting))| (with(of(lane), gate), value(waiting))).collect()
    };
    vec![
        Gauges {
            name: "promotions_in_progress",
            help: "Promotions and rollbacks that have started and not ended",
            labels: LANE,
            samples: in_progress.collect(),
        },
        Gauges {
            name: "releases_waiting",
            help: "Releases that wait, by the gate that is closed or the obstacle",
            labels: LANE_GATE,
            samples: waiting(|waiting| f64::from(waiting.releases)),
        },
        Gauges {
            name: "release_wait_seconds",
            help: "Longest time that a release has waited at this gate or obstacle, in seconds",
            labels: LANE_GATE,
            samples: waiting(|waiting| seconds(waiting.longest)),
        },
        Gauges {
            name: "lanes_held",
            help: "1 while automation is stopped until a user acts, by reason",
            labels: LANE_REASON,
            samples: held.collect(),
        },
    ]
}

fn of_environment(environment: &EnvironmentId) -> Vec<String> {
    vec![environment.project.to_string(), environment.environment.to_string()]
}

fn of(lane: &LaneId) -> Vec<String> {
    let mut labels = of_environment(&lane.environment);
    labels.push(lane.application.to_string());
    labels
}

fn with(mut labels: Vec<String>, last: &Reason) -> Vec<String> {
    labels.push(last.to_string());
    labels
}

#[expect(clippy::cast_precision_loss, reason = "a time in seconds")]
fn seconds(time: i64) -> f64 {
    time as f64
}
