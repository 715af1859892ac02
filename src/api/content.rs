//! Content: what a release holds, as one immutable compressed string.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// What one release holds, or what an environment held before Towpath first wrote there: a list of Kubernetes objects,
/// compressed. Written and read by Towpath only; it shows what ConfigMaps hold, so no shipped role grants it to people.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "Content",
    plural = "contents",
    namespaced,
    category = "towpath",
    derive = "PartialEq",
    doc = "The objects that a release holds, compressed and named by their digest. Written by Towpath only; immutable.",
    printcolumn(name = "Application", type_ = "string", json_path = ".spec.application"),
    printcolumn(name = "Objects", type_ = "integer", json_path = ".spec.objects"),
    printcolumn(name = "Digest", type_ = "string", json_path = ".spec.digest", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self == oldSelf").message("a Content is immutable: a new digest is a new object"))]
#[serde(rename_all = "camelCase")]
pub struct ContentSpec {
    /// The application that the objects belong to.
    #[schemars(length(min = 1, max = 50))]
    pub application: String,
    /// SHA-256 over the canonical JSON of the objects, in hexadecimal.
    #[schemars(length(min = 64, max = 64))]
    pub digest: String,
    /// How many objects the content holds.
    #[schemars(range(min = 0, max = 200))]
    pub objects: i32,
    /// The canonical JSON, compressed with gzip, in base64.
    #[schemars(length(max = 700000))]
    pub data: String,
}
