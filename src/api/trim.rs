//! Drops parts of our own kinds before they are cached.
//!
//! Invariant: no field that a decision reads is dropped. An object that is still compared or written keeps every field.

use super::condition::HOLDS;
use super::{
    Approval, ChangeDescription, ChangeFreeze, ChangeType, Channel, CheckProvider, ClusterChangeFreeze,
    Environment, Promotion, PromotionStatus, Recall, Record, Review, RollbackPolicy, mark,
};

/// A kind of Towpath that can drop parts before it is cached.
pub trait Trim {
    /// Drops what is not read again.
    fn trim(&mut self) {}
}

impl Trim for Approval {}
impl Trim for ChangeFreeze {}
impl Trim for Channel {}
impl Trim for CheckProvider {}
impl Trim for ClusterChangeFreeze {}
impl Trim for Recall {}
impl Trim for RollbackPolicy {}

/// Views read notes and actions with the rights of their user.
impl Trim for Review {
    fn trim(&mut self) {
        (self.spec.notes, self.spec.actions) = (None, Vec::new());
    }
}

/// The record is written past the cache: see [`super::record`].
impl Trim for Environment {
    fn trim(&mut self) {
        if let Some(status) = &mut self.status {
            (status.record, status.record_dropped) = (Record::new(), None);
        }
    }
}

/// A promotion that has ended keeps only its outcome and changes, because histories are long. The API server still has the complete
/// object, and its status is not written again.
impl Trim for Promotion {
    fn trim(&mut self) {
        let Some(status) = self.status.as_mut().filter(|status| status.phase.is_final()) else { return };
        let PromotionStatus {
            steps, tests, checks, warnings, disruptions, conditions, changes, change, ..
        } = status;
        (*steps, *tests, *checks, *warnings) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        *disruptions = Vec::new();
        *change = change.take().filter(|change| !change.reversible || change.type_ == ChangeType::Emergency);
        if let Some(change) = change {
            change.description = ChangeDescription::default();
        }
        conditions.retain(|condition| condition.type_ == HOLDS);
        conditions.shrink_to_fit();
        changes.shrink_to_fit();
        // The only label that is read. A promotion that the controller created has no requester that matters.
        self.metadata.labels =
            self.metadata.labels.take().filter(|labels| labels.contains_key(mark::AUTOMATIC));
        if let Some(labels) = &mut self.metadata.labels {
            labels.retain(|label, _| label == mark::AUTOMATIC);
            self.spec.requested_by = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn promotion(phase: &str, labels: serde_json::Value) -> Promotion {
        let condition = |type_: &str| json!({ "type": type_, "status": "True", "reason": "Failed", "message": "", "lastTransitionTime": "2026-11-25T02:58:45Z" });
        let mut promotion: Promotion = serde_json::from_value(json!({
            "apiVersion": "towpath.dev/v1alpha1",
            "kind": "Promotion",
            "metadata": { "name": "prod-shop-1.4.0", "namespace": "shop", "labels": labels },
            "spec": { "release": "shop-1.4.0", "environment": "prod", "requestedBy": { "username": "alice" } },
            "status": {
                "phase": phase,
                "revision": 3,
                "message": "restarted",
                "changes": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "web", "action": "Update" }],
                "steps": [{ "name": "Preflight", "result": "Passed" }],
                "warnings": ["an image is not pinned"],
                "conditions": [condition("Ready"), condition(HOLDS)],
            },
        }))
        .unwrap();
        promotion.trim();
        promotion
    }

    #[test]
    fn a_promotion_that_has_ended_keeps_its_outcome() {
        let ended = promotion("Failed", json!({}));
        let status = ended.status.unwrap();
        assert_eq!((status.revision, status.message.as_deref()), (Some(3), Some("restarted")));
        assert_eq!((status.steps.len(), status.warnings.len(), status.changes.len()), (0, 0, 1));
        let conditions: Vec<String> =
            status.conditions.into_iter().map(|condition| condition.type_).collect();
        assert_eq!(conditions, [HOLDS]);
        assert!(ended.spec.requested_by.is_some(), "a person requested it");
        let automatic =
            promotion("Failed", json!({ (mark::AUTOMATIC): "true", (mark::APPLICATION): "shop" }));
        assert!(automatic.spec.requested_by.is_none());
        assert_eq!(automatic.metadata.labels, Some([(mark::AUTOMATIC.into(), "true".into())].into()));
    }

    #[test]
    fn a_promotion_in_progress_keeps_every_field() {
        let open = promotion("Promoting", json!({ (mark::AUTOMATIC): "true" }));
        assert!(open.metadata.labels.is_some() && open.spec.requested_by.is_some());
        let status = open.status.unwrap();
        assert_eq!((status.steps.len(), status.warnings.len(), status.conditions.len()), (1, 1, 2));
    }
}
