//! CheckProvider: an address that checks may ask, and how.

use super::{Condition, ProjectName, schema};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A Prometheus or an HTTP service that checks refer to by name. The platform team owns it: users of a project cannot name an address.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "CheckProvider",
    plural = "checkproviders",
    shortname = "chp",
    category = "towpath",
    status = "CheckProviderStatus",
    derive = "PartialEq",
    doc = "A Prometheus or an HTTP service that checks refer to by name. The platform team owns it.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status"
    ),
    printcolumn(
        name = "Why",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message"
    ),
    printcolumn(name = "Projects", type_ = "string", json_path = ".spec.projects"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("has(self.prometheus) != has(self.http)").message("set exactly one of prometheus and http"))]
#[serde(rename_all = "camelCase")]
pub struct CheckProviderSpec {
    /// A Prometheus, or another server with its HTTP API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Endpoint>,
    /// Any other HTTP service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Endpoint>,
    /// Names of the projects whose checks may use the provider. `*` means every project.
    #[schemars(schema_with = "schema::served_projects")]
    pub projects: Vec<String>,
    /// TLS, for addresses that start with `https`. The certificate of the server is always verified. Default: the public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// How Towpath authenticates. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<ProviderAuth>,
    /// Headers of every request, such as `X-Scope-OrgID`. Do not put credentials here: use `auth`. Default: none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 20))]
    pub headers: BTreeMap<String, String>,
    /// Address ranges that the provider may resolve to although they are refused otherwise, such as `127.0.0.0/8`. Loopback, link-local
    /// and metadata addresses, and the API server, are refused unless they are listed here. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::address_ranges")]
    pub allow_addresses: Vec<String>,
    /// Largest number of requests per second. Default: 10.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 1000))]
    pub rate_limit: i32,
}

/// An HTTP address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Endpoint {
    /// URL, with an optional path prefix and without credentials, query and fragment, such as `http://prometheus.monitoring:9090` or
    /// `https://events.example.com/cd`.
    #[schemars(
        length(min = 8, max = 512),
        regex(pattern = "^https?://[A-Za-z0-9._\\[\\]:-]+(/[A-Za-z0-9._~/-]*)?$")
    )]
    pub url: String,
}

/// Files for TLS. Each is the path of a file below the credentials folder of the controller, which the chart fills from Secrets
/// (`credentials`), such as `prometheus/ca.crt`.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.certificate) == has(self.key)").message("set both certificate and key, or neither"))]
pub struct Tls {
    /// PEM file with the certificates of the authorities that sign the certificate of the server. Default: the public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_file")]
    pub ca: Option<String>,
    /// PEM file with the client certificate. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_file")]
    pub certificate: Option<String>,
    /// PEM file with the key of the client certificate. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_file")]
    pub key: Option<String>,
}

/// How Towpath authenticates to a provider. Exactly one field is set. The files are read for every request, so a rotated credential is
/// used at once.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.bearer) != has(self.basic)").message("set exactly one of bearer and basic"))]
#[x_kube(validation = Rule::new(schema::is_file_if_set("bearer")).message(schema::IS_FILE).field_path(".bearer"))]
pub struct ProviderAuth {
    /// Path of the file with a bearer token, below the credentials folder of the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_secret_file")]
    pub bearer: Option<String>,
    /// Basic authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
}

/// Basic authentication.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new(schema::is_file("password")).message(schema::IS_FILE).field_path(".password"))]
pub struct BasicAuth {
    /// User name.
    #[schemars(length(min = 1, max = 128))]
    pub username: String,
    /// Path of the file with the password, below the credentials folder of the controller.
    #[schemars(schema_with = "schema::secret_file")]
    pub password: String,
}

/// Whether the provider is available. Written by Towpath.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckProviderStatus {
    /// Generation of the spec that this status describes. -1 until the controller has observed the object.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// Conditions. `Ready` is `True` since the provider answers, and `False` since it does not; its message holds the last error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

impl Default for CheckProviderStatus {
    fn default() -> Self {
        Self { observed_generation: schema::never_observed(), conditions: Vec::new() }
    }
}

impl CheckProviderSpec {
    /// Whether checks of this project may use the provider.
    pub fn serves(&self, project: &ProjectName) -> bool {
        serves(&self.projects, project)
    }

    /// The address.
    pub fn url(&self) -> &str {
        self.prometheus
            .as_ref()
            .or(self.http.as_ref())
            .map(|endpoint| endpoint.url.as_str())
            .unwrap_or_default()
    }
}

/// Whether one of these names is that of the project, or stands for every project.
pub(super) fn serves(names: &[String], project: &ProjectName) -> bool {
    names.iter().any(|name| name == "*" || project == name)
}

fn ten() -> i32 {
    10
}
