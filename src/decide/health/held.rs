//! Pods of the old revision that hold a rollout up.

use crate::decide::moments::later;
use crate::decide::world::{OutdatedPod, Workload};
use jiff::{SignedDuration, Timestamp};

/// How long a pod of the old revision is not ready before it is replaced.
const BROKEN_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// Pods of the old revision that are not ready and that the controller of a StatefulSet waits for before it replaces any pod: with
/// `OrderedReady` it never replaces them itself (kubernetes#67250).
pub fn stuck_pods(workload: &Workload, now: Timestamp) -> Vec<&OutdatedPod> {
    if !workload.ordered || !workload.observed {
        return Vec::new();
    }
    let is_broken = |pod: &&OutdatedPod| {
        !pod.ready && pod.ready_since.is_none_or(|since| now >= later(since, BROKEN_AFTER))
    };
    workload.outdated.iter().filter(is_broken).collect()
}
