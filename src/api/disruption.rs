//! Disruptions of the pods of Jobs, as the statuses of promotions and environments record them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A pod of a Job that was evicted, preempted or lost with its node. Its Job counts it like a failure, and only the pod shows that it was none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Disruption {
    /// UID of the Job.
    #[schemars(length(max = 64))]
    pub job: String,
    /// Name of the pod.
    #[schemars(length(max = 253))]
    pub pod: String,
    /// Reason and message of the disruption.
    #[schemars(length(max = 512))]
    pub message: String,
}

impl Disruption {
    /// Whether both are about the same pod.
    pub fn is_of_same_pod(&self, other: &Self) -> bool {
        (&self.job, &self.pod) == (&other.job, &other.pod)
    }
}
