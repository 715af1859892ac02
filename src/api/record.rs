//! The record that outlasts objects: what is left of a promotion after the history limit has deleted it.
//!
//! Invariant: an entry follows from the promotion alone, so that recording it twice records it once.

use super::{
    ApplicationName, Approved, ChangeType, EnvironmentName, PromotionKind, PromotionPhase, ReleaseName,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Maximum number of entries in one status. The oldest ones are dropped, and counted.
pub const MOST_ENTRIES: usize = 100;
/// Entries by time and name, such as `2026-11-26T08:00:00Z.prod-shop-1.4.0`.
pub type Record = BTreeMap<String, RecordEntry>;

/// What is left of a promotion that was deleted because of the history limit of its environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct RecordEntry {
    /// Name of the Promotion.
    #[schemars(length(max = 253))]
    pub promotion: String,
    /// UID of the Promotion.
    #[schemars(length(max = 64))]
    pub uid: String,
    /// `Promote` or `Rollback`.
    #[serde(default)]
    pub kind: PromotionKind,
    /// Name of the environment.
    #[schemars(length(max = 63))]
    pub environment: EnvironmentName,
    /// Name of the application. Absent if it ended before the application was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub application: Option<ApplicationName>,
    /// Name of the release that was promoted or, for a rollback, rolled back.
    #[schemars(length(max = 253))]
    pub release: ReleaseName,
    /// Version of the release or, for a rollback, version of the content that it restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// SHA-256 of what was written, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub digest: Option<String>,
    /// User name of the requester. Absent if the controller created the Promotion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub requested_by: Option<String>,
    /// For a rollback that the controller created: the reason of the failure, such as `CrashLoopBackOff`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cause: Option<String>,
    /// Why it was requested, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub request: Option<String>,
    /// Type of the change, as the release declared it. Absent for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_type: Option<ChangeType>,
    /// Gates that it passed although they were closed, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub overridden: Option<String>,
    /// Number of the revision. Absent if nothing was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Revision that it replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<i64>,
    /// For a rollback: revision that it restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restores: Option<i64>,
    /// Phase in which it ended.
    #[schemars(length(max = 64))]
    pub phase: String,
    /// Reason for the phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// The reason in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
    /// Approvals that counted, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub approved: Vec<Approved>,
    /// Rejections that counted, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub rejected: Vec<Approved>,
    /// Checks, and what they said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub checks: Vec<RecordedResult>,
    /// Tests, and how they ended, at most 20; those that failed first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub tests: Vec<RecordedResult>,
    /// Time at which the Promotion was created.
    pub created_at: Time,
    /// Time at which it started, just before the first write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// Time at which all workloads were rolled out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_out_at: Option<Time>,
    /// Time at which it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
}

/// The result of a check or a test.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordedResult {
    /// Name of the check or test.
    #[schemars(length(max = 63))]
    pub name: String,
    /// `Passed`, `Failed`, `Errored`, `Inconclusive` or `Skipped`; empty if it had not ended.
    #[schemars(length(max = 16))]
    pub result: String,
}

impl RecordEntry {
    /// The key of the entry: its time first, so that keys sort by time.
    pub fn key(&self) -> String {
        format!("{}.{}", self.created_at.0.strftime("%Y-%m-%dT%H:%M:%SZ"), self.promotion)
    }

    /// The phase in which it ended; none if a newer controller wrote it in another word.
    pub fn ended(&self) -> Option<PromotionPhase> {
        PromotionPhase::read(&self.phase)
    }

    /// Who requested it: a user, or `towpath`.
    pub fn by(&self) -> &str {
        self.requested_by.as_deref().unwrap_or("towpath")
    }
}

/// A kind with a record in its status.
pub trait Recorded {
    /// The record, and the number of older entries that were dropped. None without a status.
    fn recorded(&self) -> Option<(&Record, Option<i64>)>;
}
