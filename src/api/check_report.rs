//! What was measured by the checks of a promotion: a part of its record.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a check measured. Failing measurements, and changes from one state to another, are written as they happen; the number of passing
/// measurements is written when the promotion ends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// Name of the check.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Verdict of the check: `Passed`, `Failed`, `Errored` or `Inconclusive`. Absent while it is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Number of passing measurements.
    #[serde(default)]
    pub passed: i32,
    /// Number of failing measurements.
    #[serde(default)]
    pub failed: i32,
    /// Number of failing measurements in a row.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_in_a_row: i32,
    /// Number of measurements in a row that could not be taken.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub errored_in_a_row: i32,
    /// Time of the measurement that `value` and `message` describe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// The measured value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub value: Option<String>,
    /// The value just before the first write, if the check compares with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub baseline: Option<String>,
    /// What was asked: the query with its parameters replaced, the address and path, or the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub query: Option<String>,
    /// The result in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
    /// Whether the check has no effect on the promotion.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// The verdict of a check, or of one measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// The release is good.
    Passed,
    /// The release is bad.
    Failed,
    /// It could not be measured.
    Errored,
    /// It was measured, and the result says nothing.
    Inconclusive,
}

impl Verdict {
    /// The name of the verdict, as it appears in the status.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "Passed",
            Self::Failed => "Failed",
            Self::Errored => "Errored",
            Self::Inconclusive => "Inconclusive",
        }
    }
}

fn is_zero(number: &i32) -> bool {
    *number == 0
}
