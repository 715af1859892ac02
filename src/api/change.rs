//! What kind of change a release is, and when it may go.

use super::schema;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The change that a release makes, in the words of change management.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseChange {
    /// `Standard`, `Normal` or `Emergency`. Environments and freezes say what each of them needs. Default: Normal.
    #[serde(default, rename = "type")]
    pub type_: ChangeType,
    /// Environments that the release may not enter before a moment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["environment"]))]
    pub not_before: Vec<NotBefore>,
    /// Where the release has not started by then it is abandoned: it enters no further environment. Default: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
}

/// The earliest start in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NotBefore {
    /// Name of the environment.
    #[schemars(length(min = 1, max = 40), regex(pattern = schema::LABEL))]
    pub environment: String,
    /// The moment.
    pub at: Time,
}

/// The type of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ChangeType {
    /// Small, known and repeated: an environment may say that it is approved beforehand.
    Standard,
    /// Everything else.
    #[default]
    Normal,
    /// It mends what is broken now: an environment may say that it goes first and is approved afterwards.
    Emergency,
}

impl ChangeType {
    /// The word that people read.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::Normal => "Normal",
            Self::Emergency => "Emergency",
        }
    }
}
