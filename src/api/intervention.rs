//! What people did to a release beside its promotions: holds and recalls.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A hold or a recall of a release, and how long it lasted. It stays when the hold is removed or the Recall is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Intervention {
    /// `Hold` or `Recall`.
    pub kind: InterventionKind,
    /// Name of the Recall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub name: Option<String>,
    /// UID of the Recall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub uid: Option<String>,
    /// User who set the hold or created the Recall. Absent if it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub by: Option<String>,
    /// The reason that was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub reason: Option<String>,
    /// Time at which the Recall was created, or at which Towpath saw the hold.
    pub from: Time,
    /// Time at which Towpath saw that it was lifted. Absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
}

/// What a person did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InterventionKind {
    /// `spec.hold` was set.
    Hold,
    /// A Recall names the content of the release.
    Recall,
}
