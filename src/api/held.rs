//! Since when a release is on hold, by whom and why, as the metadata of the object shows it.

use super::mark;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde::{Deserialize, Serialize};

/// The hold of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// When `spec.hold` was last set, as its field manager recorded it. None if the API server does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// The user who set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

impl Held {
    /// The hold of a release with this metadata whose `spec.hold` is true.
    pub fn of(metadata: &ObjectMeta) -> Self {
        let annotation = |name: &str| metadata.annotations.as_ref().and_then(|all| all.get(name).cloned());
        let entries = metadata.managed_fields.iter().flatten();
        Self {
            since: entries.filter(|entry| owns_hold(entry)).filter_map(|it| Some(it.time.as_ref()?.0)).max(),
            by: annotation(mark::HELD_BY),
            because: annotation(mark::HELD_BECAUSE),
        }
    }
}

fn owns_hold(entry: &ManagedFieldsEntry) -> bool {
    entry.fields_v1.as_ref().is_some_and(|fields| fields.0.pointer("/f:spec/f:hold").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_time_of_a_hold_is_that_of_the_manager_of_the_field() {
        let entry = |manager: &str, time: &str, fields: serde_json::Value| json!({ "manager": manager, "operation": "Update", "apiVersion": "towpath.dev/v1alpha1", "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields });
        let metadata: ObjectMeta = serde_json::from_value(json!({
            "name": "shop-1.4.0",
            "annotations": { "towpath.dev/held-by": "alice", "towpath.dev/held-because": "the bank is closed" },
            "managedFields": [
                entry("kubectl", "2026-11-02T10:00:00Z", json!({ "f:spec": { "f:version": {} } })),
                entry("kubectl-patch", "2026-11-02T11:00:00Z", json!({ "f:spec": { "f:hold": {} } })),
                entry("towpath", "2026-11-02T12:00:00Z", json!({ "f:status": {} })),
            ],
        }))
        .unwrap();
        let held = Held::of(&metadata);
        assert_eq!(held.since, Some("2026-11-02T11:00:00Z".parse().unwrap()));
        assert_eq!(
            (held.by.as_deref(), held.because.as_deref()),
            (Some("alice"), Some("the bank is closed"))
        );
        assert_eq!(Held::of(&ObjectMeta::default()).since, None);
    }
}
