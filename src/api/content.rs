//! Content: the objects of a release, as one immutable compressed string.

use super::ApplicationName;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

/// The Kubernetes objects of one release, or the objects of an environment before Towpath first wrote there, compressed. Written
/// and read by Towpath only. It includes the data of ConfigMaps, so no role of the chart grants users access to it.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "Content",
    plural = "contents",
    namespaced,
    category = "towpath",
    derive = "PartialEq",
    doc = "The objects of a release, compressed and named by their digest. Written by Towpath only. Immutable.",
    printcolumn(name = "Application", type_ = "string", json_path = ".spec.application"),
    printcolumn(name = "Objects", type_ = "integer", json_path = ".spec.objects"),
    printcolumn(name = "Digest", type_ = "string", json_path = ".spec.digest", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("self == oldSelf").message("a Content is immutable: create a new Content for a new digest"))]
#[serde(rename_all = "camelCase")]
pub struct ContentSpec {
    /// The application that the objects belong to.
    #[schemars(length(min = 1, max = 50))]
    pub application: ApplicationName,
    /// SHA-256, in hexadecimal, over the RFC 8785 canonical JSON of the list of objects, which is `data` without base64 and gzip.
    #[schemars(length(min = 64, max = 64))]
    pub digest: String,
    /// Number of objects in the content.
    #[schemars(range(min = 0, max = 200))]
    pub objects: i32,
    /// The canonical JSON of the list of objects, ordered by apiVersion, kind and name, compressed with gzip, in base64.
    #[schemars(length(max = 700000))]
    pub data: String,
}
