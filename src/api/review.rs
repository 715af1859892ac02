//! Review: a person closes the review that follows a release, and what a release keeps of it.

use super::{EnvironmentName, ReleaseName, UserInfo, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Closes the post-release review of a release: how it went, and what follows. The newest Review of a release counts. Immutable. Its author
/// withdraws it by deleting it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "Review",
    plural = "reviews",
    shortname = "rev",
    namespaced,
    category = "towpath",
    derive = "PartialEq",
    doc = "Closes the post-release review of a release: how it went, and what follows. The newest Review of a release counts. Immutable. Its author withdraws it by deleting it.",
    selectable = ".spec.release",
    printcolumn(name = "Release", type_ = "string", json_path = ".spec.release"),
    printcolumn(name = "Outcome", type_ = "string", json_path = ".spec.outcome"),
    printcolumn(name = "By", type_ = "string", json_path = ".spec.author.username"),
    printcolumn(name = "Notes", type_ = "string", json_path = ".spec.notes", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self == oldSelf").message("a Review is immutable: create a new Review, the newest one counts"))]
#[serde(rename_all = "camelCase")]
pub struct ReviewSpec {
    /// Name of the release, in the same namespace. It may have been deleted. A Review is about what happened before it was created.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub release: ReleaseName,
    /// `Successful`, `SuccessfulWithIssues` or `Failed`.
    pub outcome: ReviewOutcome,
    /// What was learned. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub notes: Option<String>,
    /// What will be done, one sentence each. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 512)))]
    pub actions: Vec<String>,
    /// The user who closed the review. The API server fills it in and rejects any other user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<UserInfo>,
}

/// How a release went, as a person judges it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReviewOutcome {
    /// The release achieved its purpose.
    Successful,
    /// The release achieved its purpose, with issues that need follow-up.
    SuccessfulWithIssues,
    /// The release did not achieve its purpose.
    Failed,
}

impl ReviewOutcome {
    /// The word in specs and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Successful => "Successful",
            Self::SuccessfulWithIssues => "SuccessfulWithIssues",
            Self::Failed => "Failed",
        }
    }
}

/// Whether an environment requires the review of a release that failed there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReviewMode {
    /// Reviews are no gate.
    #[default]
    Optional,
    /// After a release failed or was rolled back here, no other release starts until it is reviewed. Rollbacks start.
    Required,
}

/// The facts of a release, and who reviewed it. All lengths are in seconds. Every field is serialised, because a merge patch does not remove
/// an omitted field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseReview {
    /// How it ended: `Verified`, `RolledBack`, `Failed`, `Inconclusive`, `Recalled` or `Superseded`. Absent while it is promoted again.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub ending: Option<String>,
    /// Time at which it ended.
    #[serde(default)]
    pub ended_at: Option<Time>,
    /// The environments that it was promoted to, in promotion order.
    #[serde(default)]
    #[schemars(length(max = 50))]
    pub environments: Vec<StageFigures>,
    /// Number of approvals that counted.
    #[serde(default)]
    pub approvals: i64,
    /// Gates that its promotions passed although they were closed, and why: at most 10.
    #[serde(default)]
    #[schemars(length(max = 10), inner(length(max = 768)))]
    pub overrides: Vec<String>,
    /// Failures and rollbacks, oldest first: at most 20.
    #[serde(default)]
    #[schemars(length(max = 20))]
    pub incidents: Vec<Incident>,
    /// Who closed the review. Absent while it is open.
    #[serde(default)]
    pub closed: Option<ClosedReview>,
}

/// What a release needed in one environment. All lengths are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageFigures {
    /// Name of the environment.
    #[schemars(length(max = 63))]
    pub environment: EnvironmentName,
    /// From the creation of the release until it was first verified here. Absent if it was not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lead_time: Option<i64>,
    /// Waits that ended when a person acted.
    #[serde(default)]
    pub waited_for_people: i64,
    /// Other waits: windows, freezes, soak times, environments before this one.
    #[serde(default)]
    pub waited_otherwise: i64,
    /// From the starts of its promotions to their ends.
    #[serde(default)]
    pub worked: i64,
    /// Number of promotions of the release here.
    #[serde(default)]
    pub tries: i64,
}

/// A failure, and how it was repaired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Name of the environment.
    #[schemars(length(max = 63))]
    pub environment: EnvironmentName,
    /// Name of the promotion that failed, or that was rolled back after it was verified.
    #[schemars(length(max = 253))]
    pub promotion: String,
    /// What failed, in one word.
    #[schemars(length(max = 64))]
    pub cause: String,
    /// The cause in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
    /// When the promotion started; of one that was verified, when its rollback was requested.
    pub began_at: Time,
    /// When a verified revision ran again. Absent if none did so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_at: Option<Time>,
    /// Version that ran then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub restored: Option<String>,
}

/// Who closed the review of a release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClosedReview {
    /// Name of the Review.
    #[schemars(length(max = 253))]
    pub review: String,
    /// Its outcome.
    pub outcome: ReviewOutcome,
    /// User name of its author.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub by: Option<String>,
    /// When it was created.
    pub at: Time,
}
