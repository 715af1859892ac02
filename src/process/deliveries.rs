//! What this process has delivered: deployments, failures, rollbacks, lead and recovery times, for each application in each environment.
//!
//! Invariant: only the replica that wrote the end of a promotion counts it, so the sum over the replicas is right. A lane has all its series
//! from the scrape after it appears, all zero, because Prometheus sees no increase from nothing to one; a lane that is gone has none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::histogram::Histogram;

use crate::api::{LaneId, PromotionPhase};

/// The ends of a promotion that has started.
const OUTCOMES: [PromotionPhase; 4] = [
    PromotionPhase::Verified,
    PromotionPhase::Failed,
    PromotionPhase::Inconclusive,
    PromotionPhase::Superseded,
];
/// From five minutes to four weeks: a release waits for windows and for people.
const LEAD_TIMES: [f64; 12] = [
    300.0,
    900.0,
    3600.0,
    14400.0,
    28800.0,
    86400.0,
    172_800.0,
    345_600.0,
    604_800.0,
    1_209_600.0,
    1_814_400.0,
    2_419_200.0,
];
/// From half a minute to a week: most failures are repaired by a rollback, the others by people.
const RECOVERY_TIMES: [f64; 12] =
    [30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 43200.0, 86400.0, 259_200.0, 604_800.0];
/// The names of the labels of a lane.
const LABELS: [&str; 3] = ["project", "environment", "application"];

type ByOutcome = fn(&Counts) -> &BTreeMap<PromotionPhase, u64>;
type Count = fn(&Counts) -> u64;
type Times = fn(&Counts) -> &Histogram;
/// Metrics: their name, their meaning, and where their values are.
type Shown<F> = (&'static str, &'static str, F);

/// Counters by outcome.
const BY_OUTCOME: [Shown<ByOutcome>; 2] = [
    ("deployments", "Deployments ended: promotions of releases that wrote, by outcome", |counts| {
        &counts.deployments
    }),
    ("rollbacks", "Rollbacks ended, by outcome", |counts| &counts.rollbacks),
];
/// Other counters.
const COUNTERS: [Shown<Count>; 2] = [
    (
        "deployments_failed",
        "Deployments that failed, were inconclusive, or were rolled back after they were verified",
        |counts| counts.failed,
    ),
    (
        "deployments_reworked",
        "Deployments that repair something: of type Emergency, or after a failed one",
        |counts| counts.reworked,
    ),
];
/// Histograms.
const HISTOGRAMS: [Shown<Times>; 2] = [
    (
        "lead_time_seconds",
        "Time from the creation of a release until it was first verified in the environment",
        |counts| &counts.lead_times,
    ),
    (
        "recovery_time_seconds",
        "Time from a failed deployment, or from the request to roll back a verified one, until a verified revision ran",
        |counts| &counts.recovery_times,
    ),
];

/// What ended in a lane.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// How a deployment ended, if it was one.
    pub deployment: Option<PromotionPhase>,
    /// How a rollback ended, if it was one.
    pub rollback: Option<PromotionPhase>,
    /// Number of deployments that are now known to have failed.
    pub failed: u64,
    /// Whether the deployment repairs something.
    pub is_rework: bool,
    /// Lead time, if a release was verified for the first time.
    pub lead_time: Option<Duration>,
    /// Time until each failed deployment was repaired.
    pub recovery_times: Vec<Duration>,
}

/// The counters of one lane.
#[derive(Debug)]
struct Counts {
    deployments: BTreeMap<PromotionPhase, u64>,
    rollbacks: BTreeMap<PromotionPhase, u64>,
    failed: u64,
    reworked: u64,
    lead_times: Histogram,
    recovery_times: Histogram,
}

impl Default for Counts {
    fn default() -> Self {
        let none = || OUTCOMES.map(|outcome| (outcome, 0)).into();
        Self {
            deployments: none(),
            rollbacks: none(),
            failed: 0,
            reworked: 0,
            lead_times: Histogram::new(LEAD_TIMES),
            recovery_times: Histogram::new(RECOVERY_TIMES),
        }
    }
}

/// The counters of all lanes. Cloned handles share them.
#[derive(Clone, Debug, Default)]
pub struct Deliveries(Arc<Mutex<BTreeMap<LaneId, Counts>>>);

impl Deliveries {
    /// Counts what ended in a lane.
    pub fn count(&self, lane: LaneId, delivery: &Delivery) {
        let mut lanes = self.lanes();
        let counts = lanes.entry(lane).or_default();
        if let Some(outcome) = delivery.deployment {
            *counts.deployments.entry(outcome).or_default() += 1;
        }
        if let Some(outcome) = delivery.rollback {
            *counts.rollbacks.entry(outcome).or_default() += 1;
        }
        counts.failed += delivery.failed;
        counts.reworked += u64::from(delivery.is_rework);
        delivery.lead_time.iter().for_each(|time| counts.lead_times.observe(time.as_secs_f64()));
        delivery.recovery_times.iter().for_each(|time| counts.recovery_times.observe(time.as_secs_f64()));
    }

    /// Drops the counters of other lanes, and shows zeros for those without any.
    pub(super) fn keep(&self, exist: BTreeSet<LaneId>) {
        let mut lanes = self.lanes();
        lanes.retain(|lane, _| exist.contains(lane));
        for lane in exist {
            lanes.entry(lane).or_default();
        }
    }

    /// Shows the counters.
    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let lanes = self.lanes();
        for (name, help, counters) in BY_OUTCOME {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (lane, counts) in lanes.iter() {
                for (outcome, count) in counters(counts) {
                    let mut labels = labels(lane).to_vec();
                    labels.push(("outcome", outcome.as_str()));
                    ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        for (name, help, counter) in COUNTERS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            for (lane, counts) in lanes.iter() {
                ConstCounter::new(counter(counts)).encode(family.encode_family(&labels(lane))?)?;
            }
        }
        for (name, help, histogram) in HISTOGRAMS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            for (lane, counts) in lanes.iter() {
                histogram(counts).encode(family.encode_family(&labels(lane))?)?;
            }
        }
        Ok(())
    }

    fn lanes(&self) -> MutexGuard<'_, BTreeMap<LaneId, Counts>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn labels(lane: &LaneId) -> [(&'static str, &str); 3] {
    let [project, environment, application] = LABELS;
    [
        (project, lane.environment.project.as_str()),
        (environment, lane.environment.environment.as_str()),
        (application, lane.application.as_str()),
    ]
}
