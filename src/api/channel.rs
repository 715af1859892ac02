//! Channel: where notifications go, and the projects that may use it.

use super::check_provider::{Endpoint, ProviderAuth, Tls, serves};
use super::{Condition, ProjectName, schema};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A receiver of notifications that environments refer to by name. The platform team owns it: users of a project cannot name an address.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "towpath.dev",
    version = "v1alpha1",
    kind = "Channel",
    plural = "channels",
    shortname = "chan",
    category = "towpath",
    status = "ChannelStatus",
    derive = "PartialEq",
    doc = "A receiver of notifications that environments refer to by name. The platform team owns it.",
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
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = Rule::new("[has(self.webhook), has(self.slack), has(self.teams), has(self.smtp), has(self.cdevents)].filter(it, it).size() == 1")
    .message("set exactly one of webhook, slack, teams, smtp and cdevents"))]
#[x_kube(validation = Rule::new("!has(self.auth) || has(self.webhook) || has(self.cdevents)")
    .message("spec.auth is only allowed with webhook and cdevents: the addresses of slack and teams are credentials, and smtp has its own"))]
#[serde(rename_all = "camelCase")]
pub struct ChannelSpec {
    /// An HTTP server that gets each notification as JSON, signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
    /// An incoming webhook of Slack, or of a server that accepts its messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack: Option<ChatWebhook>,
    /// An incoming webhook of Microsoft Teams, or of a server that accepts Adaptive Cards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teams: Option<ChatWebhook>,
    /// A mail server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp: Option<Smtp>,
    /// A receiver of CDEvents 0.5, as CloudEvents over HTTP in binary mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cdevents: Option<Endpoint>,
    /// Names of the projects whose environments may use the channel. `*` means every project.
    #[schemars(schema_with = "schema::served_projects")]
    pub projects: Vec<String>,
    /// TLS. The certificate of the server is always verified. Default: the public authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// How Towpath authenticates to a webhook or a receiver of CDEvents. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<ProviderAuth>,
    /// Address ranges that the server may resolve to although they are refused otherwise, such as `127.0.0.0/8`. Loopback, link-local
    /// and metadata addresses, and the API server, are refused unless they are listed here. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::address_ranges")]
    pub allow_addresses: Vec<String>,
}

/// An HTTP server that gets each notification as JSON. The header `Towpath-Signature` is `sha256=` and the HMAC-SHA256, in hexadecimal, of
/// the header `Towpath-Timestamp`, a dot and the body. `Towpath-Id` is the same if a notification is sent again.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new(schema::is_file("key")).message(schema::IS_FILE).field_path(".key"))]
pub struct Webhook {
    /// URL, with an optional path and without credentials, query and fragment, such as `https://hooks.example.com/towpath`.
    #[schemars(
        length(min = 8, max = 512),
        regex(pattern = "^https?://[A-Za-z0-9._\\[\\]:-]+(/[A-Za-z0-9._~/-]*)?$")
    )]
    pub url: String,
    /// Path of the file with the key of the signature, below the credentials folder of the controller. A line break at its end is no part
    /// of the key.
    #[schemars(schema_with = "schema::secret_file")]
    pub key: String,
}

/// An incoming webhook of a chat. Its URL is a credential, so it is read from a file.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new(schema::is_file("url")).message(schema::IS_FILE).field_path(".url"))]
pub struct ChatWebhook {
    /// Path of the file with the URL, below the credentials folder of the controller.
    #[schemars(schema_with = "schema::secret_file")]
    pub url: String,
}

/// A mail server.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("has(self.username) == has(self.password)").message("set both username and password, or neither"))]
#[x_kube(validation = Rule::new("!has(self.password) || self.security != 'None'")
    .message("a password is never sent without TLS: set security to Tls or StartTls, or remove username and password"))]
#[x_kube(validation = Rule::new(schema::is_file_if_set("password")).message(schema::IS_FILE).field_path(".password"))]
#[serde(rename_all = "camelCase")]
pub struct Smtp {
    /// Name or address of the server, without a port.
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[A-Za-z0-9._\\[\\]:-]+$"))]
    pub host: String,
    /// Port. Default: 465 with `Tls`, 587 with `StartTls`, 25 with `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// `Tls`: the connection starts with TLS. `StartTls`: the connection changes to TLS, and nothing is sent if the server does not offer
    /// it. `None`: without TLS. Default: StartTls.
    #[serde(default)]
    pub security: SmtpSecurity,
    /// Address of the sender.
    #[schemars(length(min = 3, max = 254), regex(pattern = MAIL_ADDRESS))]
    pub from: String,
    /// Addresses of the recipients.
    #[schemars(length(min = 1, max = 50), inner(length(min = 3, max = 254), regex(pattern = MAIL_ADDRESS)))]
    pub to: Vec<String>,
    /// User name. Default: no authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 254))]
    pub username: Option<String>,
    /// Path of the file with the password, below the credentials folder of the controller. Default: no authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::optional_secret_file")]
    pub password: Option<String>,
}

/// An address without a display name and without quotes.
const MAIL_ADDRESS: &str = "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$";

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SmtpSecurity {
    /// TLS from the first byte.
    Tls,
    /// TLS after the command `STARTTLS`, which the server has to offer.
    #[default]
    StartTls,
    /// No TLS.
    None,
}

impl Smtp {
    /// The port.
    pub fn port(&self) -> u16 {
        let default = match self.security {
            SmtpSecurity::Tls => 465,
            SmtpSecurity::StartTls => 587,
            SmtpSecurity::None => 25,
        };
        self.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(default)
    }
}

/// What was sent, and whether the server accepts it. Written by Towpath.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelStatus {
    /// Generation of the spec that this status describes. -1 until the controller has observed the object.
    #[serde(default = "schema::never_observed")]
    #[schemars(schema_with = "schema::observed_generation")]
    pub observed_generation: i64,
    /// Everything that happened before this time was sent or dropped. What happened later is sent again after a restart of the
    /// controller, with the same id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Time>,
    /// Since when notifications are not accepted, and why. Absent while they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<ChannelFailing>,
    /// Number of notifications that were dropped: there were too many while the channel failed, the server refused one permanently, no
    /// environment sends it any more, or its object was deleted before a restart of the controller.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub dropped: i64,
    /// Conditions. `Ready` is `False` while notifications are not accepted; its message holds the last error.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Why notifications are not accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelFailing {
    /// Time of the first attempt that failed.
    pub since: Time,
    /// The last error.
    #[schemars(length(max = 4096))]
    pub message: String,
    /// Number of notifications that wait. It is up to half a minute old.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub waiting: i64,
}

impl Default for ChannelStatus {
    fn default() -> Self {
        Self {
            observed_generation: schema::never_observed(),
            through: None,
            failing: None,
            dropped: 0,
            conditions: Vec::new(),
        }
    }
}

impl ChannelSpec {
    /// Whether environments of this project may use the channel.
    pub fn serves(&self, project: &ProjectName) -> bool {
        serves(&self.projects, project)
    }
}
