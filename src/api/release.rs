//! Release: one immutable edition of an application.

use super::{Condition, ReleaseChange, UserInfo, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One immutable edition of an application: its content, pinned and digested.
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
    doc = "One immutable edition of an application: its content, pinned and digested, led from environment to environment.",
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
        .message("the name of a Release is part of the names of its promotions: at most 200 characters")
)]
#[x_kube(validation = Rule::new(
    "self.application == oldSelf.application && self.version == oldSelf.version && self.source == oldSelf.source \
     && has(self.images) == has(oldSelf.images) && (!has(self.images) || self.images == oldSelf.images) \
     && has(self.until) == has(oldSelf.until) && (!has(self.until) || self.until == oldSelf.until) \
     && has(self.change) == has(oldSelf.change) && (!has(self.change) || self.change == oldSelf.change) \
     && has(self.requestedBy) == has(oldSelf.requestedBy) && (!has(self.requestedBy) || self.requestedBy == oldSelf.requestedBy)"
).message("a Release is immutable, except for spec.hold: create a new Release for a new version"))]
#[serde(rename_all = "camelCase")]
pub struct ReleaseSpec {
    /// The application that this is an edition of, such as `shop`. Environments keep one history per application.
    #[schemars(length(min = 1, max = 50), regex(pattern = schema::LABEL))]
    pub application: String,
    /// The version of this edition, such as `1.4.0` or `2026-11-03.1`. One Release per version. Of two releases created
    /// in the same second the newer is the one whose version is the greater semantic version.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._+-]*$"))]
    pub version: String,
    /// Where the content comes from: exactly one of `environment`, `manifests`, `configMapRef`.
    pub source: Source,
    /// Images to use instead of those in the source: each entry replaces, in every container, the image whose
    /// name (without tag and digest) is `name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub images: Vec<ImageOverride>,
    /// The last environment that this release may reach, by name. Default: every environment of the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 40), regex(pattern = schema::LABEL))]
    pub until: Option<String>,
    /// What kind of change it is, and when it may go. Default: a Normal change that may go at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ReleaseChange>,
    /// Who created the release: an Automatic environment takes it only if they may `promote` there. Filled in by the API server;
    /// another name than one's own is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<UserInfo>,
    /// Stops automation for this release: no promotion of it starts until the field is false or removed. A promotion
    /// that already runs is finished, and rollbacks are not held. Default: not held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<bool>,
}

/// Where a release's content comes from. Exactly one member.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new(
    "(has(self.environment) ? 1 : 0) + (has(self.manifests) ? 1 : 0) + (has(self.configMapRef) ? 1 : 0) == 1"
).message("name exactly one of environment, manifests, configMapRef"))]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// Capture what runs in this environment now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentSource>,
    /// The objects themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::manifests")]
    pub manifests: Option<Vec<serde_json::Value>>,
    /// A ConfigMap of the project namespace whose values are YAML or JSON documents with the objects. Read once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<ConfigMapSource>,
}

/// An environment to capture from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentSource {
    /// Name of the environment, in the same project.
    #[schemars(length(min = 1, max = 40), regex(pattern = schema::LABEL))]
    pub name: String,
    /// Capture only objects that carry all of these labels. ConfigMaps and ServiceAccounts that the captured pods refer
    /// to come along without them. Default: the whole namespace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 10))]
    pub selector: BTreeMap<String, String>,
}

/// A ConfigMap that holds manifests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigMapSource {
    /// Name of the ConfigMap, in the namespace of the Release.
    #[schemars(length(min = 1, max = 253), regex(pattern = schema::SUBDOMAIN))]
    pub name: String,
}

/// An image to use instead of another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImageOverride {
    /// The image's name in the source, without tag and digest, such as `registry.example.com/shop/web`.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// The image to use, with tag or digest.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
}

/// Where a release is and why it waits. Written by Towpath.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseStatus {
    /// The generation of the spec that this status describes; -1 until Towpath has looked.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// One word for the whole release.
    #[serde(default)]
    pub phase: ReleasePhase,
    /// SHA-256 over the canonical JSON of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub digest: Option<String>,
    /// Name of the Content that holds the objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub content: Option<String>,
    /// The images of the content and what they were pinned to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub images: Vec<PinnedImage>,
    /// A line per environment, in the order in which a release passes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub environments: Vec<StageStatus>,
    /// The environments and how far the release is, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub summary: Option<String>,
    /// What is being done, or what the release waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub message: Option<String>,
    /// `Ready`, `Reconciling`, `Stalled`, `Verified`.
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
            message: None,
            conditions: Vec::new(),
        }
    }
}

/// How far a release is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReleasePhase {
    /// Its content has not been captured yet.
    #[default]
    Pending,
    /// Something is being written or watched for it.
    Promoting,
    /// It waits at a gate.
    Waiting,
    /// An environment is being taken back from it.
    RollingBack,
    /// Verified in the last environment that it may reach.
    Verified,
    /// It failed where it was put, and stayed there.
    Failed,
    /// It failed, and the environment runs its last verified content again.
    RolledBack,
    /// A newer release went ahead of it.
    Superseded,
    /// The spec cannot work.
    Invalid,
}

/// One image of the content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PinnedImage {
    /// The image as the source names it.
    #[schemars(length(max = 512))]
    pub image: String,
    /// `repository@sha256:...` that every environment gets; absent when it could not be pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub pinned: Option<String>,
    /// Why it is not pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub reason: Option<String>,
}

/// The release in one environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// Name of the environment.
    #[schemars(length(max = 63))]
    pub name: String,
    /// What the release is doing there: a phase of its promotion, or the gate that it waits at.
    #[schemars(length(max = 64))]
    pub state: String,
    /// Why, and what would change it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub message: Option<String>,
    /// The revision of the environment that the release became.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The promotion that put it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub promotion: Option<String>,
    /// When the closed gate opens by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}
