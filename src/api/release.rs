//! Release: one immutable version of an application.

use super::{
    ApplicationName, Condition, EnvironmentName, Intervention, Record, Recorded, ReleaseChange,
    ReleaseReview, UserInfo, schema,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One immutable version of an application: its objects, with images pinned to digests. Towpath promotes it from environment to
/// environment. Deleting a Release withdraws it: no further promotion of it starts. A promotion that has started is finished, and nothing
/// is rolled back.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "Release",
    plural = "releases",
    shortname = "rel",
    namespaced,
    category = "towpath",
    status = "ReleaseStatus",
    derive = "PartialEq",
    doc = "One immutable version of an application: its objects, with images pinned to digests. It is promoted from environment to environment. Deleting a Release withdraws it: no further promotion of it starts. A promotion that has started is finished, and nothing is rolled back.",
    selectable = ".spec.application",
    selectable = ".spec.version",
    printcolumn(name = "Application", type_ = "string", json_path = ".spec.application"),
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.version"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Where", type_ = "string", json_path = ".status.summary"),
    printcolumn(name = "Why", type_ = "string", json_path = ".status.message"),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.digest", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("size(self.metadata.name) <= 200")
        .message("metadata.name must be at most 200 characters: it is part of the names of promotions")
)]
#[x_kube(validation = Rule::new(
    "self.application == oldSelf.application && self.version == oldSelf.version && self.source == oldSelf.source \
     && has(self.images) == has(oldSelf.images) && (!has(self.images) || self.images == oldSelf.images) \
     && has(self.until) == has(oldSelf.until) && (!has(self.until) || self.until == oldSelf.until) \
     && has(self.change) == has(oldSelf.change) && (!has(self.change) || self.change == oldSelf.change) \
     && has(self.requires) == has(oldSelf.requires) && (!has(self.requires) || self.requires == oldSelf.requires) \
     && has(self.requestedBy) == has(oldSelf.requestedBy) && (!has(self.requestedBy) || self.requestedBy == oldSelf.requestedBy)"
).message("a Release is immutable except for spec.hold: create a new Release for a new version"))]
#[x_kube(validation = Rule::new("!has(self.requires) || self.requires.all(required, required.application != self.application)")
    .message("spec.requires must not name the application of the release itself"))]
#[serde(rename_all = "camelCase")]
pub struct ReleaseSpec {
    /// Name of the application, such as `shop`. Each environment has one history per application.
    #[schemars(length(min = 1, max = 50), regex(pattern = schema::LABEL))]
    pub application: ApplicationName,
    /// Version of the application, such as `1.4.0` or `2026-11-03.1`. Create one Release per version: a Release is Invalid if the same
    /// version was promoted with another content. The release that was created last is the newest; of two that were created in the same
    /// second, the one with the greater semantic version.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._+-]*$"))]
    pub version: String,
    /// Source of the content. Set exactly one of `environment`, `manifests` and `configMapRef`.
    pub source: Source,
    /// Images that replace images of the source. Each entry replaces, in every container, the image with the given name.
    /// Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub images: Vec<ImageOverride>,
    /// Name of the last environment that this release may be promoted to. Default: no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40), regex(pattern = schema::LABEL))]
    pub until: Option<EnvironmentName>,
    /// Type of the change, and when it may be promoted. Default: a Normal change without time limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ReleaseChange>,
    /// Other applications of the project that this release needs. It is promoted to an environment once the version or a newer one is
    /// verified there. If the other application is rolled back below it later, this release is rolled back first. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["application"]))]
    pub requires: Vec<Requirement>,
    /// The requester: the user who created the Release. Automatic promotion to an environment requires that the requester has the
    /// right to `promote` there. The API server fills it in and rejects any other user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserInfo>,
    /// Prevents new promotions of this release while it is true. Promotions that have started are finished, and rollbacks are not
    /// held. Only the requester can set it, or a user with the right to `rollback` in every environment of the project. Only the user that
    /// the annotation `towpath.dev/held-by` names can remove it, or a user with the right to `override` in every environment. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<bool>,
}

/// An application that a release needs, and the oldest version of it that works.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Requirement {
    /// Name of the application, in the same project.
    #[schemars(length(min = 1, max = 50), regex(pattern = schema::LABEL))]
    pub application: ApplicationName,
    /// Oldest version that works. Semantic versions are compared as such, others by the order in which they were promoted.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._+-]*$"))]
    pub version: String,
}

/// Source of the content of a release. Exactly one field is set.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new(
    "(has(self.environment) ? 1 : 0) + (has(self.manifests) ? 1 : 0) + (has(self.configMapRef) ? 1 : 0) == 1"
).message("set exactly one of environment, manifests and configMapRef"))]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Captures what currently runs in an environment, once all workloads are rolled out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentSource>,
    /// The objects, as manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::manifests")]
    pub manifests: Option<Vec<serde_json::Value>>,
    /// A ConfigMap in the namespace of the Release whose values contain the objects as YAML or JSON documents. It is read once; later
    /// changes have no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigMapSource>,
}

/// An environment to capture from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentSource {
    /// Name of an environment in the same project.
    #[schemars(length(min = 1, max = 40), regex(pattern = schema::LABEL))]
    pub name: EnvironmentName,
    /// Captures only objects that have all of these labels, and the ConfigMaps and ServiceAccounts that their pods refer to.
    /// Default: every object of the namespace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 10))]
    pub selector: BTreeMap<String, String>,
}

/// A ConfigMap that contains manifests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigMapSource {
    /// Name of the ConfigMap, in the namespace of the Release.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub name: String,
}

/// An image that replaces an image of the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImageOverride {
    /// Name of the image in the source, without tag and digest, such as `registry.example.com/shop/web`.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Image to use instead, with tag or digest.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
}

/// Progress of a release. Written by Towpath.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseStatus {
    /// Generation of the spec that this status describes. -1 until the controller has observed the object.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// Phase of the release: `Pending`, `Promoting`, `Waiting`, `RollingBack`, `Verified`, `Failed`, `RolledBack`, `Superseded` or
    /// `Invalid`.
    #[serde(default)]
    pub phase: ReleasePhase,
    /// SHA-256 over the RFC 8785 canonical JSON of the list of objects in the content, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub digest: Option<String>,
    /// Name of the Content that holds the objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub content: Option<String>,
    /// Images of the content, and the digests that they are pinned to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub images: Vec<PinnedImage>,
    /// State of the release in each environment, in promotion order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub environments: Vec<StageStatus>,
    /// State of the release in each environment, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub summary: Option<String>,
    /// What is wrong with `spec.change.plannedFor`: a start that is late, outside every window, in a freeze, too early for an environment
    /// before it, or in the same window as another release.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 512)))]
    pub planning: Vec<String>,
    /// What is in progress, or what the release waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub message: Option<String>,
    /// Holds and recalls of the release, oldest first, also those that were lifted: at most the newest 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub interventions: Vec<Intervention>,
    /// What the release needed and met until it ended, and who reviewed it. Absent until it has ended, if it is Invalid, and if it ended
    /// before Towpath kept reviews.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<ReleaseReview>,
    /// Promotions and rollbacks of the release that were deleted because of the history limit, by time and name: at most the newest 100.
    #[serde(default, skip_serializing_if = "Record::is_empty")]
    #[schemars(extend("maxProperties" = 100))]
    pub record: Record,
    /// Number of older entries of `record` that were dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_dropped: Option<i64>,
    /// Conditions: `Ready`, `Reconciling`, `Stalled`, `Verified`. `Verified` is `True` when the release is verified in the last
    /// environment that it may reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl Default for ReleaseStatus {
    fn default() -> Self {
        Self {
            observed_generation: schema::never_observed(),
            phase: ReleasePhase::default(),
            digest: None,
            content: None,
            images: Vec::new(),
            environments: Vec::new(),
            summary: None,
            planning: Vec::new(),
            message: None,
            interventions: Vec::new(),
            review: None,
            record: Record::new(),
            record_dropped: None,
            conditions: Vec::new(),
        }
    }
}

impl Recorded for Release {
    fn recorded(&self) -> Option<(&Record, Option<i64>)> {
        self.status.as_ref().map(|status| (&status.record, status.record_dropped))
    }
}

/// The phase of a release.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReleasePhase {
    /// The content has not been captured yet.
    #[default]
    Pending,
    /// A promotion of the release is in progress.
    Promoting,
    /// The release waits at a gate.
    Waiting,
    /// The release is being rolled back in an environment.
    RollingBack,
    /// The release is verified in the last environment that it may reach.
    Verified,
    /// The release failed in an environment and was not rolled back.
    Failed,
    /// In an environment, the rollout completed, but there is not enough evidence to verify the release.
    Inconclusive,
    /// The release was rolled back: the environment runs its last verified content again.
    RolledBack,
    /// A newer release was promoted instead.
    Superseded,
    /// The spec is invalid.
    Invalid,
}

impl ReleasePhase {
    /// Whether the release may still start somewhere.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Promoting | Self::Waiting)
    }
}

/// One image of the content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PinnedImage {
    /// Image as the source specifies it.
    #[schemars(length(max = 512))]
    pub image: String,
    /// Image with digest (`repository@sha256:...`) that is written to every environment. Absent if the image could not be pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub pinned: Option<String>,
    /// Why the image is not pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub reason: Option<String>,
}

/// State of a release in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// Name of the environment.
    #[schemars(length(max = 63))]
    pub name: EnvironmentName,
    /// Phase of the promotion, or the closed gate that the release waits at. `NotAStage` if the release is never promoted to this
    /// environment.
    #[schemars(length(max = 64))]
    pub state: String,
    /// Why the release is in this state, and what changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub message: Option<String>,
    /// Number of the revision that the release has in this environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Name of the Promotion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub promotion: Option<String>,
    /// Time at which the closed gate opens without an action by a user. Absent if there is no such time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// Time since which the release is in this state, as the controller saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// How long the release waited here before, by gate or obstacle.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["gate"]))]
    pub waits: Vec<GateWait>,
}

/// How long a release waited at a gate, or for an obstacle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateWait {
    /// Name of the gate or obstacle, such as `Approval`.
    #[schemars(length(max = 64))]
    pub gate: String,
    /// Seconds in all, without a wait that lasts.
    pub seconds: i64,
    /// Number of waits.
    pub times: i32,
}
