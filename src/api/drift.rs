//! Drift: what happens when another manager changes fields that Towpath wrote, and how that is reported.

use super::ApplicationName;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens when another manager changes or removes a field that Towpath wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftMode {
    /// It is reported in the status and in the condition `Drifted`.
    #[default]
    Report,
    /// It is also a gate: no promotion starts before the field is restored. Rollbacks start.
    Block,
}

/// A field that Towpath wrote and that does not have the written value any more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct DriftedField {
    /// Kind of the object.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Name of the object.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The application that the object belongs to.
    #[schemars(length(max = 63))]
    pub application: ApplicationName,
    /// Path of the field, such as `spec.template.spec.containers[app].image`.
    #[schemars(length(max = 512))]
    pub field: String,
    /// Whether the field was removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
    /// The field manager that owns the field now or, if the field was removed, that changed the object last. Absent if the API server
    /// recorded none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub manager: Option<String>,
    /// When that field manager last changed the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

impl DriftedField {
    /// Object, field and manager as a sentence without its end.
    pub fn sentence(&self) -> String {
        let Self { kind, name, field, .. } = self;
        match (&self.manager, self.removed) {
            (Some(manager), false) => format!("{kind} {name}: {manager} changed {field}"),
            (None, false) => format!("{kind} {name}: another manager changed {field}"),
            (Some(manager), true) => {
                format!("{kind} {name}: {field} was removed, and {manager} changed the object last")
            }
            (None, true) => format!("{kind} {name}: another manager removed {field}"),
        }
    }
}
