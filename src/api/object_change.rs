//! The objects in the record of a promotion: what it changes, what it deletes and when, what it leaves, and what is restored with an
//! object that is created again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One object that a promotion changes, or that it leaves although the content no longer contains it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    /// API group and version of the object.
    #[schemars(length(max = 253))]
    pub api_version: String,
    /// Kind of the object.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Name of the object in the target namespace.
    #[schemars(length(max = 253))]
    pub name: String,
    /// `Create`, `Update`, `Replace`, `Delete` or `Keep`.
    pub action: ChangeAction,
    /// For `Delete`: when the object is deleted. `AfterRollout`: when everything is rolled out, before the observe window, because a
    /// rollback can restore the object as it was. `AfterVerification`: after the observe window, because it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removal: Option<Removal>,
    /// For `Delete`: the object still exists after the promotion ended. The next promotion of the application deletes it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub remaining: bool,
    /// For `Update` of an object of a custom kind: its pod template changes. The promotion is verified only if the controller of the
    /// object runs pods of it, or says that the object is ready.
    #[serde(default, skip_serializing_if = "is_false")]
    pub new_template: bool,
    /// Why the object is kept, remains or is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
    /// For a dry run: the fields that would change. For `Create`: those that the release sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub fields: Vec<FieldChange>,
    /// For a dry run: the number of further fields that would change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_fields: Option<i32>,
    /// What the object had and its content does not say. A rollback that creates the object again restores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub had: Option<Box<Had>>,
}

impl ObjectChange {
    /// A change without details.
    pub fn new(api_version: &str, kind: &str, name: &str, action: ChangeAction) -> Self {
        Self {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            action,
            removal: None,
            remaining: false,
            new_template: false,
            message: None,
            fields: Vec::new(),
            more_fields: None,
            had: None,
        }
    }
}

/// A field that a dry run would change. Equal values have equal hashes, in all dry runs of an environment. A short or common value can be
/// found by trying, as with any hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Path of the field, such as `spec.template.spec.containers[app].image`.
    #[schemars(length(max = 512))]
    pub field: String,
    /// Hash of the value now. Absent if the field does not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub before: Option<String>,
    /// Hash of the value that the promotion would write. Absent if the field would be removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub after: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// The change of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChangeAction {
    /// The object did not exist.
    Create,
    /// The object existed and differs.
    Update,
    /// The object existed and cannot be updated: it is deleted and created again.
    Replace,
    /// The object existed, belongs to Towpath, and is not in the content.
    Delete,
    /// The same, but the object is never deleted by automation.
    Keep,
}

impl ChangeAction {
    /// Whether the object is written, rather than deleted or left.
    pub fn is_write(self) -> bool {
        match self {
            Self::Create | Self::Update | Self::Replace => true,
            Self::Delete | Self::Keep => false,
        }
    }
}

/// When an object that the content no longer contains is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Removal {
    /// When everything is rolled out, before the observe window, which then verifies that nothing needs the object. In a rollback,
    /// when everything is written.
    AfterRollout,
    /// After the observe window, when everything is healthy.
    AfterVerification,
}

/// What an object had that its content does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Had {
    /// Replicas of a workload. For a DaemonSet that is changed: the nodes that it ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,
    /// Whether a CronJob was suspended.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspended: bool,
    /// Cluster IPs of a Service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), inner(length(max = 64)))]
    pub cluster_ips: Vec<String>,
    /// Node ports of a Service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub node_ports: Vec<NodePort>,
    /// Node port for health checks of a Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_node_port: Option<i32>,
}

/// The node port of one port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePort {
    /// Port of the Service.
    pub port: i32,
    /// Protocol of the port. Default: TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub protocol: Option<String>,
    /// Port on the nodes.
    pub node_port: i32,
}
