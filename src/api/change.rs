//! The type of change that a release makes, and when it may be promoted.

use super::{EnvironmentName, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The change that a release makes, in the terms of change management.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseChange {
    /// `Standard`, `Normal` or `Emergency`. Environments define which approvals a type needs, and freezes define which types pass.
    /// `Standard` and `Emergency` count only in environments for which the requester has the right to `declare`; in any other the release
    /// counts as `Normal`. Default: Normal.
    #[serde(default, rename = "type")]
    pub type_: ChangeType,
    /// Earliest start per environment. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["environment"]))]
    pub not_before: Vec<NotBefore>,
    /// Planned start per environment, for the calendar. A plan is no gate: the release is promoted when its gates are open. The status says
    /// what is wrong with a plan, and when a start is late. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["environment"]))]
    pub planned_for: Vec<PlannedStart>,
    /// Time after which the release is promoted to no further environment. Promotions that have started are finished.
    /// Default: no deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Time>,
    /// Names of tests of the last verified revision that no longer apply, because the release changes what they test. Environments with
    /// `spec.regression` do not run them. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 63), regex(pattern = schema::SUBDOMAIN)))]
    pub drops: Vec<String>,
    /// Whether an earlier version works on what this release leaves behind, such as its database schema. If false, a failure and a Recall
    /// do not roll the release back: they hold the environment and report what a user has to do. A user can still roll it back, by naming
    /// the revision to restore. Default: true.
    #[serde(default = "reversible")]
    pub reversible: bool,
    /// What the change is about, for the people who read the record.
    #[serde(flatten)]
    pub description: ChangeDescription,
}

impl Default for ReleaseChange {
    fn default() -> Self {
        Self {
            type_: ChangeType::default(),
            not_before: Vec::new(),
            planned_for: Vec::new(),
            deadline: None,
            drops: Vec::new(),
            reversible: reversible(),
            description: ChangeDescription::default(),
        }
    }
}

fn reversible() -> bool {
    true
}

fn is_reversible(reversible: &bool) -> bool {
    *reversible
}

/// What the release said about its change when a promotion of it started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeRecord {
    /// Type of the change.
    #[serde(default, rename = "type")]
    pub type_: ChangeType,
    /// Whether an earlier version works on what the release leaves behind. If false, automation does not roll it back.
    #[serde(default = "reversible", skip_serializing_if = "is_reversible")]
    pub reversible: bool,
    /// What the change is about.
    #[serde(flatten)]
    pub description: ChangeDescription,
}

impl Default for ChangeRecord {
    fn default() -> Self {
        ReleaseChange::default().record()
    }
}

impl ReleaseChange {
    /// What the record of a promotion says about the change.
    pub fn record(self) -> ChangeRecord {
        ChangeRecord { type_: self.type_, reversible: self.reversible, description: self.description }
    }
}

/// What a change is about. No decision depends on it: it is copied into the record of every promotion of the release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeDescription {
    /// Person or team that is responsible for the change. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub owner: Option<String>,
    /// Risk of the change, as its owner assesses it: `Low`, `Medium` or `High`. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// What changes, in a few sentences. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub summary: Option<String>,
    /// Tickets of the change, such as `SHOP-1234`. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 100)), extend("x-kubernetes-list-type" = "set"))]
    pub tickets: Vec<String>,
    /// Pages about the change, such as a pull request or a runbook. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["title"]))]
    pub links: Vec<Link>,
    /// People and teams that have an interest in the change. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub stakeholders: Vec<String>,
}

/// A page about a change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// What the page is.
    #[schemars(length(min = 1, max = 100))]
    pub title: String,
    /// Address of the page: `https` or `http`.
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^https?://[^ ]+$"))]
    pub url: String,
}

/// The risk of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Risk {
    /// A failure affects few users, or is noticed and repaired at once.
    Low,
    /// Between the two others.
    Medium,
    /// A failure affects many users, or is hard to repair.
    High,
}

/// The earliest start of a release in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NotBefore {
    /// Name of the environment.
    #[schemars(length(min = 1, max = 40), regex(pattern = schema::LABEL))]
    pub environment: EnvironmentName,
    /// Time before which no promotion of the release starts in this environment.
    pub at: Time,
}

/// The planned start of a release in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedStart {
    /// Name of the environment.
    #[schemars(length(min = 1, max = 40), regex(pattern = schema::LABEL))]
    pub environment: EnvironmentName,
    /// Time at which its promotion is planned to start.
    pub at: Time,
}

/// The type of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ChangeType {
    /// A small, known, repeated change. Environments can exempt it from approvals (`spec.approvals.notFor`). Counts as `Normal` in
    /// environments for which the requester does not have the right to `declare`.
    Standard,
    /// Any other change.
    #[default]
    Normal,
    /// A fix for an ongoing incident. Environments can let it start before it is approved (`spec.approvals.emergencyWithin`). Counts as
    /// `Normal` in environments for which the requester does not have the right to `declare`.
    Emergency,
}

impl ChangeType {
    /// The name of the type, as it appears in specs and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::Normal => "Normal",
            Self::Emergency => "Emergency",
        }
    }
}
